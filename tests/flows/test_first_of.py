"""`first_of`: the first channel that passes, then the next when it surely failed; never in doubt, never twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from channels.registry import CAPABILITIES
from tests.builders import DAY, HOUR, T0, Person, World, make_world, phone, plan_text, put, reachable
from tests.steps import address_words, suppress, touch_of, touch_words, verdict_words
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.outcomes import Action, Outcome, Reason, State

SMS_THEN_MAIL = "[{first_of: [sms, email]}]"
ALL = "[{first_of: [web_push, sms, email]}]"


def wave(channels: str, name: str = "notice") -> str:
    return f"  - {{wave: {name}, channels: {channels}, message: hello, release: 2h, listen: 2d}}\n"


@dataclass
class Scripted:
    """A provider that says what the script has for the address, and takes all others."""

    capabilities: Capabilities
    script: dict[str, dict[str, Any]]
    provider: str = "scripted"
    chunk: int = 500
    seen: list[str] = field(default_factory=list)

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        self.seen += [message.address for message in messages]
        known = [self.script.get(message.address, {"result": "accepted"}) for message in messages]
        return [Receipt(message.token, **said) for message, said in zip(messages, known, strict=True)]

    def find(self, tokens: Sequence[str]) -> None:
        """Nobody can ask here."""


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", sqlite_url)
    yield made
    made.ledger.close()


def scripted(world: World, channel: str, script: dict[str, dict[str, Any]]) -> Scripted:
    made = Scripted(CAPABILITIES[channel], script)
    world.room._channels[channel] = made
    return made


def channels_of(world: World, name: str = "notice") -> dict[str, list[tuple[str, str]]]:
    return {key: [(x[0], x[1]) for x in found] for key, found in touch_words(world, name).items()}


def test_the_first_channel_that_passes(world: World) -> None:
    """Beside it, a channel of its own and the other group's first."""
    people = {
        "all": reachable(1),
        "no push": reachable(2, ["sms", "email"]),
        "push denied": reachable(3, denied=frozenset({"web_push"})),
        "push and text dead": reachable(4, dead=frozenset({phone(4), "https://push.example.com/4"})),
        "mail alone": reachable(5, ["email"]),
        "nothing": Person("c6"),
    }
    put(world.ledger, people.values())
    world.start(plan_text(wave(ALL) + wave("[sms, {first_of: [web_push, email]}]", "both")))
    world.advance()
    sent = [("web_push", "sent"), ("sms", "sent"), ("sms", "sent"), ("email", "sent"), ("email", "sent")]
    assert channels_of(world) == {f"c{n}": [touch] for n, touch in enumerate(sent, 1)}
    world.advance(T0 + 3 * DAY)
    assert channels_of(world, "both") == {
        "c1": [("sms", "sent"), ("web_push", "sent")],
        "c2": [("sms", "sent"), ("email", "sent")],
        "c3": [("sms", "sent"), ("email", "sent")],
        "c4": [("email", "sent")],
        "c5": [("email", "sent")],
    }
    assert verdict_words(world, "both")["c6"] == "no_address"


# what the SMS provider says at once -> the touches that the customer ends up with, and its number's state
AT_ONCE: dict[str, tuple[dict[str, Any], list[tuple[str, str]], str]] = {
    "accepted": ({"result": "accepted"}, [("sms", "sent")], "ok"),
    "next channel": (
        {"result": "refused", "action": Action.NEXT_CHANNEL},
        [("sms", "refused"), ("email", "sent")],
        "ok",
    ),
    "drop address": (
        {"result": "refused", "action": Action.DROP_ADDRESS},
        [("sms", "refused"), ("email", "sent")],
        "dead",
    ),
    "drop consent": ({"result": "refused", "action": Action.DROP_CONSENT}, [("sms", "refused")], "ok"),
    "bug": ({"result": "refused", "action": Action.BUG}, [("sms", "refused")], "ok"),
    "not now": ({"result": "not_sent", "retry_after_s": 1e5}, [("sms", "queued")], "ok"),
    "who knows": ({"result": "in_doubt", "action": Action.RECONCILE}, [("sms", "in_doubt")], "ok"),
    "who knows, and go on": ({"result": "in_doubt", "action": Action.NEXT_CHANNEL}, [("sms", "in_doubt")], "ok"),
}


