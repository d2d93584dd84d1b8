"""From a checked plan to a started campaign: the dry run and the start share every rule."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.bundle import Bundle
from flows.hours import BANS, KEY, keep_hours
from flows.render import Around
from flows.rivals import rivals_of
from flows.room import Room
from flows.running import (
    Running,
    enter_builder,
    groups_of,
    holdout_of,
    limit_of,
    local_day,
    ramp_of,
    rules_of,
    segment_clause,
)
from flows.units import READERS, expected_units
from ledger import campaigns, freeze
from ledger.aggregates import member_count
from ledger.attributes import attribute_types
from ledger.audit import record
from ledger.dry_run import WaveCount, count_members, count_verdicts, examples, one_of_each_language, some_members
from ledger.gates import Gates, Rival
from ledger.legal_hours import Rules, cover
from ledger.overlap import Overlap, overlaps
from ledger.recall import audience, audience_within
from ledger.recipients import without_address
from ledger.store import read_meta
from ledger.types import Span
from waves.errors import CampaignError, LedgerError
from waves.hours_set import accepted_rows
from waves.message import CHANNEL_NAMES
from waves.outcomes import Verdict
from waves.plan import Wave
from waves.rules import Rule
from waves.stride import Stride

Chooser = Callable[[Span | None], tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class WaveForecast:
    """What a dry run says of one wave; `exact` is true for the first, the later ones are upper bounds."""

    wave: str
    exact: bool
    opens: datetime
    closes: datetime
    verdicts: Mapping[str, int]
    touches: Mapping[str, int]
    cost: Decimal | None
    units: Mapping[str, Decimal]
    """What the messages are billed as, by channel: the segments expected of text messages, else messages."""
    examples: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A plan counted on the ledger of this moment; nothing was written."""

    campaign: str
    digest: str
    treated: int
    held_out: int
    waves: tuple[WaveForecast, ...]
    readers: tuple[str, ...]
    """One member's key for each language."""
    overlaps: tuple[Overlap, ...] = ()


def _chosen(room: Room, bundle: Bundle, types: Mapping[str, str], now: datetime) -> Chooser:
    """A function of a span to (profiles, the clause that says whom the plan is for): its segment's rule or audience."""
    rule, today = bundle.segment_rule(), local_day(bundle.plan, now)
    if rule is not None:

        def by_rule(span: Span | None) -> tuple[Any, Any]:
            source = campaigns.profiles(types, span)
            return source, segment_clause(rule, source, today)

        return by_rule
    with room.ledger.read() as connection:
        wanted = audience(connection, bundle.plan.audience)

    def by_name(span: Span | None) -> tuple[Any, Any]:
        source = campaigns.profiles(types, span)
        return source, source.c.customer.in_(audience_within(wanted, span) if span else wanted)

    return by_name


def _known_types(room: Room, bundle: Bundle) -> dict[str, str]:
    """The bundle's types, once the ledger has a column for each of them."""
    with room.ledger.read() as connection:
        known = attribute_types(connection)
    missing = sorted(name for name in bundle.types if known.get(name) != bundle.types[name])
    if missing:
        raise LedgerError(
            f"the ledger has no column yet for {', '.join(missing)} as customers.yaml declares; "
            "import the customers first: multiwave customers import FILE"
        )
    return dict(sorted(bundle.types.items()))


def forecast(room: Room, bundle: Bundle, now: datetime) -> Forecast:
    """The dry run: the statement that enrols, counted. Exact for the first wave, an upper bound for the others."""
    types = _known_types(room, bundle)
    plan = bundle.plan
    source, clause = _chosen(room, bundle, types, now)(None)
    members = campaigns.future_members(source, clause, plan.campaign, plan.holdout)
    found: list[WaveForecast] = []
    opens = max(now, plan.starts.at)
    rivals = rivals_of(room.ledger, plan, opens)
    rules = cover_plan(room, bundle, now, opens, rivals)
    with room.ledger.read() as connection:
        treated, held_out = count_members(connection, members)
        sampled = without_address(connection, some_members(connection, members, READERS), bundle.types)
        shared = overlaps(connection, members)
        for wave in plan.waves:
            if found:
                opens = found[-1].closes + wave.wait
            if wave.at:
                opens = max(opens, wave.at.at)
            rule = bundle.enter_rule(wave.wave)
            exact = not found
            closes = opens + wave.release + wave.listen
            gates = _dry_gates(bundle, wave, rule if exact or not rule else rule.at_most(), now, opens, rules)
            gates = replace(gates, rivals=rivals) if exact else gates
            counted = count_verdicts(connection, members, gates)
            around = Around(room.settings.public_url, closes)
            units = {
                name: expected_units(bundle, wave, name, sampled, around, n)
                for name, n in ((CHANNEL_NAMES[code], n) for code, n in counted.touches.items())
            }
            shown = examples(connection, counted)
            found.append(_wave_forecast(room, wave, exact, opens, closes, counted, units, shown))
        readers = one_of_each_language(connection, members)
    return Forecast(plan.campaign, bundle.digest, treated, held_out, tuple(found), tuple(readers), tuple(shared))


