"""A started campaign as the engine sees it: its frozen bundle, its waves, and the gates of each at a moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from config.bundle import Bundle
from flows.hours import BANS, KEY, bans_of, keep_hours, set_in
from flows.room import Room
from ledger import campaigns
from ledger.dial_choice import Score
from ledger.enrol import Opening
from ledger.gates import FALSE, Enter, Gates, Members
from ledger.legal_hours import Rules
from ledger.limits import Limit
from ledger.store import Ledger, read_meta
from ledger.words import WaveWords
from segments.select import Source, compile_rule
from waves.draw import Draw
from waves.errors import LedgerError
from waves.hours_set import accepting
from waves.message import CHANNEL_CODES
from waves.plan import Plan, Wave
from waves.rules import Rule


@dataclass(frozen=True)
class Running:
    """One campaign's frozen plan beside the rows it became."""

    id: int
    name: str
    state: str
    started_at: datetime
    bundle: Bundle
    rows: tuple[Any, ...]
    hours_now: str | None = None
    """The hours file as the ledger last took it over."""
    bans_now: str | None = None
    """The file of bans likewise."""
    _gates: dict[tuple[str, date], Gates] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def plan(self) -> Plan:
        """The plan as it was started."""
        return self.bundle.plan

    @property
    def since(self) -> datetime:
        """From when a conversion counts: the start, or the plan's `starts` when it was started later than that."""
        return min(self.started_at, self.plan.starts.at)

    @property
    def types(self) -> dict[str, str]:
        """Types of the columns that members of this campaign carry."""
        return {name: self.bundle.types[name] for name in sorted(self.bundle.member_columns)}

    @cached_property
    def rules(self) -> Rules:
        """The permitted hours: those it was started with and those of today, the stricter at any moment; and bans."""
        return rules_of(self.bundle, self.hours_now, self.bans_now)

    def row(self, wave: str) -> Any:
        """The ledger's row of a wave; KeyError when the plan has no such wave."""
        return next(row for row in self.rows if row.name == wave)


def load_running(ledger: Ledger, name: str) -> Running:
    """Read a campaign and its waves; CampaignError when there is none of that name."""
    with ledger.read() as connection:
        row = campaigns.find(connection, name)
        rows = tuple(campaigns.waves_of(connection, row.id))
        hours, bans = read_meta(connection, KEY), read_meta(connection, BANS)
    return Running(row.id, row.name, row.state, row.started_at, _bundle(row.bundle), rows, hours, bans)


def obeying(room: Room, running: Running, now: datetime) -> Running:
    """The campaign by the hours and bans of this moment; PlanError while a file of them cannot be read."""
    keep_hours(room, now)
    with room.ledger.read() as connection:
        hours, bans = read_meta(connection, KEY), read_meta(connection, BANS)
    if (hours, bans) == (running.hours_now, running.bans_now):
        return running
    return replace(running, hours_now=hours, bans_now=bans)


def rules_of(bundle: Bundle, hours_now: str | None, bans_now: str | None) -> Rules:
    """A bundle's own hours with those of the same name in today's file, once one was taken over, and today's bans."""
    own, chosen = bundle.hours, bundle.plan.hours
    now = own if hours_now is None else accepting(set_in(hours_now, chosen.set), chosen.accept_unreviewed)
    return Rules((own,) if now == own else (own, now), bans_of(bans_now))


@lru_cache(maxsize=32)
def _bundle(text: str) -> Bundle:
    return Bundle.from_json(text)


def opens_at(running: Running, wave: Wave, previous_closed: datetime | None) -> datetime:
    """When a wave opens: the campaign's start, or the previous close plus the wait; never before its own `at`."""
    due = running.plan.starts.at if previous_closed is None else previous_closed + wave.wait
    return max(due, wave.at.at) if wave.at else due


def current_wave(running: Running) -> tuple[Wave, Any, datetime] | None:
    """The first wave that is not closed, its row, and when it opens or was to open; None when all are closed."""
    closed: datetime | None = None
    for wave in running.plan.waves:
        row = running.row(wave.wave)
        if row.state != "closed":
            return wave, row, opens_at(running, wave, closed)
        closed = row.closed
    return None


def segment_clause(rule: Rule, people: Any, today: date) -> Any:
    """A segment's rule as a clause over a source of customers."""
    columns = {name: people.c[name] for name in rule.columns}
    return compile_rule(rule, Source(columns, today, _no_word, _no_word, None))