def test_a_refusal_at_once(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(len(AT_ONCE))])
    lite.start(plan_text(wave(SMS_THEN_MAIL)))
    provider = scripted(lite, "sms", {phone(n): said for n, (said, *_) in enumerate(AT_ONCE.values())})
    lite.advance()
    lite.advance(T0 + HOUR)
    assert channels_of(lite) == {f"c{n}": touches for n, (_, touches, _) in enumerate(AT_ONCE.values())}
    places = address_words(lite, "sms")
    assert [places[phone(n)][1] for n in range(len(AT_ONCE))] == [state for *_, state in AT_ONCE.values()]
    assert len(provider.seen) == len(AT_ONCE)


@pytest.mark.parametrize("action", [Action.NEXT_CHANNEL, Action.DROP_ADDRESS])
def test_a_wave_does_not_close_over_its_last_refusal(lite: World, action: Action) -> None:
    """Everybody was refused at once: all outcomes are final, and yet the next channel is still to come."""
    put(lite.ledger, [reachable(n) for n in range(2)])
    lite.start(plan_text(wave(ALL)))
    said = {"result": "refused", "action": action}
    scripted(lite, "web_push", {f"https://push.example.com/{n}": said for n in range(2)})
    scripted(lite, "sms", {phone(1): said})
    lite.advance()
    assert channels_of(lite) == {
        "c0": [("web_push", "refused"), ("sms", "sent")],
        "c1": [("web_push", "refused"), ("sms", "refused"), ("email", "sent")],
    }


def test_the_last_channel_refused_is_the_end(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(wave(SMS_THEN_MAIL)))
    said = {"result": "refused", "reason": Reason.FILTERED, "action": Action.NEXT_CHANNEL}
    scripted(lite, "sms", {phone(1): said})
    scripted(lite, "email", {"c1@example.com": said})
    moves = lite.advance()
    assert channels_of(lite) == {"c1": [("sms", "refused"), ("email", "refused")]}
    assert moves[-1].closed is not None
    assert moves[-1].closed.parts == {"missed": 1}
    assert moves[-1].closed.balanced


# reports of the first channel, an hour after the send -> whether the next channel is tried
LATER: list[tuple[str, list[tuple[Outcome, Action | None]], bool]] = [
    ("a hard bounce", [(Outcome.BOUNCED_HARD, None)], True),
    ("a soft bounce", [(Outcome.BOUNCED_SOFT, None)], True),
    ("a failure", [(Outcome.FAILED, None)], True),
    ("a rejection", [(Outcome.REJECTED, None)], True),
    ("a failure to be tried again", [(Outcome.FAILED, Action.RETRY)], False),
    ("a rejection for want of consent", [(Outcome.REJECTED, Action.DROP_CONSENT)], False),
    ("lapsed", [(Outcome.LAPSED, None)], False),
    ("delivered", [(Outcome.DELIVERED, None)], False),
    ("a bounce, then a delivery", [(Outcome.BOUNCED_SOFT, None), (Outcome.DELIVERED, None)], False),
    ("a delivery, then a hard bounce", [(Outcome.DELIVERED, None), (Outcome.BOUNCED_HARD, None)], True),
    ("clicked, then a hard bounce", [(Outcome.CLICKED, None), (Outcome.BOUNCED_HARD, None)], False),
    ("declined", [(Outcome.DECLINED, None)], False),
    ("nothing", [], False),
]


