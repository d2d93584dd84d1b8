"""The words that an enter rule reads of an earlier wave, as SQL over the ledger of this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Select, and_, case, func, literal, select

from ledger import tables as t
from ledger.types import Span
from waves.outcomes import PART_OF_OUTCOME, PART_OF_STATE, Outcome, Part, Verdict

RANKS = 8
STATE_RANKS = {state: rank for rank, (state, _) in enumerate(reversed(PART_OF_STATE), 1)}


def heard(touch: Any) -> ColumnElement[int]:
    """What is known of a touch as a number whose maximum speaks for several: outcome * RANKS, or its state's rank."""
    return case(
        (touch.outcome.is_not(None), touch.outcome * literal(RANKS, Integer)),
        *[(touch.state == int(state), literal(rank)) for state, rank in STATE_RANKS.items()],
        else_=literal(0),
    )


def _heard_codes(part: Part) -> list[int]:
    by_outcome = [int(outcome) * RANKS for outcome, its in PART_OF_OUTCOME.items() if its is part]
    by_state = [STATE_RANKS[state] for state, its in PART_OF_STATE if its is part]
    return by_outcome + by_state + ([0] if part is Part.UNTRIED else [])


def part_column(highest: ColumnElement[int]) -> ColumnElement[int]:
    """The part of a member from the maximum of `heard` over its touches."""
    return case(*[(highest.in_(_heard_codes(part)), literal(int(part))) for part in Part])


CODE_PARTS = {code: part for part in Part for code in _heard_codes(part)}
"""The part that each maximum of `heard` means."""


@dataclass(frozen=True, slots=True)
class WaveWords:
    """The words of earlier waves for one customer column: wave name to wave id.

    `members` may carry what was heard as columns (heard_name); else each word looks it up.
    """

    waves: Mapping[str, int]
    customer: ColumnElement[int]
    members: FromClause | None = None

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

    def _heard(self, wave: str) -> ColumnElement[int]:
        column = None if self.members is None else self.members.c.get(heard_name(self.waves[wave]))
        found = self._touches(wave, func.max(heard(t.touch.c))).scalar_subquery() if column is None else column
        return func.coalesce(found, 0)

    def word(self, wave: str, word: str) -> ColumnElement[bool]:
        """True when the member took part in the wave and falls into this part, or its highest outcome is this word."""
        name, highest = word.upper(), self._heard(wave)
        if name not in Part.__members__:
            return highest == int(Outcome[name]) * RANKS
        found = highest.in_(_heard_codes(Part[name]))
        if name != Part.UNTRIED.name:
            return found  # only who took part has touches
        return and_(func.coalesce(self._verdict(wave), 0) == int(Verdict.GO), found)

    def value(self, wave: str, word: str) -> ColumnElement[int]:
        """The code behind `wave.verdict` or `wave.disposition`; NULL when there is none."""
        if word == "verdict":
            return self._verdict(wave)
        return self._touches(wave, func.max(t.touch.c.disposition)).scalar_subquery()


def heard_name(wave: int) -> str:
    """The column of a members' source with what was heard in a wave; no attribute can have such a name."""
    return f"_heard_{wave}"


def heard_by(wave: int, span: Span) -> Select[tuple[int, int]]:
    """(customer, the maximum of `heard`) of every customer of the span with a touch in the wave."""
    c = t.touch.c
    within = (c.wave == wave, c.customer > span[0], c.customer <= span[1])  # uq_touch_wave_customer_channel
    return select(c.customer, func.max(heard(c))).where(*within).group_by(c.customer)
