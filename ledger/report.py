"""The numbers of a report: sums over `ledger.report_rows`, one statement for each table of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, FromClause, MappingResult, RowMapping, Select, case, func, select

from ledger import tables as t
from ledger.report_rows import Lens, OpenedWave, campaign_rows, known_conversions, standing, wave_rows
from ledger.words import CODE_PARTS
from waves.outcomes import Part, Verdict, word

COUNTS = (
    "eligible",
    "held_out",
    "treated",
    "sent",
    "delivered",
    "reached",
    "engaged",
    "sent_by_now",
    "delivered_by_now",
    "reached_by_now",
    "engaged_by_now",
    "right_party",
    "opted_out",
    "touches",
    "uncosted",
)
GROUPED = frozenset({"eligible", "held_out", "treated", "engaged"})
"""Counts that the groups, verdict and part, tell by themselves."""
SUMMED = (*[name for name in COUNTS if name not in GROUPED], "converted", "cost")
STREAMED = 10_000


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of a comparison: everybody that the lottery assigned to it, and how many of them converted."""

    assigned: int
    converted: int


@dataclass(frozen=True, slots=True)
class Worth:
    """Conversions of one arm in one currency: those that stand, and those that were reversed."""

    held_out: bool
    currency: str | None
    conversions: int
    value: Decimal
    reversed: int
    reversed_value: Decimal


@dataclass(frozen=True, slots=True)
class WaveCounts:
    """One wave's books: members, a sum for each of COUNTS, verdicts, parts as closed, both arms, what it cost."""

    members: int
    counts: Mapping[str, int]
    verdicts: Mapping[str, int]
    parts: Mapping[str, int]
    treated: Arm
    held_out: Arm
    cost: Decimal
    worth: Sequence[Worth]


@dataclass(frozen=True, slots=True)
class Link:
    """How many members were here in one wave and there in the next: a part when they took part, else the verdict."""

    before: str
    after: str
    members: int


def count_wave(connection: Connection, wave: OpenedWave, lens: Lens) -> WaveCounts:
    """Every number of one wave, grouped once by verdict and part."""
    r = wave_rows(wave, lens, raw=True).subquery("r").c
    sums = [func.sum(r[name]).label(name) for name in SUMMED]
    found = connection.execute(
        select(r.verdict, r.part, func.count().label("members"), *sums).group_by(r.verdict, r.part)
    )
    groups = [row._mapping for row in found]
    verdicts, parts = Counter[str](), Counter[str]()
    for group in groups:
        verdicts[word(Verdict(group["verdict"]))] += group["members"]
        if group["part"] is not None:
            parts[word(CODE_PARTS[group["part"]])] += group["members"]
    went, held = verdicts[word(Verdict.GO)], verdicts[word(Verdict.WAVE_HELD_OUT)]
    grouped = {"eligible": went + held, "held_out": held, "treated": went, "engaged": parts[word(Part.ENGAGED)]}
    return WaveCounts(
        members=_total(groups, "members"),
        counts={name: grouped[name] if name in grouped else _total(groups, name) for name in COUNTS},
        verdicts=dict(verdicts),
        parts=dict(parts),
        treated=_arm([group for group in groups if group["verdict"] == int(Verdict.GO)]),
        held_out=_arm([group for group in groups if group["verdict"] == int(Verdict.WAVE_HELD_OUT)]),
        cost=sum((group["cost"] for group in groups if group["cost"] is not None), Decimal(0)),
        worth=_worth(connection, sale_rows(_wave_arms(wave), lens, wave.opened)),
    )


def _total(groups: Sequence[RowMapping], name: str) -> int:
    return sum(int(group[name]) for group in groups)


def _arm(groups: Sequence[RowMapping]) -> Arm:
    return Arm(_total(groups, "members"), _total(groups, "converted"))


def count_campaign(
    connection: Connection, campaign: int, lens: Lens, start: datetime
) -> tuple[Arm, Arm, Sequence[Worth]]:
    """(treated, held out, worth) of a campaign's members, in the window from its first wave's opening."""
    r = campaign_rows(campaign, lens, start).subquery("r").c
    rows = connection.execute(
        select(r.held_out, func.count(), func.sum(r.converted)).group_by(r.held_out).order_by(r.held_out)
    )
    arms = {row[0]: Arm(row[1], int(row[2])) for row in rows}
    worth = _worth(connection, sale_rows(_campaign_arms(campaign), lens, start))
    return arms.get(0, Arm(0, 0)), arms.get(1, Arm(0, 0)), worth


def _campaign_arms(campaign: int) -> FromClause:
    m = t.member.c
    return select(m.customer, m.arm.label("held_out")).where(m.campaign == campaign).subquery("a")


