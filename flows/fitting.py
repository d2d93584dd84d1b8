"""A world fitted from campaigns that ran: shares as they were observed, hours drawn towards their channel's mean."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from config.world import RIGHT_PARTY
from flows.room import Room
from flows.running import Running, load_running
from ledger import observed
from ledger.observed import Addresses, Calls, Messages
from ledger.progress import finished_campaigns
from waves.dispositions import EFFECTS, Disposition
from waves.errors import CampaignError
from waves.outcomes import Outcome, word

PRIOR = 200
"""An hour counts as if so many more had answered like the whole channel: small hours say little."""
ENOUGH = 50
"""An hour, or a later attempt, with fewer observations than this is not told apart."""
FACTS = (Disposition.INVALID_NUMBER, Disposition.WRONG_NUMBER)
LN2 = math.log(2)


def fit(room: Room, names: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The campaigns used (the named, or all that finished) and the world they tell of, as config.world.World reads it.

    CampaignError when there is none, or when nothing was ever sent.
    """
    with room.ledger.read() as connection:
        used = list(names) or finished_campaigns(connection)
    if not used:
        raise CampaignError("no campaign has finished yet; name one that has sent something: multiwave world fit NAME")
    runs = [load_running(room.ledger, name) for name in used]
    ids, zone = [running.id for running in runs], runs[0].plan.starts.zone
    with room.ledger.read() as connection:
        messages = observed.messages_observed(connection, ids)
        addresses = observed.addresses_observed(connection, ids)
        delays = observed.mean_delays(connection, ids)
        calls = observed.calls_observed(connection, ids)
        called, facts = observed.numbers_observed(connection, ids)
        seconds = observed.call_seconds(connection, ids)
    if not messages and not calls:
        raise CampaignError(f"nothing was sent or called by {', '.join(used)}, so nothing can be learnt from it")
    world: dict[str, Any] = {"seed": 1}
    if messages:
        world["channels"] = {place.channel: _channel(place, messages, zone) for place in addresses if place.written}
    if calls:
        named = zip(("ring_s", "talk_s", "wrap_s"), seconds, strict=True)
        world["calls"] = _calls(calls, called, facts, zone) | {key: round(s, 1) for key, s in named if s is not None}
    world["conversions"] = _conversions(room, runs)
    if Outcome.DELIVERED in delays:
        world["delays"] = _delays(delays)
    return used, world


def _share(part: float, of: float) -> float:
    return round(min(max(part / of, 0.0), 1.0), 4) if of else 0.0


def _local(at: datetime, zones: str | None, zone: str) -> int:
    return at.astimezone(ZoneInfo(zones.split()[0] if zones else zone)).hour


def _channel(place: Addresses, every: Iterable[Messages], zone: str) -> dict[str, Any]:
    rows = [row for row in every if row.channel == place.channel]

    def total(name: str) -> int:
        return sum(getattr(row, name) for row in rows)

    alive, delivered, told = total("sent") - total("hard"), total("delivered"), total("displayed") + total("read") > 0
    fitted: dict[str, Any] = {
        "refused": _share(place.refused, place.tried),
        "bounced_hard": _share(place.dead, place.written),
        "bounced_soft": _share(total("soft"), alive),
        "silent": _share(total("silent"), alive),
    }
    reached, asked = Counter[int](), Counter[int]()
    for row in rows:
        hour = _local(row.at, row.zones, zone)
        reached[hour] += row.seen
        asked[hour] += row.delivered
    hours = _hours(reached, asked)
    # Where nobody reports that a message was seen, who answered saw it, and all the others may have.
    share = _share(total("seen"), delivered) if told else 1.0
    fitted["seen"] = min(share, math.floor(10_000 / max([1.0, *hours.values()])) / 10_000)
    if told:
        fitted["seen_as"] = "displayed" if total("displayed") >= total("read") else "read"
    saw = delivered * fitted["seen"]
    for name in ("clicked", "replied", "unsubscribed", "complained"):
        fitted[name] = _share(total(name), saw)
    return fitted | ({"hours": hours} if hours else {})