def cover_plan(room: Room, bundle: Bundle, now: datetime, opens: datetime, rivals: tuple[Rival, ...]) -> Rules:
    """The hours a plan would run by, worked out from `now` to the end that its waves can have at the latest."""
    keep_hours(room, now)
    with room.ledger.write() as connection:
        for rival in rivals:
            cover(connection, rival.gates.rules, now, rival.gates.closes)
        rules = rules_of(bundle, read_meta(connection, KEY), read_meta(connection, BANS))
        end = opens
        for wave in bundle.plan.waves:
            end = max(end + wave.wait, wave.at.at if wave.at else end) + wave.release + wave.listen
        cover(connection, rules, now, end)
    return rules


def _dry_gates(bundle: Bundle, wave: Wave, rule: Rule | None, now: datetime, opens: datetime, rules: Rules) -> Gates:
    plan = bundle.plan
    return Gates(
        groups=groups_of(wave),
        goal=plan.goal.event,
        since=min(now, plan.starts.at),
        now=opens,
        rules=rules,
        released=opens + wave.release,
        closes=opens + wave.release + wave.listen,
        priority=plan.priority,
        enter=enter_builder(rule, {}, local_day(plan, opens)) if rule else None,
        limit=limit_of(plan),
        ramp=ramp_of(plan, wave),
        rest_from=opens + wave.ramp.hold if wave.ramp else None,
        holdout=holdout_of(plan, wave),
    )


def _wave_forecast(
    room: Room,
    wave: Wave,
    exact: bool,
    opens: datetime,
    closes: datetime,
    counted: WaveCount,
    units: Mapping[str, Decimal],
    shown: Mapping[Verdict, str],
) -> WaveForecast:
    touches = {CHANNEL_NAMES[code]: n for code, n in counted.touches.items()}
    costs = room.settings.costs
    unknown = [name for name in touches if name not in costs]
    cost = None if unknown else sum((costs[name] * n for name, n in units.items()), Decimal(0))
    verdicts = {verdict.name.lower(): n for verdict, n in sorted(counted.verdicts.items())}
    named = {verdict.name.lower(): key for verdict, key in shown.items()}
    return WaveForecast(wave.wave, exact, opens, closes, verdicts, touches, cost, units, named)


def start(room: Room, bundle: Bundle, by: str, now: datetime) -> tuple[int, int]:
    """Freeze an approved plan and its members; (campaign id, members). A start that was killed goes on where it was."""
    new = _new_campaign(bundle, _known_types(room, bundle))
    stride = Stride.up_to(room.settings.enrol_range)
    choose = _chosen(room, bundle, new.types, now)
    with room.ledger.write() as connection:  # a small campaign is started by this one transaction
        row = freeze.begin_start(connection, new, by, now)
        unread = " ".join(each.place for each in accepted_rows(bundle.hours))
        if unread and row.started_at == now:
            record(connection, now, by, "hours accepted unreviewed", new.name, after=unread)
        if row.started_at == now:
            frozen = freeze.freeze_range(connection, row.id, new, choose, stride.size)
            if frozen.done:
                return row.id, frozen.members
    _freeze_rest(room, bundle, new, row)
    with room.ledger.read() as connection:
        if campaigns.find(connection, new.name).state == "aborted":
            raise CampaignError(f"{new.name} was aborted while it was being started")
        return row.id, member_count(connection, row.id)


def finish_start(room: Room, running: Running) -> None:
    """Freeze who is left of a campaign whose start was cut short."""
    with room.ledger.read() as connection:
        row = campaigns.find(connection, running.name)
    _freeze_rest(room, running.bundle, _new_campaign(running.bundle, running.bundle.types), row)


def _freeze_rest(room: Room, bundle: Bundle, new: campaigns.NewCampaign, row: Any) -> None:
    """Range by range to the end, by the calendar day on which it began."""
    choose, stride = _chosen(room, bundle, new.types, row.started_at), Stride.up_to(room.settings.enrol_range)
    done = False
    while not done and not room.stopping:
        with room.ledger.write() as connection:
            began = time.monotonic()
            done = freeze.freeze_range(connection, row.id, new, choose, stride.size).done
        took = time.monotonic() - began
        stride = stride.after(took)
        room.ledger.give_way(took)


def _new_campaign(bundle: Bundle, types: Mapping[str, str]) -> campaigns.NewCampaign:
    plan = bundle.plan
    return campaigns.NewCampaign(
        name=plan.campaign,
        title=plan.title,
        bundle=bundle.to_json(),
        digest=bundle.digest,
        hours_digest=bundle.hours_digest,
        priority=plan.priority,
        goal=plan.goal.event,
        goal_dispositions=plan.goal.dispositions,
        holdout=plan.holdout,
        waves=[
            campaigns.NewWave(w.wave, groups_of(w), bool(w.holdout and w.holdout.then == "stop")) for w in plan.waves
        ],
        member_columns=bundle.member_columns,
        types=types,
        limits=plan.limits,
    )
