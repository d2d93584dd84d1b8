"""What is wrong with a plan by itself: names, channels, shares and times that cannot be; no other file is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from math import ceil, isclose
from zoneinfo import ZoneInfo

from config.nearest import write_instead
from config.sentences import Finding
from config.yaml_lines import Steps
from waves.dispositions import Disposition
from waves.errors import RuleError
from waves.exploration import LEAST, MOST
from waves.message import Capabilities
from waves.outcomes import word
from waves.plan import Plan, Wave
from waves.rules import parse_rule

LONGEST = timedelta(days=180)
LAST_YEAR = 2100
ZERO = timedelta(0)

Sound = Callable[[Steps], bool]
Said = Iterator[tuple[Steps, str]]
"""Where in the wave, and what is wrong there."""


def plan_findings(plan: Plan, capabilities: Mapping[str, Capabilities], sound: Sound) -> Iterator[Finding]:
    """Every problem of the plan and of each of its waves; `sound` says which parts its author wrote as they stand."""
    yield from _top(plan, capabilities)
    yield from _audience(plan, capabilities)
    yield from _law(plan, capabilities)
    yield from _wave_names(plan)
    yield from _times(plan, sound)
    for i, wave in enumerate(plan.waves):
        for check, rests_on in WAVE_CHECKS:
            if sound(("waves", i, rests_on)):
                yield from (Finding(("waves", i, *steps), message) for steps, message in check(wave, capabilities))


def _top(plan: Plan, capabilities: Mapping[str, Capabilities]) -> Iterator[Finding]:
    words = [word(disposition) for disposition in Disposition]
    for i, name in enumerate(plan.goal.dispositions):
        if name not in words:
            steps = ("goal", "dispositions", i)
            yield Finding(steps, f"there is no disposition {name}; {write_instead(name, words)}")
    if isinstance(plan.in_doubt, dict):
        for name in plan.in_doubt:
            if name not in capabilities:
                yield Finding(("in_doubt", name), f"there is no channel {name}; {write_instead(name, capabilities)}")
    if plan.goal.within <= ZERO:
        yield Finding(("goal", "within"), "`within` is no time at all; write how long a conversion counts, such as 14d")
    if plan.limits and plan.limits.within <= ZERO:
        yield Finding(("limits", "within"), "`within` is no time at all; write the window of the limit, such as 7d")
    if plan.holdout >= 1:
        yield Finding(("holdout",), "a holdout of 100% leaves nobody to contact; write a smaller share, such as 5%")
    if plan.starts.at.year > LAST_YEAR:
        yield Finding(("starts",), f"`starts` is in the year {plan.starts.at.year}; write a year up to {LAST_YEAR}")


def _audience(plan: Plan, capabilities: Mapping[str, Capabilities]) -> Iterator[Finding]:
    chosen = plan.audience
    if chosen is None:
        if plan.segment is None:
            yield Finding(("segment",), "`segment` is missing; write segment: renewal_due")
        return
    if plan.segment is not None:
        yield Finding(("audience",), "the plan names a segment and an audience; keep one of the two")
    if chosen.campaign == plan.campaign:
        yield Finding(("audience", "campaign"), "a plan cannot be for its own audience; write an earlier campaign")
    if chosen.by is not None and chosen.by not in capabilities:
        yield Finding(("audience", "by"), f"there is no channel {chosen.by}; {write_instead(chosen.by, capabilities)}")
    for key in ("by", "variant"):
        if chosen.who == "not_got" and getattr(chosen, key) is not None:
            yield Finding(("audience", key), f"`{key}` says how a message was got, and these did not get it; delete it")


def _law(plan: Plan, capabilities: Mapping[str, Capabilities]) -> Iterator[Finding]:
    """Where the plan's own limits let more happen than a law of one of its channels, counted in the law's window."""
    limits = plan.limits
    if limits is None or limits.within <= ZERO:
        return
    used = {name: capabilities[name] for wave in plan.waves for name in wave.channel_names if name in capabilities}
    for name, channel in used.items():
        for cap in channel.caps:
            possible = limits.contacts * ceil(cap.within / limits.within)
            if possible > cap.contacts:
                message = (
                    f"these limits allow {possible} contacts within {_days(cap.within)}, and {name} {cap.contacts}"
                )
                fewest, longest = min(c.contacts for c in channel.caps), max(c.within for c in channel.caps)
                instead = f"write such as {{contacts: {fewest}, within: {_days(longest)}}}"
                yield Finding(("limits",), f"{message} ({cap.source}); {instead}")
                break


def _days(length: timedelta) -> str:
    return f"{length / timedelta(days=1):g}d"


def _wave_names(plan: Plan) -> Iterator[Finding]:
    seen: set[str] = set()
    for i, wave in enumerate(plan.waves):
        if wave.wave in seen:
            yield Finding(("waves", i, "wave"), f"two waves are called {wave.wave}; give this one another name")
        elif not _nameable(wave.wave):
            message = f"{wave.wave} is a word of the rules, so no rule could name this wave; give it another name"
            yield Finding(("waves", i, "wave"), message)
        seen.add(wave.wave)


def _nameable(name: str) -> bool:
    try:
        parse_rule(f"{name}.engaged", {}, [name])
    except RuleError:
        return False
    return True


def _times(plan: Plan, sound: Sound) -> Iterator[Finding]:
    """Walk the waves' planned times: each opens at its time, or when the one before has ended and its wait is over."""
    if plan.starts.at.year > LAST_YEAR or not sound(("starts",)):
        return
    ends, before = plan.starts.at, None
    for i, wave in enumerate(plan.waves):
        if not all(sound(("waves", i, key)) for key in ("at", "wait", "release", "listen")):
            return
        at = wave.at
        if at and at.at.year > LAST_YEAR:
            yield Finding(("waves", i, "at"), f"`at` is in the year {at.at.year}; write a year up to {LAST_YEAR}")
            return
        if at and at.at < plan.starts.at:
            yield Finding(("waves", i, "at"), f"`at` is before the campaign starts; write {plan.starts} or later")
        elif at and before and at.at < ends:
            message = f"{wave.wave} opens before {before} has ended; write {_shown(ends, at.zone)} or later"
            yield Finding(("waves", i, "at"), f"{message}, or shorten {before}")
        if wave.wait and (at or before is None):
            why = (
                "the wave has a time of its own; delete `wait`"
                if at
                else "this wave is the first; move `starts` instead"
            )
            yield Finding(("waves", i, "wait"), f"there is nothing to wait for: {why}")
        opens = max(at.at, plan.starts.at) if at else ends + min(wave.wait, LONGEST)
        ends, before = opens + min(wave.release, LONGEST) + min(wave.listen, LONGEST), wave.wave


