"""One real browser from its first click to the ledger: subscribe, push, notification, click, a new endpoint, the end.

Firefox talks to a push service on loopback; all else is the real thing: `multiwave serve`, its demo page and service
worker, our engine and provider webpush.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels.registry import CAPABILITIES, SENDERS
from channels.webpush_keys import KEY_FILE, make_key
from config.senders import load_senders
from config.settings import Settings
from flows.room import Room
from flows.server import free_port
from ledger import tables as t
from tests.acceptance.program import COMMAND, environment, eventually
from tests.builders import DAY, Person, World, make_world, plan_text, put
from tests.standins.push_service import BrowserPushService
from tests.steps import touch_words
from waves.message import AddressState, Consent
from waves.tokens import make_customer_token

NODE = Path(__file__).parents[1] / "node"
WAVE = "  - {wave: notice, channels: [web_push], message: hello, release: 2h, listen: 1d}\n"
SENDER = """\
browsers:
  channel: web_push
  provider: webpush
  webpush: {subject: "mailto:ops@example.com", loopback: true}
"""

pytestmark = pytest.mark.acceptance


class Firefox:
    """The browser, driven by tests/node/firefox_push.js."""

    def __init__(self, page: str, service: str) -> None:
        binary = shutil.which("firefox-esr") or shutil.which("firefox")
        assert binary, "the tests need Firefox (Debian: apt-get install firefox-esr)"
        self.running = subprocess.Popen(
            ["node", str(NODE / "firefox_push.js"), binary, page, service],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=NODE,
        )

    def do(self, command: str) -> Any:
        """What became of a command; the driver's own words when it failed."""
        assert self.running.stdin
        assert self.running.stdout
        assert self.running.stderr
        self.running.stdin.write(f"{command}\n")
        self.running.stdin.flush()
        line = self.running.stdout.readline()
        assert line, self.running.stderr.read()
        return json.loads(line)

    def close(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.running.communicate(timeout=20)
        self.running.kill()
        self.running.wait()


@pytest.fixture
def service() -> Iterator[BrowserPushService]:
    made = BrowserPushService()
    yield made
    made.stop()


@pytest.fixture
def public_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def world(tmp_path: Path, public_url: str) -> Iterator[World]:
    """A home with a key, a sender and a customer, and `multiwave serve` over it."""
    home = tmp_path / "home"
    made = make_world(home)
    make_key(home / KEY_FILE)
    config = home / "config"
    (config / "senders.yaml").write_text(SENDER)
    (config / "templates" / "hello.web_push.j2").write_text(
        f"Title: Good news\nUrl: {public_url}/push/\n\nFor {{{{ name }}}}."
    )
    put(made.ledger, [Person("ada")])
    settings = Settings(home=home, public_url=public_url)
    senders = load_senders(config, CAPABILITIES, SENDERS, settings)
    made.room = Room(settings, made.ledger, made.room.token_key, senders=senders)
    port = public_url.rpartition(":")[2]
    env = environment(MULTIWAVE_PUBLIC_URL=public_url, PYTHONUNBUFFERED="1")
    serve = subprocess.Popen(
        [*COMMAND, "serve", "--home", str(home), "--port", port], stdout=subprocess.PIPE, text=True, env=env
    )
    assert serve.stdout
    assert serve.stdout.readline().startswith("callbacks at"), "serve does not listen"
    yield made
    serve.terminate()
    serve.communicate(timeout=60)
    for channel in made.room._channels.values():
        channel.close()  # type: ignore[attr-defined]
    made.ledger.close()


@pytest.fixture
def firefox(world: World, service: BrowserPushService, public_url: str) -> Iterator[Firefox]:
    with world.ledger.read() as connection:
        customer = connection.scalar(select(t.customer.c.id))
    assert customer
    token = make_customer_token(world.room.token_key, customer, datetime.now(UTC) + DAY)
    made = Firefox(f"{public_url}/push/demo#{token}", service.url)
    yield made
    made.close()


def addresses(world: World) -> list[tuple[str, str, str]]:
    """(state, consent, value) of the customer's browsers."""
    a = t.address.c
    with world.ledger.read() as connection:
        rows = connection.execute(select(a.state, a.consent, a.value).order_by(a.id)).all()
    return [(AddressState(state).name, Consent(consent).name, value) for state, consent, value in rows]


def test_a_push_is_shown_and_clicked_and_the_ledger_knows(
    firefox: Firefox, world: World, service: BrowserPushService, public_url: str
) -> None:
    assert firefox.do("subscribe") == {"state": "on", "log": "This browser is subscribed."}
    ((state, consent, first),) = eventually(lambda: addresses(world))
    assert (state, consent) == ("OK", "GRANTED")

    world.start(plan_text(WAVE))
    world.advance()
    assert firefox.do("shown") == {"title": "Good news", "body": "For Name of ada.", "count": 1}
    eventually(lambda: touch_words(world, "notice") == {"ada": [("web_push", "sent", "displayed", None)]})
    assert firefox.do("click") == {"opened": f"{public_url}/push/"}
    eventually(lambda: touch_words(world, "notice") == {"ada": [("web_push", "sent", "clicked", None)]})
    assert ([ack["code"] for ack in service.acks], service.nacks) == ([100], [])

    service.forget()  # the browser's identity is gone: it fires pushsubscriptionchange, and the worker subscribes anew
    known = eventually(lambda: addresses(world) if len(addresses(world)) > 1 else None)
    assert [one[:2] for one in known] == [("REPLACED", "GRANTED"), ("OK", "GRANTED")]
    assert known[0][2] == first != known[1][2]

    assert firefox.do("off") == {"state": "off"}
    eventually(lambda: addresses(world)[1][:2] == ("OK", "DENIED"))
