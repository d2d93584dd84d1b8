"""What nobody should send us: forged, replayed, huge, broken. Nothing changes, nothing falls over, nobody is named."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from channels.http_options import sign
from channels.spool import Spool, waiting
from config.template_checks import template_problems
from config.templates import Templates
from console.web.app import make_app
from console.web.door import LONGEST_BODY, Door
from flows.render import Around, linker, render
from flows.running import load_running
from flows.spooling import merge_spool
from ledger import tables as t
from ledger.api_keys import add_key
from ledger.recipients import recipients
from tests.asgi import Said, ask, asked
from tests.builders import T0, TYPES, World, make_world, plan_text, put, reachable
from tests.chaos.rig import SECRET, SECRET_ENV, http_sender
from tests.steps import set_customer, touch_of
from waves.errors import SendRefused
from waves.message import Capabilities
from waves.tokens import Kind, make_token

WHO = "ada.lovelace@example.com"
KEY = "mw_a-key-for-hostile-input"
WAVES = "  - {wave: notice, channels: [sms, email], message: hello, release: 2h, listen: 1d}\n"
ROUNDS = 10_000
HUGE = b"x" * 10_000_000


class Target:
    """A world with a gateway, a key and a message, behind its door."""

    def __init__(self, home: Path) -> None:
        self.world = make_world(home, public_url="https://go.example.com")
        put(self.world.ledger, [reachable(n, ("sms", "email")) for n in (1, 2)])
        self.world.start(plan_text(WAVES))
        self.world.advance(T0)
        gateway = http_sender("https://gateway.example.com")
        self.world.room.senders = {gateway.sender: gateway}
        self.callback = f"/callbacks/http/{gateway.sender}"
        self.token = make_token(self.world.room.token_key, Kind.TOUCH, touch_of(self.world, "notice", "c1", "sms").id)
        with self.world.ledger.write() as connection:
            add_key(connection, "shop", KEY, "tester", T0)
        self.now = T0
        self.folder = self.world.room.settings.spool_folder
        self.spool = Spool(self.folder)
        self.app = make_app(Door(self.world.room, self.spool, clock=lambda: self.now, patience_s=60))

    def signed(self, body: bytes) -> dict[str, str]:
        return dict(sign(SECRET.encode(), body, int(T0.timestamp())))

    def rows(self) -> tuple[int, int]:
        with self.world.ledger.read() as connection:
            count = [connection.scalar(select(func.count()).select_from(one)) or 0 for one in (t.event, t.conversion)]
        return count[0], count[1]

    def merge(self) -> int:
        self.spool.close()
        merged = merge_spool(self.world.room, T0)
        return merged.aside


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    monkeypatch.setenv(SECRET_ENV, SECRET)
    made = Target(tmp_path / "home")
    yield made
    made.spool.close()
    made.world.ledger.close()


def good_body(token: str) -> bytes:
    event = {"token": token, "outcome": "delivered", "at": "2026-12-01T08:59:58Z", "provider_event_id": "e1", "to": WHO}
    return json.dumps({"events": [event]}).encode()


def test_a_forged_or_stale_callback_is_refused_and_a_replayed_one_counts_once(target: Target) -> None:
    body = good_body(target.token)
    headers = target.signed(body)
    name = next(name for name in headers if "Signature" in name)
    other = headers[name][:-1] + ("1" if headers[name].endswith("0") else "0")
    forged = [{}, {**headers, name: other}, {**headers, name: ""}, {**headers, name: "é"}]
    said = [ask(target.app, "POST", target.callback, body, one).status for one in forged]
    said += [ask(target.app, "POST", target.callback, body + b" ", headers).status]
    assert said == [401] * 5
    assert waiting(target.folder) == []
    assert [ask(target.app, "POST", target.callback, body, headers).status for _ in range(20)] == [202] * 20
    target.now = T0 + timedelta(minutes=6)
    assert ask(target.app, "POST", target.callback, body, headers).status == 401
    assert (target.merge(), target.rows()) == (0, (1, 0))


@pytest.mark.parametrize("path", ["callback", "conversions", "unsubscribe", "elsewhere", "healthz"])
def test_a_body_of_ten_megabytes_is_not_read_to_its_end(target: Target, path: str) -> None:
    assert len(HUGE) > LONGEST_BODY
    where = {"callback": target.callback, "conversions": "/conversions", "unsubscribe": f"/u/{target.token}"}
    said = ask(target.app, "POST", where.get(path, f"/{path}"), HUGE, {"Authorization": f"Bearer {KEY}"})
    assert said.status in ((413,) if path in where else (404, 405))
    assert waiting(target.folder) == []


NASTY = (b"\x00", b"\xff\xfe", b'"', b"{", b"]", b"\\ud800", b"\\u0000", b"1e999", b"-", b"null", b"\r\n", b"NaN", b"'")


def mutated(rng: random.Random, body: bytes) -> bytes:
    """The body with a few bytes cut out, doubled or replaced."""
    text = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        end = at + rng.randint(0, 8)
        text[at:end] = rng.choice([rng.choice(NASTY), rng.randbytes(rng.randint(0, 6)), bytes(text[at:end]) * 2])
    return bytes(text)


async def bombard(target: Target, rng: random.Random) -> Counter[tuple[str, int]]:
    """Answers to fuzzed requests, by route and status."""
    sale = {
        "customer": "c1",
        "goal": "renewed",
        "at": "2026-12-01T12:00:00Z",
        "source_id": "s1",
        "value": 5,
        "currency": "USD",
    }
    conversion = json.dumps([sale, {**sale, "source_id": WHO}]).encode()
    hook, found = good_body(target.token), Counter[tuple[str, int]]()
    for number in range(ROUNDS):
        kind = ("callback", "callback", "callback", "unsigned", "conversion", "unsubscribe", "link", "key")[number % 8]
        said: Said
        if kind == "callback":
            body = mutated(rng, hook)
            said = await asked(target.app, "POST", target.callback, body, target.signed(body))
        elif kind == "unsigned":
            said = await asked(target.app, "POST", target.callback, mutated(rng, hook))
        elif kind == "conversion":
            key = {"Authorization": f"Bearer {KEY}"}
            said = await asked(target.app, "POST", "/conversions", mutated(rng, conversion), key)
        elif kind == "unsubscribe":
            token = mutated(rng, target.token.encode()).decode("ascii", "replace")
            said = await asked(target.app, "POST", f"/u/{token}".replace("?", "x"), mutated(rng, b"scope=all"))
        elif kind == "link":
            code = mutated(rng, f"{target.token}A".encode()).decode("ascii", "replace")
            said = await asked(target.app, "GET", f"/c/{code}".replace("?", "x"))
        else:
            key = {"Authorization": mutated(rng, f"Bearer {KEY}".encode()).decode("latin-1")}
            said = await asked(target.app, "POST", "/conversions", conversion, key)
        assert WHO.encode() not in said.body
        found[kind, said.status] += 1
    return found


def test_ten_thousand_fuzzed_requests(
    target: Target, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    found = asyncio.run(bombard(target, random.Random(5)))
    assert sum(found.values()) == ROUNDS
    assert {status for _, status in found} <= {200, 202, 302, 400, 401, 404, 405}, found
    assert {status for kind, status in found if kind == "unsigned"} == {401}
    kept = sum(count for (_, status), count in found.items() if status in (200, 202, 302))
    assert kept < ROUNDS / 4, found  # a change that means nothing leaves a request sound
    assert target.merge() == 0
    out, err = capfd.readouterr()
    said = caplog.text + out + err
    assert "Traceback" not in said
    assert WHO not in said
    assert SECRET not in said
    assert KEY not in said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A `multiwave serve` of a home of its own, and its port."""
    home = tmp_path / "home"
    make_world(home).ledger.close()
    root = str(Path(__file__).parents[2])
    main = "from console.cli import main; main()"
    command = [sys.executable, "-c", main, "serve", "--home", str(home), "--port", "0"]
    env = os.environ | {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=tmp_path)
    assert child.stdout is not None
    port = int(child.stdout.readline().split()[2].split("/")[2].split(":")[1])
    yield child, port
    child.kill()
    child.communicate()


