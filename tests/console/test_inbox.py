"""The inbox over HTTP: a customer's messages while they hold, to whom they belong, and what pages tell of them."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels.spool import Spool
from console.web.app import make_app
from console.web.door import Door
from flows import inbox
from flows.inbox import messages_for
from flows.spooling import merge_spool
from ledger.kill_switches import lift, switch_on
from ledger.seeds import seed_messages
from tests.asgi import BROWSER
from tests.builders import DAY, HOUR, T0, Person, World, make_world, plan_text, put
from tests.steps import convert, set_customer, suppress, touch_of, touch_words
from waves.errors import LedgerError
from waves.message import CHANNEL_CODES
from waves.seeds import Seed
from waves.tokens import Kind, make_customer_token, make_seed_token, make_token

SITE = "https://www.example.com"
HERE = "https://Go.Example.com:443"
WAVES = "  - {wave: note, channels: [inbox], message: hello, release: 2h, listen: 1d}\n"
TEMPLATES = {
    "en": "Title: News for {{ name }}\nUrl: https://www.example.com/renew?t={{ token }}\n\n<b>Hello</b> {{ name }}.",
    "uk": "Title: Новини\nUrl: https://www.example.com/uk\n\nВітаємо, {{ name }}.",
}


class Site:
    """A world whose inbox is served, on its own clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.spool = Spool(world.room.settings.spool_folder)
        self.app = make_app(Door(world.room, self.spool, clock=lambda: self.world.now))

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())

    def customer(self, who: str, until: datetime | None = None) -> str:
        ident = touch_of(self.world, "note", who).customer
        return make_customer_token(self.world.room.token_key, ident, until or T0 + 30 * DAY)

    def inbox(self, who: str) -> list[dict[str, Any]]:
        said = self.ask("GET", "/inbox", headers={"Authorization": f"Bearer {self.customer(who)}"})
        assert (said.status_code, said.headers["cache-control"]) == (200, "no-store")
        found: list[dict[str, Any]] = said.json()["messages"]
        return found

    def token(self, who: str) -> str:
        return make_token(self.world.room.token_key, Kind.TOUCH, touch_of(self.world, "note", who).id)

    def merge(self) -> Any:
        self.spool.close()
        merged = merge_spool(self.world.room, self.world.now)
        self.spool = Spool(self.world.room.settings.spool_folder)
        self.app = make_app(Door(self.world.room, self.spool, clock=lambda: self.world.now))
        return merged


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from served(tmp_path, None)


@pytest.fixture
def anywhere(tmp_path: Path, ledger_url: str) -> Iterator[Site]:
    yield from served(tmp_path, ledger_url)


def served(tmp_path: Path, url: str | None) -> Iterator[Site]:
    world = make_world(tmp_path / "home", url, site_origins=[SITE], public_url=HERE)
    for language, text in TEMPLATES.items():
        (world.config / "templates" / f"hello.inbox.{language}.j2").write_text(text)
    put(world.ledger, [Person(f"c{n}", (("inbox", f"user-{n}"),)) for n in range(3)])
    set_customer(world, "c1", {"language": "uk"})
    world.start(plan_text(WAVES))
    world.ledger.set_now(T0)
    world.advance(T0)
    made = Site(world)
    yield made
    made.spool.close()
    world.ledger.close()


def test_a_customer_sees_their_own_messages_in_their_language(anywhere: Site) -> None:
    assert touch_words(anywhere.world, "note")["c0"] == [("inbox", "sent", None, None)]
    token = anywhere.token("c0")
    assert anywhere.inbox("c0") == [
        {
            "token": token,
            "campaign": "test",
            "wave": "note",
            "language": None,
            "title": "News for Name of c0",
            "body": "<b>Hello</b> Name of c0.",
            "link": f"{HERE}/inbox/go/{token}",
            "until": "2026-12-02T11:00:00+00:00",
        }
    ]
    assert [one["title"] for one in anywhere.inbox("c1")] == ["Новини"]


GONE = {
    "stopped": ("UPDATE wave SET stopped_at = 1", "UPDATE wave SET stopped_at = NULL"),
    "paused": ("UPDATE campaign SET state = 'paused'", "UPDATE campaign SET state = 'running'"),
    "aborted": ("UPDATE campaign SET state = 'aborted'", "UPDATE campaign SET state = 'running'"),
    "unsubscribed": ("UPDATE address SET consent = 2", "UPDATE address SET consent = 1"),
    "dead": ("UPDATE address SET state = 3", "UPDATE address SET state = 0"),
    "erased": ("UPDATE customer SET erased_at = 1", "UPDATE customer SET erased_at = NULL"),
}


