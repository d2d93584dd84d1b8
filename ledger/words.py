"""The words that an enter rule reads of an earlier wave, as SQL over the ledger of this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select

from ledger import tables as t
from waves.outcomes import PART_OF_OUTCOME, PART_OF_STATE, Outcome, Part, Verdict


def part_column(highest: ColumnElement[int], states: ColumnElement[int]) -> ColumnElement[int]:
    """The part of a member from its highest outcome and, with none, from a mask of `1 << state` over its touches."""
    by_outcome = [
        (highest.in_([int(o) for o, p in PART_OF_OUTCOME.items() if p is part]), literal(int(part))) for part in Part
    ]
    by_state = [(states.op("&")(1 << state) != 0, literal(int(part))) for state, part in PART_OF_STATE]
    return case(*by_outcome, *by_state, else_=literal(int(Part.UNTRIED)))


def state_mask(state: ColumnElement[int]) -> ColumnElement[int]:
    """A mask with one bit for each state that a group of touches is in."""
    codes = sorted({s for s, _ in PART_OF_STATE})
    present = [func.max(case((state == s, 1 << s), else_=0)) for s in codes]
    total: ColumnElement[int] = present[0]
    for bit in present[1:]:
        total = total + bit
    return total


@dataclass(frozen=True, slots=True)
class WaveWords:
    """The words of earlier waves for one customer column: wave name to wave id."""

    waves: Mapping[str, int]
    customer: ColumnElement[int]

    def _touches(self, wave: str, *columns: ColumnElement[int]) -> Select[tuple[int]]:
        # uq_touch_wave_customer_channel finds a member's one to four touches.
        return (
            select(*columns)
            .select_from(t.touch)
            .where(t.touch.c.wave == self.waves[wave], t.touch.c.customer == self.customer)
            .correlate_except(t.touch)
        )

    def _verdict(self, wave: str) -> ColumnElement[int]:
        return (
            select(t.enrolment.c.verdict)
            .where(t.enrolment.c.wave == self.waves[wave], t.enrolment.c.customer == self.customer)
            .correlate_except(t.enrolment)
            .scalar_subquery()
        )

    def word(self, wave: str, word: str) -> ColumnElement[bool]:
        """True when the member took part in the wave and falls into this part, or its highest outcome is this word."""
        went = func.coalesce(self._verdict(wave), 0) == int(Verdict.GO)
        name = word.upper()
        if name in Part.__members__:
            part = part_column(func.max(t.touch.c.outcome), state_mask(t.touch.c.state))
            found = self._touches(wave, part).scalar_subquery() == int(Part[name])
        else:
            highest = self._touches(wave, func.max(t.touch.c.outcome)).scalar_subquery()
            found = func.coalesce(highest, 0) == int(Outcome[name])
        return and_(went, found)

    def value(self, wave: str, word: str) -> ColumnElement[int]:
        """The code behind `wave.verdict` or `wave.disposition`; NULL when there is none."""
        if word == "verdict":
            return self._verdict(wave)
        return self._touches(wave, func.max(t.touch.c.disposition)).scalar_subquery()
