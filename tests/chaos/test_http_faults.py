"""What each fault of a gateway leaves behind: the state of every touch, through the real engine and a real gateway.

60 touches go out as six requests of ten, one after the other; the second one meets the fault. Then the gateway is
well again and the wave runs to its end: whatever happened, nobody was accepted twice, nobody is lost, and all that
was provably not sent has gone out once.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from ledger.engine_tables import kill_switch
from tests.builders import DAY, T0, make_world, plan_text, put, reachable
from tests.chaos.matrix import MINUTE, ONE_BY_ONE, Case, Said, each_fault, on_sqlite, patience, wave
from tests.chaos.rig import SECRET, SECRET_ENV, Sink, http_sender, start_sink
from waves.senders import Breaker, Sender

PEOPLE = 60
SECOND = {"requests": [2]}
DOUBT = {"sent": 50, "in_doubt provider": 10}
LATER = {"sent": 10, "queued rate_limited": 50}
NOT_YET = {"queued provider": PEOPLE}

FAULTS: dict[str, tuple[dict[str, Any], Said]] = {
    "well": ({"fault": "none"}, {"sent": 60}),
    "accept then reset": ({"fault": "accept_then_reset"}, DOUBT),
    "reset before reading": ({"fault": "reset_before_reading"}, DOUBT),
    "accept then 500": ({"fault": "accept_then_500"}, DOUBT),
    "500 and nothing accepted": ({"fault": "status", "status": 500}, DOUBT),
    "502 of a proxy": ({"fault": "status", "status": 502}, DOUBT),
    "503 without Retry-After": ({"fault": "status", "status": 503}, DOUBT),
    "408 of a proxy": ({"fault": "status", "status": 408}, DOUBT),
    "hang after accepting": ({"fault": "hang"}, DOUBT),
    "hang before accepting": ({"fault": "hang_unread"}, DOUBT),
    "slow within the timeout": ({"fault": "slow", "seconds": 0.1}, {"sent": 60}),
    "slow beyond the timeout": ({"fault": "slow", "seconds": 4.0}, DOUBT),
    "half a body": ({"fault": "half_a_body"}, DOUBT),
    "wrong JSON": ({"fault": "wrong_json"}, DOUBT),
    "an endless answer": ({"fault": "long_answer"}, DOUBT),
    "half of the receipts": ({"fault": "some_receipts"}, {"sent": 55, "in_doubt provider": 5}),
    "the gateway dies": ({"fault": "accept_then_die"}, {"sent": 10, "in_doubt provider": 10, "queued provider": 40}),
    "429 with Retry-After": ({"fault": "status", "status": 429, "headers": {"Retry-After": "7"}}, LATER),
    "429 without": ({"fault": "status", "status": 429}, LATER),
    "503 with Retry-After": ({"fault": "status", "status": 503, "headers": {"Retry-After": "7"}}, LATER),
    "a redirect that repeats": (
        {"fault": "status", "status": 307, "headers": {"Location": "/elsewhere"}},
        {"sent": 10, "queued config": 10, "queued provider": 40},
    ),
    "a redirect that does not": ({"fault": "status", "status": 302, "headers": {"Location": "/elsewhere"}}, DOUBT),
    "400": ({"fault": "status", "status": 400}, {"sent": 10, "refused config": 10, "queued provider": 40}),
    "401": ({"fault": "status", "status": 401}, {"sent": 10, "queued account": 10, "queued provider": 40}),
    "bad addresses": ({"fault": "refuse_each"}, {"sent": 50, "refused invalid_address": 10}),
    "all resets": (
        {"fault": "accept_then_reset", "requests": [], "from": 1},
        {"in_doubt provider": 30, "queued provider": 30},
    ),
}


@dataclass(kw_only=True)
class Gateway(Case):
    """A world whose text messages go to a sink."""

    sink: Sink

    def accepted(self) -> Mapping[str, int]:
        return self.sink.accepted()


@pytest.fixture
def case(tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setenv(SECRET_ENV, SECRET)
    world = make_world(tmp_path / "home", ledger_url)
    made = Gateway(world=world, people=PEOPLE, sink=start_sink(tmp_path / "record"))
    put(world.ledger, [reachable(n, ["sms"]) for n in range(PEOPLE)])
    world.start(plan_text(wave("sms")))
    yield made
    made.sink.stop()
    world.close()


def sender(url: str, **more: Any) -> Sender:
    return http_sender(url, messages=10, **{**ONE_BY_ONE, **more})


@each_fault(FAULTS, "the gateway dies", "429 with Retry-After", "401")
def test_a_fault_leaves_these_states_and_nobody_twice(case: Gateway, fault: str, tmp_path: Path) -> None:
    rule, states = FAULTS[fault]
    case.world.send_by(sender(case.sink.url, timeout=patience(rule["fault"])))
    case.sink.fail({**SECOND, **rule})
    assert case.open() == states
    if rule["fault"] == "accept_then_die":
        case.sink.stop()
        case.sink = start_sink(tmp_path / "record", case.sink.port)
    case.sink.fail()
    case.finish()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody signed but itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway.example.com")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
    return files


@on_sqlite
@pytest.mark.parametrize("fault", ["no such host", "refused", "no TLS there", "a certificate nobody trusts"])
def test_a_connection_never_made_leaves_all_queued(case: Gateway, fault: str, tmp_path: Path) -> None:
    secure = start_sink(tmp_path / "secure", tls=certificate(tmp_path))
    gone = start_sink(tmp_path / "gone")
    gone.stop()
    urls = {
        "no such host": "https://gateway.invalid",
        "refused": gone.url,
        "no TLS there": case.sink.url.replace("http:", "https:"),
        "a certificate nobody trusts": secure.url.replace("http:", "https:"),
    }
    case.world.send_by(sender(urls[fault]))
    left = case.open()
    secure.stop()
    assert left == NOT_YET
    assert not secure.accepted()
    assert not case.sink.accepted()
    case.world.send_by(sender(case.sink.url))
    case.finish()
    assert sum(case.sink.accepted().values()) == PEOPLE


@on_sqlite
def test_the_breaker_rests_a_broken_gateway_and_says_why(case: Gateway) -> None:
    case.world.send_by(sender(case.sink.url, breaker=Breaker(of=10, pause=timedelta(minutes=10))))
    case.sink.fail({"fault": "accept_then_500", "from": 1})
    assert case.open() == {"in_doubt provider": 30, "queued provider": 30}
    with case.world.ledger.read() as connection:
        switch = connection.execute(select(kill_switch.c.scope, kill_switch.c.by, kill_switch.c.why)).one()
    assert switch == ("sender:gateway", "breaker", "60 of its last 60 attempts failed (provider)")
    case.world.advance(T0 + 2 * MINUTE)  # what waited a minute is due, and the sender rests; it is asked, all the same
    assert case.states() == {"sent": 30, "queued provider": 30}
    assert case.sink.ask("/counts")["requests"] == 3
    case.sink.fail()
    case.finish()