def test_a_failure_that_is_reported_later(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(len(LATER))])
    world.start(plan_text(wave(SMS_THEN_MAIL)))
    world.advance()
    for n, (_, reports, _) in enumerate(LATER):
        for outcome, action in reports:
            world.report(touch_of(world, "notice", f"c{n}").id, outcome, T0 + HOUR, action=action)
    for now in (T0 + HOUR, T0 + HOUR, T0 + 2 * HOUR):
        world.advance(now)
    found = {name: channels_of(world)[f"c{n}"][1:] for n, (name, _, _) in enumerate(LATER)}
    assert found == {name: [("email", "sent")] if goes_on else [] for name, _, goes_on in LATER}
    assert len(world.outbox("sms")) == len(LATER)


def test_a_late_delivery_of_the_first_is_counted_with_the_second(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(wave(SMS_THEN_MAIL)))
    lite.advance()
    lite.report(touch_of(lite, "notice", "c1", "sms").id, Outcome.BOUNCED_SOFT)
    lite.advance(T0 + HOUR)
    lite.report(touch_of(lite, "notice", "c1", "sms").id, Outcome.DELIVERED)
    lite.advance(T0 + 2 * HOUR)
    assert touch_words(lite, "notice") == {"c1": [("sms", "sent", "delivered", None), ("email", "sent", None, None)]}
    (move,) = lite.advance(T0 + 3 * DAY)
    assert move.closed is not None
    assert (move.closed.parts, move.closed.outcomes) == ({"received": 1}, {"delivered": 1})


def test_the_next_channel_is_checked_again(lite: World) -> None:
    """Between the two the customer was suppressed, lost the address, or the wave ended."""
    put(lite.ledger, [reachable(n) for n in range(3)])
    lite.start(plan_text(wave(SMS_THEN_MAIL)))
    lite.advance()
    suppress(lite, "c0")
    suppress(lite, None, "email", value="c1@example.com")
    for key in ("c0", "c1"):
        lite.report(touch_of(lite, "notice", key, "sms").id, Outcome.BOUNCED_SOFT)
    lite.advance(T0 + HOUR)
    assert channels_of(lite) == {
        "c0": [("sms", "sent"), ("email", "withdrawn")],
        "c1": [("sms", "sent")],
        "c2": [("sms", "sent")],
    }
    lite.report(touch_of(lite, "notice", "c2", "sms").id, Outcome.BOUNCED_SOFT)
    lite.advance(T0 + 3 * DAY)
    assert channels_of(lite)["c2"] == [("sms", "sent")]
    assert lite.outbox("email") == []


def test_a_channel_that_was_lost_meanwhile_is_passed_over(lite: World) -> None:
    """The number of `c1` died after the enrolment; the mailbox is left, and one attempt there is enough."""
    put(lite.ledger, [reachable(1), reachable(2)])
    lite.start(plan_text(wave(ALL)))
    lite.advance()
    suppress(lite, None, "sms", value=phone(1))
    for key in ("c1", "c2"):
        lite.report(touch_of(lite, "notice", key).id, Outcome.FAILED)
    for now in (T0 + HOUR, T0 + 2 * HOUR):
        lite.advance(now)
    assert channels_of(lite) == {
        "c1": [("web_push", "sent"), ("email", "sent")],
        "c2": [("web_push", "sent"), ("sms", "sent")],
    }


def test_a_third_channel_after_the_second(lite: World) -> None:
    """`c1` has no number: after the push comes the mail. `c2` goes all the way, one step at a time."""
    put(lite.ledger, [reachable(1, ["web_push", "email"]), reachable(2)])
    lite.start(plan_text(wave(ALL)))
    lite.advance()
    for key in ("c1", "c2"):
        lite.report(touch_of(lite, "notice", key).id, Outcome.FAILED)
    lite.advance(T0 + HOUR)
    assert channels_of(lite) == {
        "c1": [("web_push", "sent"), ("email", "sent")],
        "c2": [("web_push", "sent"), ("sms", "sent")],
    }
    lite.report(touch_of(lite, "notice", "c2", "sms").id, Outcome.FAILED)
    lite.advance(T0 + 2 * HOUR)
    assert channels_of(lite)["c2"] == [("web_push", "sent"), ("sms", "sent"), ("email", "sent")]
    assert {row.state for row in lite.touches("notice")} == {State.SENT}