RAW = [
    b"GARBAGE\r\n\r\n",
    b"GET /u/%s HTTP/1.1\r\nHost: x\r\n\r\n" % WHO.encode(),
    b"GET /c/%s?to=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"A" * 21, WHO.encode()),
    b"POST /conversions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 2\r\n\r\n{}" % WHO.encode(),
    b"POST /u/%s HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n" % WHO.encode(),
    b"POST /conversions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n%s" % WHO.encode(),
    b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c: %s\r\n\r\n" % WHO.encode(),
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /callbacks/http/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf" % WHO.encode(),
]


def test_the_real_server_says_nothing_of_what_strangers_send(served: tuple[subprocess.Popen[str], int]) -> None:
    child, port = served
    for content in RAW:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            said = connection.recv(200)
        assert said == b"" or 400 <= int(said.split()[1]) < 500, content
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0
    for text in ("Traceback", WHO, "example.com"):
        assert text not in out + err


OTHERS = [
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ link.__globals__ }}",
    "{{ link.__closure__ }}",
    "{{ link.__code__ }}",
    "{{ name.__class__.__mro__ }}",
    "{{ ''.__class__ }}",
    "{{ name | attr('__class__') }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ cycler }}",
    "{{ lipsum.__globals__ }}",
    "{{ namespace() }}",
    "{{ recipient }}",
    "{{ customer }}",
    "{% include 'other.sms.j2' %}",
    "{% import 'other.sms.j2' as other %}",
    "{{ other_customer.name }}",
]
SMS = Capabilities("sms", "message", ())