def _shown(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def _release_and_listen(wave: Wave, capabilities: Mapping[str, Capabilities]) -> Said:
    for key, length, what in (
        ("listen", wave.listen, "how long answers are waited for, such as 48h"),
        ("release", wave.release, "over how long the messages go out, such as 24h"),
    ):
        if length <= ZERO:
            yield (key,), f"`{key}` is no time at all; write {what}"
    for key, length in (("listen", wave.listen), ("release", wave.release), ("wait", wave.wait)):
        if length > LONGEST:
            yield (key,), f"`{key}` is {length.days} days; write at most {LONGEST.days}d"


def _channels(wave: Wave, capabilities: Mapping[str, Capabilities]) -> Said:
    seen: set[str] = set()
    for i, group in enumerate(wave.channels):
        for name in group.first_of:
            if name not in capabilities:
                yield ("channels", i), f"there is no channel {name}; {write_instead(name, capabilities)}"
            if name in seen:
                yield ("channels", i), f"{wave.wave} names {name} twice; keep one"
            seen.add(name)
    kinds = _kinds(wave, capabilities)
    if len(kinds) > 1:
        calls = ", ".join(name for name in seen if name in capabilities and capabilities[name].kind == "call")
        yield ("channels",), f"{wave.wave} mixes calls and messages; put {calls} in a wave of its own"


def _kinds(wave: Wave, capabilities: Mapping[str, Capabilities]) -> set[str]:
    return {capabilities[name].kind for name in wave.channel_names if name in capabilities}


def _messages(wave: Wave, capabilities: Mapping[str, Capabilities]) -> Said:
    kinds = _kinds(wave, capabilities)
    if kinds == {"message"} and not wave.messages:
        yield (
            ("message",),
            f"{wave.wave} sends messages and names none; write message: NAME (of templates/)",
        )
    for key in ("message", "variants", "ramp"):
        if kinds == {"call"} and getattr(wave, key):
            yield (key,), f"`{key}` does nothing in a wave of calls; delete it"
    for key in ("rank", "capacity", "explore", "skill"):
        if kinds == {"message"} and getattr(wave, key) is not None:
            yield (key,), f"`{key}` does nothing in a wave of messages; delete it, or use a call channel"


def _variants(wave: Wave, capabilities: Mapping[str, Capabilities]) -> Said:
    if wave.variants and wave.message:
        yield ("message",), f"{wave.wave} has a message and variants; keep one of the two"
    total = sum(variant.weight for variant in wave.variants.values())
    if wave.variants and not isclose(total, 1, abs_tol=1e-9):
        yield ("variants",), f"the weights of the variants add up to {total * 100:.10g}%; make them add up to 100%"


def _shares(wave: Wave, capabilities: Mapping[str, Capabilities]) -> Said:
    if wave.holdout and wave.holdout.share >= 1:
        yield ("holdout",), "a holdout of 100% leaves nobody to contact; write a smaller share, such as 5%"
    if wave.ramp and not 0 < wave.ramp.first < 1:
        yield ("ramp", "first"), "the first share of a ramp is all or nothing; write one between, such as 1%"
    for key in ("failed", "opted_out") if wave.ramp else ():
        if getattr(wave.ramp.alarm, key) >= 1:
            yield ("ramp", "alarm", key), f"`{key}` of all never rings; write a smaller share, such as 5%"
    if wave.ramp and not ZERO < wave.ramp.hold < wave.release and wave.release > ZERO:
        hours = f"{wave.release / timedelta(hours=1):.10g}h"
        yield (
            ("ramp", "hold"),
            f"the hold of a ramp is not between 0 and `release` ({hours}), so the rest never goes; write such as 2h",
        )


def _calls(wave: Wave, capabilities: Mapping[str, Capabilities]) -> Said:
    capacity = wave.capacity
    if wave.explore and not LEAST <= wave.explore <= MOST:
        message = f"{wave.explore * 100:.10g}% of a call list cannot be drawn by lot; write from 5% to 10%, or 0%"
        yield ("explore",), message
    if capacity is None:
        return
    if not capacity.teams:
        yield ("capacity", "teams"), "no team is named; write teams: {north: 12}"
    for name, team in capacity.teams.items():
        if not 1 <= team.agents <= 100_000:
            yield (
                ("capacity", "teams", name),
                f"team {name} has {team.agents} agents; write how many call, at least 1",
            )
        if team.skills and wave.skill is None:
            message = "no column says which skill a customer takes; write skill: COLUMN in the wave, or delete `skills`"
            yield ("capacity", "teams", name, "skills"), message
    for key in ("shrinkage", "occupancy"):
        if getattr(capacity, key) == (1.0 if key == "shrinkage" else 0.0):
            yield ("capacity", key), f"with this `{key}` nobody is ever at the phone; write such as 12% and 80%"
    if not ZERO < capacity.handle_time <= timedelta(hours=capacity.hours):
        message = "`handle_time` is no time at all, or longer than the shift; write the length of a call, such as 180s"
        yield ("capacity", "handle_time"), message


WaveCheck = Callable[[Wave, Mapping[str, Capabilities]], Said]
WAVE_CHECKS: tuple[tuple[WaveCheck, str], ...] = (
    (_channels, "channels"),
    (_messages, "channels"),
    (_variants, "variants"),
    (_release_and_listen, "release"),
    (_shares, "release"),
    (_calls, "channels"),
)
"""Each check of a wave, and the key without which it would blame the author for a sample put in its place."""