def test_a_message_is_gone_as_soon_as_it_must_not_be_read_and_back_when_it_may(site: Site) -> None:
    world = site.world

    def seen() -> tuple[int, int]:
        return len(site.inbox("c0")), site.ask("GET", f"/inbox/go/{site.token('c0')}").status_code

    def run(sql: str) -> None:
        with world.ledger.write() as connection:
            connection.exec_driver_sql(sql)

    for what, (to_stop, to_go_on) in GONE.items():
        run(to_stop)
        assert seen() == (0, 404), what
        run(to_go_on)
        assert seen() == (1, 302), what
    for scope, rule in (("channel:inbox", None), ("segment:old", "age = 40"), ("everything", None)):
        with world.ledger.write() as connection:
            switch_on(connection, scope, "wrong", "tester", T0, rule=rule)
        assert seen() == (0, 404), scope
        with world.ledger.write() as connection:
            lift(connection, scope, "tester", T0)
    world.now = T0 + DAY + 2 * HOUR
    assert seen() == (0, 404), "closed"
    world.now = T0
    suppress(world, "c0")
    assert seen() == (0, 404), "suppressed"


def test_beacons_become_outcomes_once(anywhere: Site) -> None:
    token = anywhere.token("c0")
    for what in ("displayed", "displayed", "clicked"):
        said = anywhere.ask("POST", "/inbox/beacon", content=json.dumps({"token": token.lower(), "event": what}))
        assert said.status_code == 202
    merged = anywhere.merge()
    assert (merged.new, merged.known, merged.aside) == (2, 1, 0)
    assert touch_words(anywhere.world, "note")["c0"] == [("inbox", "sent", "clicked", None)]
    assert len(anywhere.inbox("c0")) == 1


def test_what_was_dismissed_is_not_shown_again(site: Site) -> None:
    beacon = json.dumps({"token": site.token("c0"), "event": "dismissed"})
    assert site.ask("POST", "/inbox/beacon", content=beacon).status_code == 202
    site.merge()
    assert site.inbox("c0") == []
    assert len(site.inbox("c1")) == 1
    assert touch_words(site.world, "note")["c0"] == [("inbox", "sent", "read", None)]


def test_behind_what_was_dismissed_older_messages_come_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST", 1)
    site.world.start(plan_text(WAVES.replace("note", "second"), name="second"))
    site.world.advance(T0 + HOUR)
    (newest,) = site.inbox("c0")
    beacon = json.dumps({"token": newest["token"], "event": "dismissed"})
    site.ask("POST", "/inbox/beacon", content=beacon)
    site.merge()
    assert [(newest["campaign"], one["campaign"]) for one in site.inbox("c0")] == [("second", "test")]


def test_a_link_goes_where_the_message_says_and_is_counted_when_a_person_follows_it(site: Site) -> None:
    ahead = {"User-Agent": BROWSER, "Sec-Purpose": "prefetch;prerender"}
    for headers, outcome in (
        (ahead, None),
        ({"User-Agent": "Googlebot/2.1"}, None),
        ({"User-Agent": BROWSER}, "clicked"),
    ):
        said = site.ask("GET", f"/inbox/go/{site.token('c0')}", headers=headers)
        assert (said.status_code, said.headers["location"]) == (302, f"{SITE}/renew?t={site.token('c0')}")
        site.merge()
        assert touch_words(site.world, "note")["c0"] == [("inbox", "sent", outcome, None)]


def test_who_bought_still_reads_the_message(site: Site) -> None:
    convert(site.world, "c0")
    assert len(site.inbox("c0")) == 1


def test_a_token_that_is_no_customers_opens_nothing(site: Site) -> None:
    wrong = {
        "none": "",
        "forged": "A" * 20,
        "a touch's": site.token("c0"),
        "over": site.customer("c0", T0),
        "another key's": make_customer_token(b"another key of sixteen", 1, T0 + DAY),
        "a seed's that nobody has": make_seed_token(b"another key of sixteen", 1),
    }
    site.world.now = T0 + 6 * HOUR
    for kind, token in wrong.items():
        assert site.ask("GET", "/inbox", headers={"Authorization": f"Bearer {token}"}).status_code == 401, kind
        assert site.ask("GET", "/inbox", params={"customer": token}).status_code == 401, kind


NO_BEACONS = [
    (b"", 400),
    (b"[]", 400),
    (b"null", 400),
    (b'{"token": 1}', 400),
    (b'{"token": "A", "event": "displayed"}', 400),
    (b'{"token": "%s", "event": ["displayed"]}', 400),
    (b'{"token": "%s", "event": "agreed"}', 400),
    (b"[" * 1900, 400),
    (b"\xff\x00", 400),
    (b"x" * 10_000_000, 413),
]