@pytest.mark.parametrize("text", OTHERS)
def test_a_template_reaches_nothing_beyond_its_recipient(text: str) -> None:
    values = {"name": "Ada", "link": linker((), "T", None), "age": 7}
    made = ""
    with suppress(SendRefused):
        made = Templates({"m.sms.j2": text}).render("m", "sms", None, values)["body"]
    assert made in ("", "<TemplateReference None>") or template_problems("m.sms.j2", text, SMS, TYPES), made
    assert not any(word in made for word in ("function", "object at", "module", "<class"))


def test_each_message_holds_its_own_recipients_values_alone(target: Target) -> None:
    world = target.world
    names = ("name", "language", "campaign", "title", "wave", "token", *TYPES)
    text = " ".join(f"{{{{ {name} | default('-') }}}}" for name in names)
    with world.ledger.write() as connection:
        profile = t.profile_table(TYPES)
        connection.execute(
            profile.update().where(profile.c.customer > 0).values(tier="secret of " + profile.c.customer.cast(t.Text))
        )
    running = load_running(world.ledger, "test")
    rows = world.touches("notice", channel=2)
    with world.ledger.read() as connection:
        known = recipients(connection, [row.id for row in rows], TYPES)
    templates = Templates({"hello.sms.j2": text})
    made = {
        row.key: render(
            running.bundle, running.plan.wave("notice"), templates, "sms", 0, f"T{row.id}", known[row.id], Around()
        ).fields["body"]
        for row in rows
    }
    ids = {row.key: row.customer for row in rows}
    assert set(made) == {"c1", "c2"}
    for key, body in made.items():
        assert f"secret of {ids[key]}" in body
        assert f"Name of {key}" in body
        (other,) = set(made) - {key}
        assert f"Name of {other}" not in body
        assert f"secret of {ids[other]}" not in body


def test_a_name_begins_no_header(tmp_path: Path) -> None:
    world: World = make_world(tmp_path / "home")
    (world.config / "templates" / "hello.email.j2").write_text("Subject: For {{ name }}\n\n{{ name }}")
    put(world.ledger, [reachable(1, ("email",))])
    for end in ("\r\n", "\n", "\r", "\x0b", "\x85", "\u2028"):
        set_customer(world, "c1", {"name": f"Ada{end}Bcc: {WHO}{end}{end}<b>"})
    world.start(plan_text(WAVES.replace("sms, ", "")))
    world.advance(T0)
    (path,) = (tmp_path / "home" / "outbox" / "email").iterdir()
    mail: Any = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert mail["Bcc"] is None
    assert WHO not in str(mail["To"])
    assert mail["Subject"].startswith("For Ada")
    world.ledger.close()