def _wave_arms(wave: OpenedWave) -> FromClause:
    e = t.enrolment.c
    drawn = e.verdict.in_([int(Verdict.GO), int(Verdict.WAVE_HELD_OUT)])
    held_out = case((e.verdict == int(Verdict.WAVE_HELD_OUT), 1), else_=0).label("held_out")
    return select(e.customer, held_out).where(e.wave == wave.id, drawn).subquery("a")


def sale_rows(arms: FromClause, lens: Lens, start: datetime) -> Select[Any]:
    """One row per conversion in the window from `start`, of everybody in (customer, held_out); `stands` 0: reversed."""
    v = t.conversion.c
    reversed_at = case((~standing(lens), v.reversed_at)).label("reversed_at")
    stands = case((standing(lens), 1), else_=0).label("stands")
    columns = (v.at, v.value, v.currency, v.product, v.source, v.source_id, reversed_at, stands)
    return (
        select(arms.c.customer, arms.c.held_out, *columns)
        .join_from(arms, t.conversion, v.customer == arms.c.customer)  # ix_conversion_customer
        .where(known_conversions(lens, start))
    )


def _worth(connection: Connection, sales: Select[Any]) -> list[Worth]:
    s = sales.subquery("s").c
    stood, undone = s.stands == 1, s.stands == 0
    rows = connection.execute(
        select(
            s.held_out,
            s.currency,
            func.sum(case((stood, 1), else_=0)),
            func.sum(case((stood, s.value))),
            func.sum(case((undone, 1), else_=0)),
            func.sum(case((undone, s.value))),
        )
        .group_by(s.held_out, s.currency)
        .order_by(s.held_out, s.currency)
    )
    zero = Decimal(0)
    return [Worth(bool(r[0]), r[1], int(r[2]), r[3] or zero, int(r[4]), r[5] or zero) for r in rows]


def spent_on(
    connection: Connection, treated: OpenedWave, waves: Sequence[OpenedWave], lens: Lens
) -> tuple[Decimal, int]:
    """(cost, touches of unknown cost) in these waves of those whom the wave `treated` let take part."""
    e = t.enrolment.c
    cost, uncosted = Decimal(0), 0
    for wave in waves:
        r = wave_rows(wave, lens).subquery("r").c
        went = (e.wave == treated.id) & (e.verdict == int(Verdict.GO)) & (e.customer == r.customer)
        row = connection.execute(select(func.sum(r.cost), func.sum(r.uncosted)).join(t.enrolment, went)).one()
        cost, uncosted = cost + (row[0] or Decimal(0)), uncosted + int(row[1] or 0)
    return cost, uncosted


def links(connection: Connection, wave: OpenedWave, after: OpenedWave, lens: Lens) -> list[Link]:
    """Where the members of one wave were in the next."""
    a, b = wave_rows(wave, lens).subquery("a").c, wave_rows(after, lens).subquery("b").c
    keys = (a.verdict, a.part, b.verdict, b.part)
    rows = connection.execute(
        select(*keys, func.count()).where(a.customer == b.customer).group_by(*keys).order_by(*keys)
    )
    return [Link(_place(*row[0:2]), _place(*row[2:4]), row[4]) for row in rows]


def _place(verdict: int, part: int | None) -> str:
    return word(Verdict(verdict)) if part is None else word(Part(part))


def members_of_wave(connection: Connection, wave: OpenedWave, lens: Lens) -> MappingResult:
    """The rows behind a wave's numbers by customer key, in order of the customer's id."""
    rows = wave_rows(wave, lens).subquery("r")
    return _by_key(connection, select(t.customer.c.key, *rows.c), rows)


def members_of_campaign(connection: Connection, campaign: int, lens: Lens, start: datetime) -> MappingResult:
    """The rows behind the campaign's own comparison by customer key."""
    rows = campaign_rows(campaign, lens, start).subquery("r")
    return _by_key(connection, select(t.customer.c.key, *rows.c), rows)


def sales_of(
    connection: Connection, campaign: int, wave: OpenedWave | None, lens: Lens, start: datetime
) -> MappingResult:
    """The conversions behind the values of a wave, or of the campaign (None), by customer key."""
    arms = _campaign_arms(campaign) if wave is None else _wave_arms(wave)
    rows = sale_rows(arms, lens, start).subquery("r")
    return _by_key(connection, select(t.customer.c.key, *rows.c), rows)


def _by_key(connection: Connection, query: Select[Any], rows: FromClause) -> MappingResult:
    ordered = query.join_from(rows, t.customer, t.customer.c.id == rows.c.customer).order_by(rows.c.customer)
    return connection.execute(ordered.execution_options(yield_per=STREAMED)).mappings()
