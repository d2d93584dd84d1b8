"""What each fault of SendGrid leaves behind, through the real engine: nobody twice, nobody lost, the books balance.

As test_fault_matrix: 60 e-mails go out as six requests of ten, the second one meets the fault, then all is well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import health
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.standins.sendgrid import KEY, KEY_ENV, Standin, running
from waves.outcomes import Reason, State, word
from waves.senders import Breaker, Sender
from waves.tokens import Kind, make_token

WAVE = "  - {wave: notice, channels: [email], message: hello, release: 2h, listen: 1d}\n"
PEOPLE, MINUTE = 60, timedelta(minutes=1)
DOUBT = {"sent": 50, "in_doubt provider": 10}
LATER = {"sent": 10, "queued rate_limited": 50}
SENDER_S = {"sent": 10, "queued provider": 40}
ONE = {"fault": "status", "status": 400}
FROM = {"errors": [{"message": "The from email does not contain a valid address.", "field": "from.email"}]}

FAULTS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "well": ({}, {"sent": 60}),
    "accept then reset": ({"fault": "accept_then_reset"}, DOUBT),
    "reset before reading": ({"fault": "reset_before_reading"}, DOUBT),
    "accept then 500": ({"fault": "accept_then_500"}, DOUBT),
    "500 and nothing accepted": ({"fault": "status", "status": 500}, DOUBT),
    "503 with Retry-After": ({"fault": "status", "status": 503, "headers": {"Retry-After": "7"}}, DOUBT),
    "hang after accepting": ({"fault": "hang", "seconds": 2}, DOUBT),
    "hang before accepting": ({"fault": "hang_unread", "seconds": 2}, DOUBT),
    "slow within the timeout": ({"fault": "slow", "seconds": 0.1}, {"sent": 60}),
    "half an answer": ({"fault": "half_a_body"}, DOUBT),
    "429": ({"fault": "status", "status": 429, "headers": {"Retry-After": "7"}}, LATER),
    "a redirect": (
        {"fault": "status", "status": 307, "headers": {"Location": "/x"}},
        SENDER_S | {"queued config": 10},
    ),
    "401": ({"fault": "status", "status": 401}, SENDER_S | {"queued account": 10}),
    "413": ({"fault": "status", "status": 413}, SENDER_S | {"refused too_large": 10}),
    "400 of the sender": ({**ONE, "body": FROM}, SENDER_S | {"refused config": 10}),
    "400 that names two": ({"bad": ("c13@example.com", "c17@example.com")}, {"sent": 58, "refused invalid_address": 2}),
    "400 that names nobody": ({"silent": ("c13@example.com",)}, {"sent": 59, "refused config": 1}),
}


@pytest.fixture(scope="module")
def account() -> Iterator[Standin]:
    with running(checked=False) as standin:
        yield standin


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, account: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv(KEY_ENV, KEY)
    account.well()
    account.bad, account.silent = set(), set()
    for seen in (account.mails, account.requests, account.paths):
        seen.clear()
    made = make_world(tmp_path / "home", sqlite_url, public_url="https://go.example.com")
    put(made.ledger, [reachable(n, ["email"]) for n in range(PEOPLE)])
    options = {"secret_env": KEY_ENV, "from_address": "news@example.com", "base_url": account.url, "messages": 10}
    calm = {"concurrency": 1, "timeout": timedelta(seconds=0.7), "breaker": Breaker(of=100_000)}
    mail = Sender(
        sender="mail", channel="email", provider="sendgrid", options={**options, "reconcile": "activity"}, **calm
    )
    made.room.senders = {"mail": mail}
    made.start(plan_text(WAVE))
    yield made
    made.room.channel("email").close()  # type: ignore[attr-defined]
    made.ledger.close()


def states(world: World) -> dict[str, int]:
    """`state reason` of the wave's touches, counted."""
    rows = world.touches("notice")
    words = [f"{word(State(r.state))} {word(Reason(r.reason)) if r.reason else ''}".strip() for r in rows]
    return dict(Counter(words))


def tokens(world: World, *of: State) -> set[str]:
    """The tokens of the touches in these states."""
    key = world.room.token_key
    return {make_token(key, Kind.TOUCH, r.id) for r in world.touches("notice") if r.state in of}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_these_states_and_nobody_twice(world: World, account: Standin, fault: str) -> None:
    rule, left = FAULTS[fault]
    account.bad, account.silent = set(rule.get("bad", ())), set(rule.get("silent", ()))
    account.faults = {2: rule} if "fault" in rule else {}
    world.advance(T0)
    assert states(world) == left
    assumed = tokens(world, State.IN_DOUBT)
    account.well()
    for minute in (2, 4, 11, 13, 15, 30):
        world.advance(T0 + minute * MINUTE)
    world.advance(T0 + DAY + 3 * HOUR)
    accepted = account.accepted()
    assert set(accepted.values()) <= {1}
    assert tokens(world, State.SENT) - set(accepted) <= assumed
    assert set(accepted) <= tokens(world, State.SENT)  # those in doubt were asked for, and found
    assert not tokens(world, State.QUEUED, State.CLAIMED, State.EXPIRED)
    assert len(world.touches("notice")) == PEOPLE
    by_token = {mail.token: (mail.to["email"], mail.headers["List-Unsubscribe"], mail.body) for mail in account.mails}
    for token, (address, header, body) in by_token.items():
        assert header == f"<https://go.example.com/u/{token}>"
        assert body == f"Hello Name of {address.partition('@')[0]}. {token}"
    with world.ledger.read() as connection:
        assert [(book.now, book.as_closed) for book in health.books(connection)] == [(True, True)]
