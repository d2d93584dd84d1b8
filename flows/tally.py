"""What one rehearsed campaign came to, and what many of them come to together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from flows.room import Room
from flows.running import load_running
from ledger.rehearsed import calls_made, contacts_by_time, spent
from ledger.report import count_campaign, count_wave
from ledger.report_rows import Lens, opened_waves

FUNNEL = ("members", "go", "touches", "delivered", "engaged", "converted")
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class Run:
    """One campaign played to its end: counts by wave, contacts by local hour and channel, calls, cost, finish."""

    seed: int
    finished: datetime
    funnel: Mapping[str, Mapping[str, int]]
    """Wave to FUNNEL; `campaign` has the members, the treated of them as `go`, and the converted of those."""
    hours: Mapping[str, tuple[int, ...]]
    """Channel to messages sent, or calls made, in each of the 24 hours of the customers' days."""
    calls: int
    agent_hours: float
    cost: Decimal | None
    """None when the settings do not say what a channel costs that was used."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A number over many runs; eight of ten runs lie from `p10` to `p90`, both ends among them."""

    mean: float
    p10: float
    p90: float


def tally(room: Room, campaign: str, seed: int, finished: datetime, agent_hours: float) -> Run:
    """Count a campaign that was played on a scratch ledger, by the definitions of its report."""
    running = load_running(room.ledger, campaign)
    goal, zone = running.plan.goal, running.plan.starts.zone
    lens = Lens(goal.event, goal.within, room.ledger.now(), {})
    funnel: dict[str, Mapping[str, int]] = {}
    with room.ledger.read() as connection:
        waves = opened_waves(connection, running.id, lens.as_of)
        for wave in waves:
            found = count_wave(connection, wave, lens)
            counts = {name: found.counts[name] for name in ("touches", "delivered", "engaged")}
            arm = found.treated
            funnel[wave.name] = {"members": found.members, "go": arm.assigned, **counts, "converted": arm.converted}
        if waves:
            treated, held_out, _ = count_campaign(connection, running.id, lens, waves[0].opened)
            members = treated.assigned + held_out.assigned
            funnel["campaign"] = {"members": members, "go": treated.assigned, "converted": treated.converted}
        contacts = contacts_by_time(connection, running.id)
        calls, money = calls_made(connection, running.id), spent(connection, running.id)
    return Run(
        seed,
        finished,
        funnel,
        _by_hour(contacts, zone),
        calls,
        agent_hours,
        _cost(room, {channel for channel, *_ in contacts}, money, calls),
    )


def _by_hour(contacts: Iterable[tuple[str, datetime, str | None, int]], zone: str) -> dict[str, tuple[int, ...]]:
    found: dict[str, Counter[int]] = {}
    for channel, at, zones, count in contacts:
        local = at.astimezone(ZoneInfo(zones.split()[0] if zones else zone))
        found.setdefault(channel, Counter())[local.hour] += count
    return {channel: tuple(counts[hour] for hour in range(24)) for channel, counts in sorted(found.items())}


def _cost(room: Room, used: set[str], sent: Decimal, calls: int) -> Decimal | None:
    costs = room.settings.costs
    return None if used - costs.keys() else sent + calls * costs.get("call_list", Decimal(0))


def spread(values: Sequence[float]) -> Spread:
    """Mean, P10 and P90 of the runs.

    The quantiles are the values at (runs + 1) * p in order, Weibull's plotting position, between two of them the
    outer one: a further run of the same world then lies within them in at least 8 of 10 cases on average, however
    few the runs (with fewer than nine they are the lowest and the highest).
    """
    ordered, places = sorted(values), len(values) + 1
    low, high = math.floor(places * LOW + 1e-9), math.ceil(places * HIGH - 1e-9)
    return Spread(math.fsum(ordered) / len(ordered), ordered[max(low, 1) - 1], ordered[min(high, len(ordered)) - 1])


@dataclass(frozen=True, slots=True)
class Summary:
    """Many runs of one scene: every number with its spread, counts scaled up from the sample to the whole ledger."""

    campaign: str
    runs: int
    seed: int
    share: float
    funnel: Mapping[str, Mapping[str, Spread]]
    touches_per_hour: Mapping[str, tuple[Spread, ...]]
    calls_per_agent_hour: Spread | None
    cost: Spread | None
    finish: tuple[datetime, datetime, datetime]
    """Mean, P10, P90."""


def summarise(campaign: str, runs: Sequence[Run], share: float) -> Summary:
    """What these runs, of which there is at least one, come to together."""
    first = runs[0]

    def over(values: Iterable[float]) -> Spread:
        return spread([value / share for value in values])

    funnel = {
        wave: {line: over(run.funnel[wave][line] for run in runs) for line in lines}
        for wave, lines in first.funnel.items()
    }
    channels = sorted({channel for run in runs for channel in run.hours})
    hours = {
        name: tuple(over(run.hours[name][hour] if name in run.hours else 0 for run in runs) for hour in range(24))
        for name in channels
    }
    paces = [run.calls / run.agent_hours for run in runs if run.agent_hours]
    costs = [run.cost for run in runs if run.cost is not None]
    ends = spread([run.finished.timestamp() for run in runs])
    return Summary(
        campaign,
        len(runs),
        first.seed,
        share,
        funnel,
        hours,
        spread(paces) if paces else None,
        over(map(float, costs)) if len(costs) == len(runs) else None,
        (_at(ends.mean), _at(ends.p10), _at(ends.p90)),
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds), UTC)
