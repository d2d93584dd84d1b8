"""The report of a campaign as plain values, as `report --json` prints it; every page and table is a view of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from console.doubts import doubt_values
from console.legal import accepted, approvers
from console.review.definitions import BY_ID, DEFINITIONS, RATES
from console.review.holdouts import comparison
from ledger import report
from ledger.doubts import doubts_of
from ledger.report import WaveCounts, Worth
from ledger.report_rows import Lens, OpenedWave, opened_waves
from waves.errors import CampaignError, InputError
from waves.message import CHANNEL_CODES, CHANNEL_NAMES

if TYPE_CHECKING:
    from flows.room import Room
    from flows.running import Running

LATE = ("sent", "delivered", "reached", "engaged")
FUNNEL = ("targeted", "eligible", "sent", "delivered", "reached", "engaged", "converted", "held_out")
"""The counts of each wave, in the order of every table."""


Tick = Callable[[str, int, int], None]


def still(what: str, done: int, total: int) -> None:
    """Tell nobody how far it is."""


def lens_of(room: Room, running: Running, as_of: datetime | None) -> Lens:
    """What to look at; InputError for a moment that is before the campaign's start or has not come yet."""
    now = room.ledger.now()
    at = as_of or now
    if at > now:
        raise InputError(f"--as-of {at.isoformat()} has not come yet; the ledger stands at {now.isoformat()}")
    if at < running.started_at:
        raise InputError(
            f"--as-of {at.isoformat()} is before {running.name} was started, at {running.started_at.isoformat()}"
        )
    goal = running.plan.goal
    prices = {CHANNEL_CODES[name]: cost for name, cost in room.settings.costs.items() if name in CHANNEL_CODES}
    return Lens(goal.event, goal.within, at, prices)


def waves_seen(connection: Any, running: Running, lens: Lens) -> list[OpenedWave]:
    """The waves that had opened; CampaignError when none had."""
    waves = opened_waves(connection, running.id, lens.as_of)
    if not waves:
        raise CampaignError(
            f"{running.name} has nothing to report: none of its waves had opened at {lens.as_of.isoformat()}; "
            f"the plan starts at {running.plan.starts}"
        )
    return waves


def report_of(connection: Any, running: Running, lens: Lens, currency: str, tick: Tick = still) -> dict[str, Any]:
    """Every number of the report; `tick` hears (what, done, total) as it goes on."""
    waves = waves_seen(connection, running, lens)
    counted = []
    for number, wave in enumerate(waves, 1):
        counted.append(report.count_wave(connection, wave, lens))
        tick("waves counted", number, len(waves))
    treated, held_out, worth = report.count_campaign(connection, running.id, lens, waves[0].opened)
    cost = _cost([(c.cost, c.counts["uncosted"]) for c in counted], currency)
    comparisons = []
    if running.plan.holdout:
        arms, ends = (treated, held_out), waves[0].opened + lens.within
        comparisons += [comparison("campaign", "campaign", running.plan.holdout, arms, cost, ends, lens.as_of)]
    for number, (wave, counts) in enumerate(zip(waves, counted, strict=True)):
        holdout = running.plan.wave(wave.name).holdout
        if holdout is not None and holdout.share:
            those = waves[number:] if holdout.then == "stop" else [wave]
            spent = _cost([report.spent_on(connection, wave, those, lens)], currency)
            arms, ends = (counts.treated, counts.held_out), wave.opened + lens.within
            comparisons += [comparison(wave.name, holdout.then, holdout.share, arms, spent, ends, lens.as_of)]
    flow = [
        {"from_wave": a.name, "from": link.before, "to_wave": b.name, "to": link.after, "members": link.members}
        for a, b in pairwise(waves)
        for link in report.links(connection, a, b, lens)
    ]
    return {
        "campaign": running.name,
        "title": running.plan.title,
        "as_of": lens.as_of,
        "goal": {"event": lens.goal, "within_days": lens.within.total_seconds() / 86400},
        "members": {"treated": treated.assigned, "held_out": held_out.assigned},
        "converted": {"treated": treated.converted, "held_out": held_out.converted},
        "value": _values(worth),
        "cost": cost,
        "waves": [_wave(*both, currency) for both in zip(waves, counted, strict=True)],
        "not_opened": [row.name for row in running.rows if row.name not in {wave.name for wave in waves}],
        "comparisons": comparisons,
        "flow": flow,
        "accepted_unreviewed": [
            {**row, "approved_by": approvers(connection, running.bundle)} for row in accepted(running.bundle.hours)
        ],
        "in_doubt": doubt_values(doubts_of(connection, running.id, lens.as_of), lens.as_of),
        "definitions": [asdict(definition) for definition in DEFINITIONS],
    }


def _wave(wave: OpenedWave, found: WaveCounts, currency: str) -> dict[str, Any]:
    c = found.counts
    counts = {"targeted": found.members, "converted": found.treated.converted, **c}
    return {
        "wave": wave.name,
        "channels": [CHANNEL_NAMES[code] for code in wave.channels],
        "opened": wave.opened,
        "closes": wave.closes,
        "closed": wave.closed,
        "counts": {name: counts[name] for name in (*FUNNEL, "treated")},
        "late": {name: c[f"{name}_by_now"] - c[name] for name in LATE} if wave.closed else None,
        "by_now": {
            **{name: c[f"{name}_by_now"] for name in LATE},
            "opted_out": c["opted_out"],
            "touches": c["touches"],
            **({"right_party": c["right_party"]} if CHANNEL_CODES["call_list"] in wave.channels else {}),
        },
        "verdicts": found.verdicts,
        "parts": found.parts,
        "rates": [
            _rate(name, over, under, counts)
            for name, over, under in RATES
            if over != "right_party" or CHANNEL_CODES["call_list"] in wave.channels
        ],
        "value": _values(found.worth),
        "cost": _cost([(found.cost, c["uncosted"])], currency),
    }


def _rate(name: str, over: str, under: str, counts: Mapping[str, int]) -> dict[str, Any]:
    share = counts[over] / counts[under] if counts[under] else None
    of = {"numerator": counts[over], "denominator": counts[under], "per": under.replace("_by_now", "")}
    return {"rate": name, **of, "value": share, "definition": BY_ID[name].name}


def _values(worth: Sequence[Worth]) -> list[dict[str, Any]]:
    return [
        {
            "arm": "held_out" if w.held_out else "treated",
            "currency": w.currency,
            "conversions": w.conversions,
            "value": w.value,
            "refunded": w.reversed,
            "refunded_value": w.reversed_value,
        }
        for w in worth
    ]


def _cost(spent: Sequence[tuple[Decimal, int]], currency: str) -> dict[str, Any]:
    amount, uncosted = sum((cost for cost, _ in spent), Decimal(0)), sum(n for _, n in spent)
    return {"amount": amount, "currency": currency, "touches_of_unknown_cost": uncosted}
