"""What each fault of SendGrid leaves behind, through the real engine: nobody twice, nobody lost, the books balance.

As test_http_faults: 60 e-mails go out as six requests of ten, the second one meets the fault, then all is well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_world, plan_text, put, reachable
from tests.chaos.matrix import ONE_BY_ONE, Case, Said, each_fault, patience, wave
from tests.standins.sendgrid import KEY, KEY_ENV, Standin, running
from waves.senders import Sender

PEOPLE = 60
DOUBT = {"sent": 50, "in_doubt provider": 10}
LATER = {"sent": 10, "queued rate_limited": 50}
SENDER_S = {"sent": 10, "queued provider": 40}
ONE = {"fault": "status", "status": 400}
FROM = {"errors": [{"message": "The from email does not contain a valid address.", "field": "from.email"}]}

FAULTS: dict[str, tuple[dict[str, Any], Said]] = {
    "well": ({}, {"sent": 60}),
    "accept then reset": ({"fault": "accept_then_reset"}, DOUBT),
    "reset before reading": ({"fault": "reset_before_reading"}, DOUBT),
    "accept then 500": ({"fault": "accept_then_500"}, DOUBT),
    "500 and nothing accepted": ({"fault": "status", "status": 500}, DOUBT),
    "503 with Retry-After": ({"fault": "status", "status": 503, "headers": {"Retry-After": "7"}}, DOUBT),
    "hang after accepting": ({"fault": "hang", "seconds": 4}, DOUBT),
    "hang before accepting": ({"fault": "hang_unread", "seconds": 4}, DOUBT),
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


@dataclass(kw_only=True)
class Mailing(Case):
    """A world whose e-mails go to SendGrid."""

    account: Standin
    sender: Sender

    def accepted(self) -> Mapping[str, int]:
        return self.account.accepted()


@pytest.fixture
def case(tmp_path: Path, ledger_url: str, account: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailing]:
    monkeypatch.setenv(KEY_ENV, KEY)
    account.well()
    account.bad, account.silent = set(), set()
    for seen in (account.mails, account.requests, account.paths):
        seen.clear()
    world = make_world(tmp_path / "home", ledger_url, public_url="https://go.example.com")
    put(world.ledger, [reachable(n, ["email"]) for n in range(PEOPLE)])
    options = {"secret_env": KEY_ENV, "from_address": "news@example.com", "base_url": account.url, "messages": 10}
    options |= {"reconcile": "activity"}
    world.start(plan_text(wave("email")))
    own: dict[str, Any] = {**ONE_BY_ONE, "options": options}
    sender = Sender(sender="mail", channel="email", provider="sendgrid", **own)
    yield Mailing(world=world, people=PEOPLE, account=account, sender=sender)
    world.close()


@each_fault(FAULTS, "accept then reset", "429", "401", "400 that names two")
def test_a_fault_leaves_these_states_and_nobody_twice(case: Mailing, account: Standin, fault: str) -> None:
    rule, states = FAULTS[fault]
    account.bad, account.silent = set(rule.get("bad", ())), set(rule.get("silent", ()))
    account.faults = {2: rule} if "fault" in rule else {}
    case.world.send_by(case.sender.model_copy(update={"timeout": patience(rule.get("fault"))}))
    assert case.open() == states
    account.well()
    case.finish()
    for mail in account.mails:
        assert mail.headers["List-Unsubscribe"] == f"<https://go.example.com/u/{mail.token}>"
        assert mail.body == f"Hello Name of {mail.to['email'].partition('@')[0]}. {mail.token}"