def _hours(reached: Mapping[int, int], asked: Mapping[int, int]) -> dict[str, float]:
    """What each hour multiplies the whole's share by, drawn towards 1; together they leave that share as it is."""
    count = sum(asked.values())
    share = sum(reached.values()) / count if count else 0.0
    known = {hour: n for hour, n in sorted(asked.items()) if n >= ENOUGH}
    if not share or len(known) < 2:
        return {}
    drawn = {hour: (reached[hour] + PRIOR * share) / (n + PRIOR) / share for hour, n in known.items()}
    whole = sum(drawn[hour] * n for hour, n in known.items()) / sum(known.values())
    return {str(hour): round(factor / whole, 3) for hour, factor in drawn.items()}


def _calls(rows: Sequence[Calls], called: int, facts: Mapping[Disposition, int], zone: str) -> dict[str, Any]:
    real = [row for row in rows if row.disposition not in FACTS]
    says, reached, asked = Counter[str](), Counter[int](), Counter[int]()
    for row in real:
        spoke, hour = EFFECTS[row.disposition].right_party, _local(row.at, row.zones, zone)
        asked[hour] += row.count
        if spoke:
            says[word(row.disposition)] += row.count
            reached[hour] += row.count
    attempts = {n: _answers(row for row in real if row.attempt == n) for n in sorted({row.attempt for row in real})}
    fitted: dict[str, Any] = {word(fact): _share(count, called) for fact, count in facts.items()}
    fitted["answers"] = _split(attempts.pop(1, Counter({"no_answer": 1})))
    later = {n: _split(counts) for n, counts in attempts.items() if counts.total() >= ENOUGH}
    hours = _hours(reached, asked)
    most = max([split.get(RIGHT_PARTY, 0.0) for split in (fitted["answers"], *later.values())])
    hours = {hour: min(factor, math.floor(1000 / most) / 1000) if most else factor for hour, factor in hours.items()}
    fitted["says"] = _split(says or Counter({"not_interested": 1}))
    return fitted | ({"attempts": later} if later else {}) | ({"hours": hours} if hours else {})


def _answers(rows: Iterable[Calls]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[RIGHT_PARTY if EFFECTS[row.disposition].right_party else word(row.disposition)] += row.count
    return counts


def _split(counts: Counter[str]) -> dict[str, float]:
    """Shares that add up to 1 to the last of their four places; the commonest word takes what rounding leaves."""
    shares = {name: round(count / counts.total(), 4) for name, count in counts.most_common()}
    first = next(iter(shares))
    shares[first] = round(1 - sum(share for name, share in shares.items() if name != first), 4)
    return shares


def _conversions(room: Room, runs: Sequence[Running]) -> dict[str, Any]:
    totals, worths = Counter[str](), []
    for running in runs:
        goal, start = running.plan.goal, running.since
        with room.ledger.read() as connection:
            found = observed.conversions_observed(connection, running.id, goal.event, start, goal.within)
            worths += observed.values_observed(connection, running.id, goal.event, start)
        totals.update({name: getattr(found, name) for name in found.__slots__})
    alone = _share(totals["others_converted"], totals["others"])
    fitted: dict[str, Any] = {}
    for name, kind in (("engaged", "engaged"), ("after_sale", "sold")):
        # Some of these would have come by themselves: what is left is what being asked did.
        seen = _share(totals[f"{kind}_converted"], totals[kind])
        fitted[name] = _share(seen - alone, 1 - alone)
    fitted["unprompted"] = alone
    if worths:
        currency = Counter(currency for _, currency in worths).most_common(1)[0][0]
        values = [float(value) for value, code in worths if code == currency]
        spread = statistics.stdev(map(math.log, values)) if len(values) > 1 else 0.0
        fitted["value"] = {
            "median": round(statistics.median(values), 2),
            "spread": round(min(spread, 3.0), 3),
            "currency": currency,
        }
    return fitted


def _delays(means: Mapping[Outcome, float]) -> dict[str, str]:
    """Medians of exponential delays from their means, each step counted from the one before."""
    delivered = means[Outcome.DELIVERED]
    seen = min((means[o] for o in (Outcome.DISPLAYED, Outcome.READ, Outcome.CLICKED) if o in means), default=delivered)
    answered = max(means.get(Outcome.CLICKED, seen), seen)
    steps = {"delivered": delivered, "seen": max(seen - delivered, 0.0), "answered": answered - seen}
    return {name: f"{timedelta(seconds=round(mean * LN2)) // timedelta(seconds=1)}s" for name, mean in steps.items()}