def test_nobody_waits_for_a_ledger_that_does_not_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    customer, touch, seed = site.customer("c0"), site.token("c0"), make_seed_token(site.world.room.token_key, 1)
    answers = threading.Event()

    @contextmanager
    def held() -> Iterator[Any]:
        answers.wait(20)
        raise LedgerError("the ledger does not answer")
        yield

    monkeypatch.setattr(site.world.room.ledger, "read", held)
    app = make_app(Door(site.world.room, site.spool, clock=lambda: T0, patience_s=0.01))

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
            try:
                paths = (f"/inbox?customer={customer}", f"/inbox?customer={seed}", f"/inbox/go/{touch}")
                return [(await asyncio.wait_for(client.get(path), 10)).status_code for path in paths]
            finally:
                answers.set()

    assert asyncio.run(ask()) == [503, 503, 503]


def test_a_beacon_that_is_none_changes_nothing(site: Site) -> None:
    for body, code in NO_BEACONS:
        content = body.replace(b"%s", site.token("c0").encode())
        assert site.ask("POST", "/inbox/beacon", content=content).status_code == code, body[:40]
    assert site.merge().records == 0


def test_only_our_sites_are_answered_from_a_browser(site: Site) -> None:
    path, ours, other = "/inbox", {"Origin": SITE}, {"Origin": "https://evil.example.com"}
    bearer = {"Authorization": f"Bearer {site.customer('c0')}"}
    assert site.ask("GET", path, headers=bearer | ours).headers["access-control-allow-origin"] == SITE
    assert site.ask("GET", path, headers=bearer | {"Origin": "https://go.example.com"}).status_code == 200
    assert site.ask("GET", path, headers=bearer | other).status_code == 403
    said = site.ask("OPTIONS", path, headers=ours)
    assert (said.status_code, said.headers["access-control-allow-headers"]) == (204, "Authorization, Content-Type")
    assert site.ask("OPTIONS", "/inbox/beacon", headers=other).status_code == 403
    beacon = json.dumps({"token": site.token("c0"), "event": "clicked"})
    assert site.ask("POST", "/inbox/beacon", content=beacon, headers=other).status_code == 403
    assert site.merge().records == 0


def test_a_page_gets_a_script(site: Site) -> None:
    said = site.ask("GET", "/inbox/client.js")
    assert said.headers["content-type"].startswith("text/javascript")
    assert "innerHTML" not in said.text


def test_nobody_is_named_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site.inbox("c0")
    site.ask("POST", "/inbox/beacon", content=b'{"token": "x"}')
    assert "Name of" not in caplog.text
    assert "user-0" not in caplog.text


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://[{{ name }}"])
def test_a_link_that_is_none_is_left_out(tmp_path: Path, link: str) -> None:
    world = make_world(tmp_path / "other")
    (world.config / "templates" / "hello.inbox.j2").write_text(f"Title: A\nUrl: {link}\n\nB")
    put(world.ledger, [Person("c0", (("inbox", "user-0"),))])
    world.start(plan_text(WAVES))
    world.ledger.set_now(T0)
    world.advance(T0)
    (shown,) = messages_for(world.room, touch_of(world, "note", "c0").customer, T0)
    assert (shown.link, CHANNEL_CODES["inbox"]) == (None, 6)
    world.ledger.close()


def test_a_seed_of_the_inbox_sees_what_customers_see_and_its_beacon_is_the_arrival(site: Site) -> None:
    world = site.world
    world.room.seeds = (Seed(seed="anna", channel="inbox", address="user-9", language="uk"),)
    world.start(plan_text(WAVES, name="other"))
    world.advance(T0)
    with world.ledger.read() as connection:
        (row,) = seed_messages(connection, "other")
    token = make_seed_token(world.room.token_key, row.id)

    def shown() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = site.ask("GET", "/inbox", params={"customer": token}).json()["messages"]
        return found

    (message,) = shown()
    assert (message["token"], message["title"], message["body"]) == (token, "Новини", "Вітаємо, anna.")
    followed = site.ask("GET", f"/inbox/go/{token}", headers={"User-Agent": BROWSER})
    assert followed.headers["location"] == f"{SITE}/uk"
    beacon = json.dumps({"token": token, "event": "displayed"})
    assert site.ask("POST", "/inbox/beacon", content=beacon).status_code == 202
    assert site.merge().records == 2
    with world.ledger.read() as connection:
        (row,) = seed_messages(connection, "other")
    assert (row.arrived_at, row.arrived_by) == (T0, "portal")
    with world.ledger.write() as connection:
        switch_on(connection, "channel:inbox", "wrong", "tester", T0)
    assert shown() == []
    with world.ledger.write() as connection:
        lift(connection, "channel:inbox", "tester", T0)
    world.now = T0 + 3 * DAY
    assert shown() == []
