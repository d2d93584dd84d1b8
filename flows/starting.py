"""From a checked plan to a started campaign: the dry run and the start share every rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.bundle import Bundle
from flows.hours import KEY, keep_hours
from flows.rivals import rivals_of
from flows.room import Room
from flows.running import enter_builder, groups_of, holdout_of, limit_of, local_day, ramp_of, rules_of, segment_clause
from ledger import campaigns
from ledger.attributes import attribute_types
from ledger.dry_run import WaveCount, count_members, count_verdicts, examples, one_of_each_language
from ledger.gates import Gates, Rival
from ledger.legal_hours import Rules, cover
from ledger.overlap import Overlap, overlaps
from ledger.recall import audience
from ledger.store import read_meta
from waves.errors import LedgerError
from waves.message import CHANNEL_NAMES
from waves.outcomes import Verdict
from waves.plan import Wave
from waves.rules import Rule


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


def _chosen(room: Room, bundle: Bundle, types: Mapping[str, str], now: datetime) -> tuple[Any, Any]:
    """(source of profiles, the clause over it that says whom the plan is for: its segment's rule, or its audience)."""
    source = campaigns.profiles(types)
    rule = bundle.segment_rule()
    if rule is None:
        with room.ledger.read() as connection:
            return source, source.c.customer.in_(audience(connection, bundle.plan.audience))
    return source, segment_clause(rule, source, local_day(bundle.plan, now))


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
    source, clause = _chosen(room, bundle, types, now)
    members = campaigns.future_members(source, clause, plan.campaign, plan.holdout)
    found: list[WaveForecast] = []
    opens = max(now, plan.starts.at)
    rivals = rivals_of(room.ledger, plan, opens)
    rules = cover_plan(room, bundle, now, opens, rivals)
    with room.ledger.read() as connection:
        treated, held_out = count_members(connection, members)
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
            found.append(_wave_forecast(room, wave, exact, opens, closes, counted, examples(connection, counted)))
        readers = one_of_each_language(connection, members)
    return Forecast(plan.campaign, bundle.digest, treated, held_out, tuple(found), tuple(readers), tuple(shared))


def cover_plan(room: Room, bundle: Bundle, now: datetime, opens: datetime, rivals: tuple[Rival, ...]) -> Rules:
    """The hours a plan would run by, worked out from `now` to the end that its waves can have at the latest."""
    keep_hours(room, now)
    with room.ledger.write() as connection:
        for rival in rivals:
            cover(connection, rival.gates.rules, now, rival.gates.closes)
        rules = rules_of(bundle, read_meta(connection, KEY))
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
    shown: Mapping[Verdict, str],
) -> WaveForecast:
    touches = {CHANNEL_NAMES[code]: n for code, n in counted.touches.items()}
    costs = room.settings.costs
    unknown = [name for name in touches if name not in costs]
    cost = None if unknown else sum((costs[name] * n for name, n in touches.items()), Decimal(0))
    verdicts = {verdict.name.lower(): n for verdict, n in sorted(counted.verdicts.items())}
    named = {verdict.name.lower(): key for verdict, key in shown.items()}
    return WaveForecast(wave.wave, exact, opens, closes, verdicts, touches, cost, named)


def start(room: Room, bundle: Bundle, by: str, now: datetime) -> tuple[int, int]:
    """Freeze an approved plan and its members; (campaign id, members)."""
    types = _known_types(room, bundle)
    plan = bundle.plan
    source, clause = _chosen(room, bundle, types, now)
    new = campaigns.NewCampaign(
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
    with room.ledger.write() as connection:
        return campaigns.start(connection, new, source, clause, by, now)
