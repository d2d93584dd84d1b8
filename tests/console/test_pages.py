"""Our own pages: to look changes nothing, a POST unsubscribes, a link leads on, a click is kept first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels.spool import Spool, waiting
from console.web.app import make_app
from console.web.door import LONGEST_BODY, Door
from flows.spooling import merge_spool
from ledger import tables as t
from ledger.seeds import SeedMessage, claim, suppressed_addresses
from tests.asgi import Said, ask
from tests.builders import HOUR, T0, make_world, plan_text, put, reachable
from tests.steps import address_words, as_words, set_customer, touch_of
from waves.links import link_code
from waves.outcomes import Outcome, Side
from waves.seeds import Seed
from waves.tokens import Kind, make_seed_token, make_token

URL = "https://go.example.com"
SHOP = "https://shop.example.com/renew"
WAVES = "  - {wave: notice, channels: [sms, email], message: linked, release: 2h, listen: 1d}\n"
TEMPLATES = {
    "linked.sms.j2": 'Hi {{ name }} {{ link("https://shop.example.com/renew") }} {{ unsubscribe }}',
    "linked.email.en.j2": 'Subject: Hi\n\n{{ link("https://shop.example.com/a") }}'
    ' {{ link("https://b.example.com/?t={token}") }}',
    "linked.email.uk.j2": 'Subject: Hi\n\n{{ link("https://shop.example.com/uk") }}',
}


class Desk:
    """A world whose wave went out, with its door; `merge` reads what the door kept."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.world = make_world(home, public_url=URL, **settings)
        for name, text in TEMPLATES.items():
            (self.world.config / "templates" / name).write_text(text)
        put(self.world.ledger, [reachable(n, ("sms", "email")) for n in (1, 2)])
        self.world.start(plan_text(WAVES))
        self.world.advance(T0)
        self.world.advance(T0 + timedelta(minutes=1))
        self.now = T0 + HOUR
        self.folder = self.world.room.settings.spool_folder
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.folder)
        self.app = make_app(Door(self.world.room, self.spool, clock=lambda: self.now, patience_s=60))

    def token(self, key: str = "c1", channel: str = "sms") -> str:
        return make_token(self.world.room.token_key, Kind.TOUCH, touch_of(self.world, "notice", key, channel).id)

    def touch(self, key: str = "c1", channel: str = "sms") -> Any:
        return as_words(touch_of(self.world, "notice", key, channel))

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Said:
        return ask(self.app, method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def merge(self) -> int:
        """How many reports were new."""
        self.spool.close()
        merged = merge_spool(self.world.room, self.now)
        assert merged.aside == 0
        self.open()
        return merged.new

    def consent(self, channel: str = "sms") -> dict[str, str]:
        return {key: consent for key, _, consent, _ in address_words(self.world, channel).values()}

    def events(self) -> list[tuple[int, str]]:
        with self.world.ledger.read() as connection:
            ev = t.event.c
            return [(e.outcome, e.raw) for e in connection.execute(select(ev.outcome, ev.raw).order_by(ev.id))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "home")
    yield made
    made.spool.close()
    made.world.ledger.close()


ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"


def test_what_a_message_carries(desk: Desk) -> None:
    (sms, _), (mail, _) = desk.world.outbox("sms"), desk.world.outbox("email")
    token = desk.token()
    assert sms["fields"]["body"].endswith(f"{URL}/c/{token}A {URL}/u/{token}")
    assert len(f"{URL}/c/{token}A") == len(URL) + 24
    assert mail["fields"]["body"] == " ".join(f"{URL}/c/{desk.token(channel='email')}{n}" for n in "AB")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_to_look_at_the_page_changes_nothing(desk: Desk, method: str) -> None:
    for headers in ({}, {"Sec_Purpose": "prefetch"}, {"User_Agent": "SomeBot/1.0"}):
        said = desk.ask(method, f"/u/{desk.token()}", **headers)
        assert (said.status, said.headers["cache-control"]) == (200, "no-store")
    assert desk.merge() == 0
    assert desk.consent() == {"c1": "granted", "c2": "granted"}


@pytest.mark.parametrize("body", [ONE_CLICK, b"", b"scope=channel", b"--x\r\nList-Unsubscribe=One-Click", b"\xff\x00"])
def test_a_post_unsubscribes_that_channel_every_time(desk: Desk, body: bytes) -> None:
    for _ in range(3):
        said = desk.ask("POST", f"/u/{desk.token()}", body, Content_Type=FORM)
        assert (said.status, said.headers.get("location"), said.headers.get("set-cookie")) == (200, None, None)
    assert desk.merge() == 1
    assert desk.consent() == {"c1": "denied", "c2": "granted"}
    assert desk.consent("email") == {"c1": "granted", "c2": "granted"}
    assert desk.merge() == 0


def test_everything_is_stopped_on_every_channel(desk: Desk) -> None:
    assert 'name="scope" value="all"' in desk.ask("GET", f"/u/{desk.token()}").text
    assert desk.ask("POST", f"/u/{desk.token()}", b"scope=all", Content_Type=FORM).status == 200
    assert desk.merge() == 1
    with desk.world.ledger.read() as connection:
        (row,) = connection.execute(select(t.suppression))
    assert (row.channel, row.reason, row.source) == (0, "unsubscribed", "event")


def test_stop_start_and_stop_again_by_one_link(desk: Desk) -> None:
    desk.ask("POST", f"/u/{desk.token()}", ONE_CLICK)
    desk.merge()
    desk.world.report(touch_of(desk.world, "notice", "c1", "sms").id, Side.RESUBSCRIBED, at=desk.now + HOUR)
    assert desk.consent()["c1"] == "granted"
    desk.now += 2 * HOUR
    desk.ask("POST", f"/u/{desk.token()}", ONE_CLICK)
    assert (desk.merge(), desk.consent()["c1"]) == (1, "denied")


def test_the_page_speaks_the_customers_language_else_the_browsers(desk: Desk) -> None:
    path = f"/u/{desk.token()}"
    assert "<h1>Unsubscribe</h1>" in desk.ask("GET", path).text
    assert "<h1>Abmelden</h1>" in desk.ask("GET", path, Accept_Language="xx, de-AT;q=0.8").text
    set_customer(desk.world, "c1", {"language": "uk"})
    desk.open()
    assert "<h1>Відписатися</h1>" in desk.ask("GET", path, Accept_Language="de").text


def test_a_test_message_has_a_page_and_stops_nobody(desk: Desk) -> None:
    token = make_token(desk.world.room.token_key, Kind.TEST, 1)
    assert [desk.ask(method, f"/u/{token}").status for method in ("GET", "POST")] == [200, 200]
    assert desk.merge() == 0


@pytest.mark.parametrize(("body", "channels"), [(ONE_CLICK, {3}), (b"scope=all", {2, 3})])
def test_a_seed_that_unsubscribes_gets_no_more(desk: Desk, body: bytes, channels: set[int]) -> None:
    room, address = desk.world.room, "seed@example.com"
    room.seeds = (Seed(seed="mail", channel="email", address=address),)
    with room.ledger.write() as connection:
        (ident,) = claim(connection, [SeedMessage("wave:1", "test", "notice", "mail", 3, 0)], T0).values()
    assert desk.ask("POST", f"/u/{make_seed_token(room.token_key, ident)}", body).status == 200
    assert (desk.merge(), desk.merge()) == (1, 0)
    with room.ledger.read() as connection:
        stopped = {code for code in (2, 3) if suppressed_addresses(connection, code, [address], desk.now)}
    assert (stopped, set(desk.consent("email").values())) == (channels, {"granted"})


def wrong_tokens(desk: Desk) -> list[str]:
    good = desk.token()
    other = "A" if good[-1] != "A" else "B"
    return [
        good[:-1] + other,
        good[:-1],
        "A" * 20,
        "x",
        "%2e%2e",
        "é" * 20,
        "'; DROP TABLE touch; --",
        make_token(b"another key of sixteen", Kind.TOUCH, 1),
        make_token(desk.world.room.token_key, Kind.DIAL_ENTRY, 1),
        make_token(desk.world.room.token_key, Kind.CUSTOMER, 1),
    ]


def test_another_token_is_not_found_and_nothing_is_kept(desk: Desk) -> None:
    for token in wrong_tokens(desk):
        said = [desk.ask(method, f"/u/{token}", ONE_CLICK).status for method in ("GET", "HEAD", "POST")]
        said += [desk.ask(method, f"/c/{token}{end}").status for method in ("GET", "HEAD") for end in ("A", "")]
        assert said == [404] * 7, token
    assert desk.ask("POST", f"/u/{desk.token()}", b"x" * (LONGEST_BODY + 1)).status == 413
    assert desk.ask("PUT", f"/u/{desk.token()}").status == 405
    assert waiting(desk.folder) == []


def test_a_link_leads_on_and_its_click_counts(desk: Desk) -> None:
    for _ in range(2):
        said = desk.ask("GET", f"/c/{desk.token()}A")
        assert (said.status, said.headers["location"]) == (302, SHOP)
        assert (said.headers["referrer-policy"], said.headers["cache-control"]) == ("no-referrer", "no-store")
    assert desk.merge() == 1
    assert desk.touch() == ("sms", "sent", "clicked", None)


def test_where_it_leads_is_what_was_sent_whatever_is_written_or_known_now(desk: Desk) -> None:
    mail = desk.token(channel="email")
    set_customer(desk.world, "c1", {"language": "uk"})
    for path in (desk.world.config / "templates").iterdir():
        path.write_text("evil")
    leads = [desk.ask("GET", f"/c/{mail}{n}").headers.get("location") for n in "abcD"]
    assert leads == [
        "https://shop.example.com/a",
        f"https://b.example.com/?t={mail}",
        "https://shop.example.com/uk",
        None,
    ]
    assert [desk.ask("GET", f"/c/{code}").status for code in (f"{desk.token()}B", link_code(mail, 40))] == [404, 404]


def test_nobody_chooses_where_it_leads(desk: Desk) -> None:
    for more in ("?url=https://evil.example.net", "/https://evil.example.net", "//evil.example.net"):
        where = desk.ask("GET", f"/c/{desk.token()}A{more}").headers.get("location")
        assert where in (SHOP, None)


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"User_Agent": "Mozilla/5.0 (compatible; BarracudaCentral/2.0)"}),
        ("GET", {"User_Agent": "WhatsApp/2.23.20"}),
        ("GET", {"User_Agent": "curl/8.5.0"}),
        ("GET", {"User_Agent": ""}),
        ("GET", {"Sec_Purpose": "prefetch;prerender"}),
        ("GET", {"X_Moz": "prefetch"}),
    ],
)
def test_a_machine_is_led_on_and_marked(desk: Desk, method: str, headers: dict[str, str]) -> None:
    assert desk.ask(method, f"/c/{desk.token()}A", **headers).status == 302
    assert desk.merge() == 1
    assert desk.touch()[2] == "delivered"
    ((outcome, raw),) = desk.events()
    assert outcome == Outcome.DELIVERED
    assert '"bot": true' in raw
    desk.ask("GET", f"/c/{desk.token()}A")
    desk.merge()
    assert desk.touch()[2] == "clicked"


def test_a_ledger_that_does_not_answer(desk: Desk) -> None:
    seen, unseen = desk.token("c1"), desk.token("c2")
    assert desk.ask("GET", f"/c/{seen}A").status == 302
    with desk.world.ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE wave RENAME TO elsewhere")
    assert desk.ask("GET", f"/c/{seen}A").status == 302
    again = desk.ask("GET", f"/c/{unseen}A")
    assert (again.status, again.headers["retry-after"]) == (503, "30")
    assert [desk.ask(method, f"/u/{unseen}", ONE_CLICK).status for method in ("GET", "POST")] == [200, 200]
    with desk.world.ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO wave")
    assert desk.ask("GET", f"/c/{unseen}A").status == 302


def test_a_disk_that_refuses(desk: Desk, tmp_path: Path) -> None:
    desk.folder.rename(tmp_path / "away")
    assert desk.ask("POST", f"/u/{desk.token()}", ONE_CLICK).status == 503
    assert desk.ask("GET", f"/c/{desk.token()}A").status == 302
