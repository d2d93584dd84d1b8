"""What each fault of a mail server leaves behind: the state of every touch, through the real engine and aiosmtpd.

20 mails go out one after the other; the second one meets the fault. Then the server is well again and the wave runs to
its end: nobody was taken twice, nobody is lost, and all that was provably not sent has gone out once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger.engine_tables import kill_switch
from tests.builders import T0, Person, make_world, plan_text, put, reachable
from tests.chaos.matrix import MINUTE, ONE_BY_ONE, Case, Said, each_fault, on_sqlite, wave
from tests.standins.smtp import Fault, MailServer, mail_server, smtp_sender
from waves.outcomes import Verdict, word

PEOPLE = 20
LOST = {"sent": 19, "queued provider": 1}
DOUBT = {"sent": 18, "in_doubt provider": 1, "queued provider": 1}

FAULTS: dict[str, tuple[Fault | None, Said]] = {
    "well": (None, {"sent": 20}),
    "an unknown user": (Fault("rcpt", "550 5.1.1 no such user"), {"sent": 19, "refused address_gone": 1}),
    "a full mailbox": (Fault("rcpt", "552 5.2.2 full"), {"sent": 19, "queued unreachable": 1}),
    "too fast": (Fault("rcpt", "451 4.7.1 slow down"), {"sent": 1, "queued rate_limited": 19}),
    "blocked": (Fault("end", "554 5.7.1 spam"), {"sent": 2, "refused blocked": 1, "queued provider": 17}),
    "no right to send": (Fault("mail", "530 5.7.0 no"), {"sent": 1, "queued account": 19}),
    "refused at the end": (Fault("end", "550 5.6.0 odd"), {"sent": 19, "refused other": 1}),
    "not now, at the end": (Fault("end", "450 4.3.2 later"), {"sent": 19, "queued unreachable": 1}),
    "cut at MAIL": (Fault("mail"), LOST),
    "cut at DATA": (Fault("data"), LOST),
    "cut in the text": (Fault("text"), DOUBT),
    "cut after the dot": (Fault("end"), DOUBT),
    "taken and cut": (Fault("taken"), DOUBT),
    "taken and silent": (Fault("taken", hangs=True), DOUBT),
    "silent": (Fault("rcpt", hangs=True), LOST),
}
NEVER_COMES = {"a full mailbox"}
"""Waits a day, and its wave closes before."""


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with mail_server() as made:
        yield made


@dataclass(kw_only=True)
class Mailing(Case):
    """A world whose e-mails go to a mail server."""

    can_be_asked = False
    server: MailServer

    def accepted(self) -> Mapping[str, int]:
        return self.server.tokens()

    def send_by(self, timeout_s: float = 10.0) -> None:
        """From now on with so much time for a mail."""
        self.world.send_by(smtp_sender(self.server.port, **ONE_BY_ONE, timeout=timedelta(seconds=timeout_s)))


@pytest.fixture
def case(tmp_path: Path, ledger_url: str, server: MailServer) -> Iterator[Mailing]:
    server.well()
    world = make_world(tmp_path / "home", ledger_url)
    put(world.ledger, [reachable(n, ["email"]) for n in range(PEOPLE)])
    world.start(plan_text(wave("email")))
    yield Mailing(world=world, people=PEOPLE, server=server)
    world.close()


@each_fault(FAULTS, "an unknown user", "too fast", "taken and cut")
def test_a_fault_leaves_these_states_and_nobody_twice(case: Mailing, fault: str) -> None:
    rule, states = FAULTS[fault]
    case.server.faults = {2: rule} if rule else {}
    case.send_by(0.8 if rule and rule.hangs else 10.0)
    assert case.open() == states
    case.finish(expired=int(fault in NEVER_COMES))


@on_sqlite
def test_a_server_that_lets_nobody_in_pauses_the_sender_and_costs_no_touch(case: Mailing) -> None:
    case.server.always = Fault("mail", "530 5.7.0 log in first")
    case.send_by()
    case.world.advance(T0)
    assert case.states() == {"queued account": 20}
    with case.world.ledger.read() as connection:
        switch = connection.execute(select(kill_switch.c.scope, kill_switch.c.why)).one()
    assert switch == ("sender:mailer", "its provider refuses it (account)")
    turns = case.server.turns
    case.world.advance(T0 + 5 * MINUTE)
    assert case.server.turns == turns
    case.server.always = None
    for minute in (11, 13, 16):
        case.world.advance(T0 + minute * MINUTE)
    assert case.states() == {"sent": 20}
    assert set(case.server.tokens().values()) == {1}


def test_a_fax_goes_to_its_gateway_for_those_who_consent(tmp_path: Path, sqlite_url: str, server: MailServer) -> None:
    server.well()
    world = make_world(tmp_path / "home", sqlite_url)
    (world.config / "templates" / "hello.fax.j2").write_text("Subject: {{ title }}\n\nDear {{ name }}. {{ token }}")
    places = (("fax", "+15125550123"),), (("fax", "+15125550124"),)
    put(world.ledger, [Person("yes", places[0]), Person("no", places[1], denied=frozenset({"fax"}))])
    world.start(plan_text(wave("fax")))
    faxes = smtp_sender(server.port, {"to": "{number}@fax.example.com"}, channel="fax", provider="fax_mail")
    world.send_by(faxes)
    world.advance(T0)
    assert {key: word(Verdict(said)) for key, said in world.verdicts("notice").items()} == {
        "yes": "go",
        "no": "no_consent",
    }
    ((to, _),), (mail,) = server.taken, server.mails()
    assert (to, mail["Subject"]) == ("15125550123@fax.example.com", "A test campaign")
    world.close()
