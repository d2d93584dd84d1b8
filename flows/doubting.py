"""From a send in doubt to its end: its provider is asked by our token, then the plan decides what stays unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby

from flows.lanes import side_by_side
from flows.room import Room
from flows.running import load_running
from flows.sending import moment_of
from ledger import deciding
from ledger.doubts import (
    CANNOT_BE_ASKED,
    NO_ANSWER,
    SAID_UNKNOWN,
    Unsure,
    addressed,
    any_undecided,
    lapse,
    open_cases,
    to_ask,
)
from waves.errors import SendInDoubt, SendRefused
from waves.message import CHANNEL_NAMES, AnsweredInPart, Channel, Doubtful, FindsByAddress, Receipt
from waves.outcomes import Action, Reason
from waves.senders import Sender
from waves.tokens import Kind, make_token

ASKED_AT_ONCE = 100
"""Tokens in one question."""
QUESTIONS = 50
"""Questions to one sender in one round of upkeep; what is left waits for the next."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one sender said of some touches, asked at a moment."""

    sender: Sender
    touches: Mapping[int, str]
    """Touch to token."""
    said: Mapping[str, Receipt]
    asked_at: datetime


def clear_doubts(room: Room, now: datetime) -> None:
    """Ask the providers about what is in doubt, then decide by the plan what they could not tell."""
    with room.ledger.read() as connection:
        if not any_undecided(connection):
            return
    with room.ledger.write() as connection:
        lapse(connection, now)
        unsure = to_ask(connection, now)
    senders = [list(theirs) for _, theirs in groupby(sorted(unsure, key=_whose), _whose)]
    for _ in side_by_side([partial(_ask, room, theirs, now) for theirs in senders], alone=room.ledger.simulated):
        pass
    _decide(room, moment_of(room, now))


def _whose(one: Unsure) -> tuple[int, str]:
    return one.channel, one.sender or ""


def _sender_of(room: Room, channel: str, name: str | None) -> Sender | None:
    """Who carried it: the sender of that name, else the channel's; None when it is not configured any more."""
    carrying = room.senders_of(channel)
    if name is None:
        return carrying[0]
    others = [one for one in room.senders.values() if one.channel == channel]
    return next((one for one in (*carrying, *others) if one.sender == name), None)


def _found(room: Room, provider: Channel, tokens: Mapping[int, str]) -> Mapping[str, Receipt] | None:
    """What a provider has of these touches, asked by our token or, where it has no use for that, by address."""
    if not isinstance(provider, FindsByAddress):
        return provider.find(list(tokens.values()))
    with room.ledger.read() as connection:
        known = addressed(connection, list(tokens))
    return provider.find_messages([Doubtful(tokens[touch], *told) for touch, told in known.items()])


def _ask(room: Room, unsure: Sequence[Unsure], now: datetime) -> None:
    """Ask one sender about its touches, no transaction open; one that does not answer is left alone for this round."""
    for start in range(0, min(len(unsure), ASKED_AT_ONCE * QUESTIONS), ASKED_AT_ONCE):
        part = [one.touch for one in unsure[start : start + ASKED_AT_ONCE]]
        tokens = {touch: make_token(room.token_key, Kind.TOUCH, touch) for touch in part}
        asked_at = moment_of(room, now)  # before the question: what it answers is no younger
        try:
            sender = _sender_of(room, CHANNEL_NAMES[unsure[0].channel], unsure[0].sender)
            said = None if sender is None else _found(room, room.channel_of(sender), tokens)
        except AnsweredInPart as error:
            said = error.found
            silent = [touch for touch, token in tokens.items() if token not in said]
            tokens = {touch: token for touch, token in tokens.items() if token in said}
            with room.ledger.write() as connection:
                deciding.heard(connection, silent, NO_ANSWER, asked_at)
        except (SendInDoubt, SendRefused):
            with room.ledger.write() as connection:
                deciding.heard(connection, [one.touch for one in unsure[start:]], NO_ANSWER, asked_at)
            return
        if sender is None or said is None:
            with room.ledger.write() as connection:
                deciding.heard(connection, part, CANNOT_BE_ASKED, asked_at)
        else:
            _believe(room, Answer(sender, tokens, said, asked_at), now)


def _believe(room: Room, answer: Answer, now: datetime) -> None:
    """Settle what the provider knows; what it does not know stays in doubt: the request may still be on its way."""
    sender, asked_at, moment = answer.sender, answer.asked_at, moment_of(room, now)
    accepted: list[tuple[int, Receipt]] = []
    refused: dict[tuple[Reason | None, Action], list[int]] = {}
    unknown: list[int] = []
    for touch, token in answer.touches.items():
        receipt = answer.said.get(token)
        if receipt is not None and receipt.result == "accepted":
            accepted.append((touch, receipt))
        elif receipt is not None and receipt.result == "refused":
            refused.setdefault((receipt.reason, receipt.action), []).append(touch)
        else:
            unknown.append(touch)
    with room.ledger.write() as connection:
        if accepted:
            cost = room.settings.costs.get(sender.channel)
            deciding.accepted(connection, accepted, sender.sender, cost, asked_at, moment)
        for why, touches in refused.items():
            deciding.refused(connection, touches, why, sender.sender, asked_at, moment)
        if unknown:
            deciding.heard(connection, unknown, SAID_UNKNOWN, asked_at)


def _decide(room: Room, now: datetime) -> None:
    """What each plan says of the doubts that its providers left."""
    with room.ledger.read() as connection:
        cases = open_cases(connection)
    for name, channel, carried_by in cases:
        try:
            sender = _sender_of(room, CHANNEL_NAMES[channel], carried_by) or room.sender(CHANNEL_NAMES[channel])
        except SendRefused:
            continue  # sending says what is wrong with the settings; nothing is decided on a guess meanwhile
        plan = load_running(room.ledger, name).plan
        case = deciding.Case(name, channel, carried_by, room.settings.lease, sender.timeout)
        with room.ledger.write() as connection:
            deciding.by_plan(connection, case, plan.doubt_policy(CHANNEL_NAMES[channel]), now)