def _no_word(wave: str, word: str) -> Any:
    raise LedgerError(f"a segment rule cannot read a wave, {wave}.{word}; that is for a wave's enter rule")


def groups_of(wave: Wave) -> tuple[tuple[int, ...], ...]:
    """The wave's channels as codes, grouped as the plan groups them."""
    return tuple(tuple(CHANNEL_CODES[name] for name in group.first_of) for group in wave.channels)


def local_day(plan: Plan, now: datetime) -> date:
    """The calendar day in the plan's own zone, which days_since and days_until count from."""
    return now.astimezone(ZoneInfo(plan.starts.zone)).date()


def enter_builder(rule: Rule, waves: dict[str, int], today: date) -> Enter:
    """The enter rule as a function of the members it is asked about; who converted never comes to it."""

    def build(members: Members) -> Any:
        words = WaveWords(waves, members.c.customer, members)
        columns = {name: members.c[name] for name in rule.columns}
        return compile_rule(rule, Source(columns, today, words.word, words.value, FALSE))

    return build


def gates_of(running: Running, wave: Wave, now: datetime) -> Gates:
    """The gates of one wave of a started campaign at `now`."""
    plan = running.plan
    earlier = {name: running.row(name).id for name in plan.earlier(wave.wave)}
    stopping = tuple(running.row(name).id for name in earlier if running.row(name).holdout_stops)
    rule = running.bundle.enter_rule(wave.wave)
    enter = enter_builder(rule, earlier, local_day(plan, now)) if rule else None
    row = running.row(wave.wave)
    return Gates(
        groups=groups_of(wave),
        goal=plan.goal.event,
        since=running.since,
        now=now,
        rules=running.rules,
        released=row.released,
        closes=row.closes,
        priority=plan.priority,
        limit=limit_of(plan),
        ramp=ramp_of(plan, wave),
        rest_from=row.rest_from,
        enter=enter,
        campaign=running.id,
        stopping_waves=stopping,
        heard=tuple(sorted(earlier[name] for name in rule.waves)) if rule else (),
        holdout=holdout_of(plan, wave),
    )


def claim_gates(running: Running, wave: Wave, now: datetime) -> Gates:
    """The gates of one wave for claims on the day of `now`, with the statements that were built for them."""
    key = (wave.wave, local_day(running.plan, now))
    if key not in running._gates:
        running._gates[key] = gates_of(running, wave, now)
    return running._gates[key]


def limit_of(plan: Plan) -> Limit | None:
    """The plan's own contact limit."""
    return Limit(plan.limits.contacts, plan.limits.within) if plan.limits else None


def ramp_of(plan: Plan, wave: Wave) -> tuple[Draw, float] | None:
    """The lottery of those who come first in a wave with a ramp, and their share."""
    return (Draw.named("wave", plan.campaign, wave.wave, "ramp"), wave.ramp.first) if wave.ramp else None


def holdout_of(plan: Plan, wave: Wave) -> tuple[Draw, float] | None:
    """The wave's own lottery and share, independent of every other wave's."""
    if wave.holdout is None:
        return None
    return Draw.named("wave", plan.campaign, wave.wave, "holdout"), wave.holdout.share


def opening_of(running: Running, wave: Wave, now: datetime, batch_size: int, range_size: int) -> Opening:
    """How a wave that has begun is enrolled."""
    row = running.row(wave.wave)
    return Opening(
        wave=row.id,
        gates=gates_of(running, wave, now),
        types=running.types,
        batch_size=batch_size,
        range_size=range_size,
        variants=tuple(variant.weight for variant in wave.variants.values()),
        variant_draw=Draw.named("wave", running.plan.campaign, wave.wave, "variant"),
    )


def score_of(running: Running, wave: Wave, now: datetime) -> Score | None:
    """The wave's rank as a function of its members; None when the plan names none."""
    rule = running.bundle.rank_rule(wave.wave)
    if rule is None:
        return None
    today = local_day(running.plan, now)

    def build(members: Members) -> Any:
        columns = {name: members.c[name] for name in rule.columns}
        words = WaveWords({}, members.c.customer)
        return compile_rule(rule, Source(columns, today, words.word, words.value, None))

    return build
