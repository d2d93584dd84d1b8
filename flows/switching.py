"""A kill switch from its name to its effect: check the scope, commit, wait until nothing of it is in the air."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from channels.call_list.formats import FORMATS
from channels.registry import CAPABILITIES, PROVIDERS
from config.nearest import write_instead
from config.segment import FOLDER, SAMPLES, Segment, segment_path
from config.sentences import read_record
from flows.room import Room
from flows.running import segment_clause
from ledger import campaigns, kill_switches
from ledger.attributes import attribute_types
from ledger.dial_lists import lists
from ledger.dial_recall import lists_of_halted
from ledger.gates import Halted
from waves.errors import InputError, RuleError
from waves.message import CHANNEL_CODES
from waves.rules import Rule, parse_rule

PATIENCE_S = 10.0
LOOKS_S = 0.05


@dataclass(frozen=True, slots=True)
class Halt:
    """What a switch found in the air when it was committed, and what became of it."""

    scope: str
    switched: bool
    """False: it was on already."""
    since: datetime
    settled_after_s: float
    """From the commit to when the last of them was settled; how long was waited where some are left."""
    went_out: int
    given_back: int
    in_the_air: int
    """Claimed still; none of them begins any more."""
    lists_out: tuple[int, ...]
    """Dial lists of the scope that people hold."""


def scope_of(room: Room, kind: str, name: str) -> str:
    """The scope by its checked name; InputError with the nearest one there is, CampaignError for a campaign."""
    known: dict[str, set[str]] = {
        "channel": set(CAPABILITIES),
        "provider": {provider for names in PROVIDERS.values() for provider in names} | set(FORMATS),
        "segment": {path.stem for path in (room.settings.home / "config" / FOLDER).glob("*.yaml")},
    }
    if kind == "sender":
        carrying = {one.sender for channel in CAPABILITIES for one in room.senders_of(channel)}
        known[kind] = {*room.senders, *room.diallers, *carrying}
    if kind in known and name not in known[kind]:
        raise InputError(f"there is no {kind} {name!r}; {write_instead(name, sorted(known[kind]))}")
    if kind in ("campaign", "wave"):
        _check_started(room, kind, name)
    return f"{kind}:{name}"


def _check_started(room: Room, kind: str, name: str) -> None:
    campaign, slash, wave = name.partition("/")
    if (kind == "wave") != bool(slash):
        raise InputError(f"{name!r} names no {kind}; write {'CAMPAIGN/WAVE' if kind == 'wave' else 'the name alone'}")
    with room.ledger.read() as connection:
        started = campaigns.names(connection)
        if campaign not in started:
            raise InputError(f"there is no campaign {campaign!r}; {write_instead(campaign, started)}")
        waves = [row.name for row in campaigns.waves_of(connection, campaigns.find(connection, campaign).id)]
    if slash and wave not in waves:
        raise InputError(f"{campaign} has no wave {wave!r}; {write_instead(wave, waves)}")


def halt(
    room: Room, scope: str, why: str, by: str, look: Callable[[int, int], None], patience_s: float = PATIENCE_S
) -> Halt:
    """Commit the switch, then wait until nothing of its scope is claimed; `look` hears (settled, claimed at first)."""
    with room.ledger.read() as connection:
        types = attribute_types(connection)
    rule, now, channels = _rule_of(room, scope, types), room.ledger.now(), _channels_of(room, scope)
    with room.ledger.write() as connection:
        switched = kill_switches.switch_on(connection, scope, why, by, now, rule=rule.text if rule else None)
    committed = time.monotonic()
    named = _named(rule, types, now)
    within = kill_switches.reach(scope, channels, named)
    with room.ledger.write() as connection:
        claimed = kill_switches.claimed_within(connection, within)
    left, back, waited = len(claimed), 0, 0.0
    while left and waited <= patience_s:
        look(len(claimed) - left, len(claimed))
        room.wait(LOOKS_S)
        with room.ledger.read() as connection:
            left, back = kill_switches.still_claimed(connection, claimed)
        waited = time.monotonic() - committed
    with room.ledger.read() as connection:
        holding = lists_of_halted(connection, named) if named else set()
        rows = [row for row in lists(connection) if row.returned_at is None]
        out = tuple(
            row.id for row in rows if row.id in holding or lies_in(room, row.campaign, row.wave, row.format, scope)
        )
    return Halt(scope, switched, now, waited, len(claimed) - left - back, back, left, out)


def _rule_of(room: Room, scope: str, types: dict[str, str]) -> Rule | None:
    """Whom a segment's switch names; PlanError or InputError where its file or rule is wrong for this ledger."""
    if not scope.startswith(kill_switches.SEGMENT):
        return None
    path = segment_path(room.settings.home / "config", scope.removeprefix(kill_switches.SEGMENT))
    try:
        return parse_rule(read_record(Segment, path, SAMPLES).where, types)
    except RuleError as error:
        raise InputError(f"{path}: {error}") from None


def _named(rule: Rule | None, types: dict[str, str], now: datetime) -> Halted | None:
    if rule is None:
        return None
    people = campaigns.profiles(types)
    return kill_switches.named_by_any(people, [segment_clause(rule, people, now.date())])


def _channels_of(room: Room, scope: str) -> list[int]:
    """The channels that a channel's, provider's or sender's switch stops."""
    kind, _, name = scope.partition(":")
    if kind == "channel":
        return [CHANNEL_CODES[name]]
    if kind not in ("provider", "sender"):
        return []
    return [
        CHANNEL_CODES[channel]
        for channel in CAPABILITIES
        if any(name == getattr(one, kind) for one in room.senders_of(channel))
    ]


def lies_in(room: Room, campaign: str, wave: str, dialler_name: str, scope: str) -> bool:
    """Whether a switch stops a list of this wave for this dialler, whoever is on it."""
    dialler = room.diallers.get(dialler_name)
    by = (f"sender:{dialler_name}", f"provider:{dialler.format if dialler else dialler_name}")
    mine = (f"campaign:{campaign}", f"wave:{campaign}/{wave}", *by)
    return scope in (kill_switches.EVERYTHING, "channel:call_list", *mine)
