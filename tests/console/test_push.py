"""The pages and doors of web push: whom they answer, what they keep, and that nothing else leaves a trace."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from channels.own_pages import read_push
from channels.spool import Record, Spool
from channels.webpush_keys import KEY_FILE, make_key
from console.cli import app as program
from console.web.app import make_app
from console.web.door import Door
from console.web.push import proof_of
from flows.spooling import merge_spool
from tests.builders import DAY, HOUR, T0, Person, World, make_world, plan_text, put
from tests.console.test_web import kept
from tests.steps import address_words, touch_words
from waves.message import PushChange
from waves.senders import Sender
from waves.subscriptions import Subscription, from_unpadded
from waves.tokens import Kind, make_customer_token, make_token

SITE = "https://www.example.com"
FCM = "https://fcm.googleapis.com/fcm/send/one"
POINT = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
KEYS = {"p256dh": POINT, "auth": AUTH}
SENDER = Sender(
    sender="browsers", channel="web_push", provider="webpush", options={"subject": "mailto:ops@example.com"}
)


def subscription(endpoint: Any = FCM, **keys: Any) -> dict[str, Any]:
    return {"endpoint": endpoint, "expirationTime": None, "keys": {**KEYS, **keys}}


def value(endpoint: str = FCM) -> str:
    return Subscription(endpoint, from_unpadded(POINT), from_unpadded(AUTH)).text


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "spool"
    made = make_world(tmp_path / "home", spool=folder, site_origins=[SITE], public_url="https://go.example.com")
    make_key(tmp_path / "home" / KEY_FILE)
    made.room.senders = {"browsers": SENDER}
    yield made
    made.ledger.close()


class Visit:
    """Requests of a browser, and what of them was kept."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.room.settings.spool_folder
        self.ids = put(world.ledger, [Person("ada"), Person("bob")])
        self.token = make_customer_token(world.room.token_key, self.ids["ada"], T0 + DAY)

    def ask(
        self, method: str, path: str, said: Any = None, headers: Mapping[str, str] | None = None, host: str = "door"
    ) -> httpx.Response:
        spool = Spool(self.folder)
        app = make_app(Door(self.world.room, spool, clock=lambda: self.world.now))

        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}") as client:
                body = said if isinstance(said, bytes | None) else json.dumps(said).encode()
                return await client.request(method, path, content=body, headers=headers)

        try:
            return asyncio.run(go())
        finally:
            spool.close()

    def post(self, path: str, said: Any, origin: str | None = SITE, kind: str = "application/json") -> httpx.Response:
        headers = {"Content-Type": kind} | ({"Origin": origin} if origin is not None else {})
        return self.ask("POST", f"/push/{path}", said, headers)

    def kept(self) -> list[Record]:
        return kept(self.folder)

    def merge(self) -> None:
        merged = merge_spool(self.world.room, self.world.now)
        assert not merged.aside


@pytest.fixture
def visit(world: World) -> Visit:
    return Visit(world)


def test_from_a_site_to_the_ledger_and_back(visit: Visit) -> None:
    said = visit.post("subscribe", {"token": visit.token, "subscription": subscription()})
    assert (said.status_code, said.headers["Access-Control-Allow-Origin"], said.headers["Vary"]) == (
        202,
        SITE,
        "Origin",
    )
    visit.merge()
    assert address_words(visit.world, "web_push") == {value(): ("ada", "ok", "granted", "push_page")}
    visit.world.now = T0 + HOUR
    renewal = {"old": FCM, "proof": said.json()["proof"], "subscription": subscription(f"{FCM}-new")}
    said = visit.post("renew", renewal)
    assert said.status_code == 202
    visit.merge()
    new = value(f"{FCM}-new")
    assert address_words(visit.world, "web_push")[new] == ("ada", "ok", "granted", "push_page")
    visit.world.now = T0 + 2 * HOUR
    for proof in (renewal["proof"], "", None, "\ud800"):  # of another endpoint, or none
        assert visit.post("unsubscribe", {"endpoint": f"{FCM}-new", "proof": proof}).status_code == 403
        assert visit.post("renew", {**renewal, "old": f"{FCM}-new", "proof": proof}).status_code == 403
    assert visit.post("unsubscribe", {"endpoint": f"{FCM}-new", "proof": said.json()["proof"]}).status_code == 202
    visit.merge()
    assert address_words(visit.world, "web_push")[new] == ("ada", "ok", "denied", "event")


def test_what_a_record_keeps_is_whose_and_not_the_token(visit: Visit) -> None:
    visit.post("subscribe", {"token": visit.token, "subscription": subscription(), "more": "x"})
    (record,) = visit.kept()
    assert (record.provider, record.sender, record.headers) == ("multiwave", "push", {})
    visit.post("subscribe", {"token": visit.token, "subscription": subscription(), "visit": True})
    assert [json.loads(one.body)["act"] for one in visit.kept()] == ["visit"]
    assert visit.token.encode() not in record.body
    assert read_push(record.body, record.at) == [PushChange("subscribe", FCM, T0, value(), visit.ids["ada"])]


BAD: dict[str, tuple[str, Any, int]] = {
    "no JSON": ("subscribe", b"{", 400),
    "not UTF-8": ("subscribe", b"\xff\xfe{}", 400),
    "a list": ("subscribe", [], 400),
    "nesting": ("subscribe", b"[" * 5000, 400),
    "too large": ("subscribe", b" " * 8001, 413),
    "no subscription": ("subscribe", {}, 400),
    "an internal address": ("subscribe", {"subscription": subscription("https://169.254.169.254/latest")}, 400),
    "this machine": ("subscribe", {"subscription": subscription("http://127.0.0.1:8321/push/beacon")}, 400),
    "another host": ("subscribe", {"subscription": subscription("https://fcm.googleapis.com.example.com/")}, 400),
    "a header in it": ("subscribe", {"subscription": subscription(f"{FCM}\r\nX: y")}, 400),
    "a number for it": ("subscribe", {"subscription": subscription(7)}, 400),
    "no point": ("subscribe", {"subscription": subscription(p256dh=POINT[:-2] + "AA")}, 400),
    "a short secret": ("subscribe", {"subscription": subscription(auth="AAAA")}, 400),
    "no token": ("subscribe", {"subscription": subscription()}, 403),
    "a forged token": ("subscribe", {"subscription": subscription(), "token": "A" * 20}, 403),
    "a renewal of nothing": ("renew", {"subscription": subscription()}, 400),
    "a renewal from inside": ("renew", {"old": "https://10.0.0.1/", "subscription": subscription()}, 400),
    "a renewal to inside": ("renew", {"old": FCM, "subscription": subscription("https://10.0.0.1/")}, 400),
    "a forged renewal": ("renew", {"old": FCM, "subscription": subscription(), "proof": "A" * 22}, 403),
    "a forged end": ("unsubscribe", {"endpoint": FCM, "proof": "A" * 22}, 403),
    "an end of nothing": ("unsubscribe", {}, 400),
    "an end from inside": ("unsubscribe", {"endpoint": "https://localhost/"}, 400),
    "a beacon of nothing": ("beacon", {}, 400),
    "a beacon of a sale": ("beacon", {"event": "agreed", "token": "A" * 20}, 400),
    "a beacon of a list": ("beacon", {"event": ["shown"], "token": "A" * 20}, 400),
    "a forged beacon": ("beacon", {"event": "clicked", "token": "A" * 20}, 403),
    "a beacon without token": ("beacon", {"event": "clicked", "token": None}, 403),
}


def test_bad_and_hostile_requests_leave_nothing(visit: Visit) -> None:
    for name, (path, said, code) in BAD.items():
        if isinstance(said, dict) and path == "subscribe" and code == 400:
            said = {"token": visit.token, **said}
        answer = visit.post(path, said)
        assert answer.status_code == code, name
        assert FCM not in answer.text, name
    assert visit.kept() == []


def test_no_token_but_a_customers_own_binds_a_browser(visit: Visit) -> None:
    key = visit.world.room.token_key
    late = make_customer_token(key, visit.ids["ada"], T0 - 6 * HOUR)
    of_a_message, of_another = make_token(key, Kind.TOUCH, 1), make_customer_token(b"x" * 32, 1, T0 + DAY)
    for token in (late, of_a_message, of_another, visit.token[:-1]):
        assert visit.post("subscribe", {"token": token, "subscription": subscription()}).status_code == 403
    assert visit.post("beacon", {"event": "shown", "token": visit.token}).status_code == 403
    assert visit.kept() == []


@pytest.mark.parametrize("path", ["subscribe", "renew", "unsubscribe", "beacon"])
def test_only_the_sites_that_are_named_are_answered(visit: Visit, path: str) -> None:
    said = {"token": visit.token, "subscription": subscription(), "old": FCM, "endpoint": FCM}
    said |= (
        {"event": "shown", "token": make_token(visit.world.room.token_key, Kind.TOUCH, 7)} if path == "beacon" else {}
    )
    said["proof"] = proof_of(visit.world.room.token_key, FCM)
    for origin in (
        None,
        "",
        "null",
        "https://evil.example",
        f"{SITE}.evil.example",
        f"{SITE}:8443",
        "http://www.example.com",
    ):
        answer = visit.post(path, said, origin)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
        headers = {"Access-Control-Request-Method": "POST"} | ({"Origin": origin} if origin is not None else {})
        assert visit.ask("OPTIONS", f"/push/{path}", headers=headers).status_code == 403
    assert visit.kept() == []
    may = visit.ask("OPTIONS", f"/push/{path}", headers={"Origin": SITE, "Access-Control-Request-Method": "POST"})
    assert (may.status_code, may.headers["Access-Control-Allow-Origin"]) == (204, SITE)
    assert "Access-Control-Allow-Credentials" not in may.headers
    assert visit.post(path, said, "https://go.example.com").status_code == 202  # where we are ourselves: the demo


def test_what_no_preflight_was_asked_for_changes_nothing(visit: Visit) -> None:
    said = {"token": visit.token, "subscription": subscription(), "old": FCM, "endpoint": FCM}
    for path in ("subscribe", "renew", "unsubscribe"):
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            assert visit.post(path, said, kind=kind).status_code == 415
    assert visit.kept() == []


@pytest.mark.parametrize(
    ("event", "outcome", "consent"),
    [
        ("delivered", "delivered", "granted"),
        ("shown", "displayed", "granted"),
        ("clicked", "clicked", "granted"),
        ("dismissed", "displayed", "granted"),
        ("unsubscribed", None, "denied"),
    ],
)
def test_a_beacon_is_an_outcome_once(visit: Visit, event: str, outcome: str | None, consent: str) -> None:
    visit.post("subscribe", {"token": visit.token, "subscription": subscription()})
    visit.merge()
    visit.world.room.senders = {}
    visit.world.start(plan_text("  - {wave: notice, channels: [web_push], message: hello, release: 2h, listen: 1d}\n"))
    visit.world.advance()
    (touch,) = visit.world.touches("notice")
    token = make_token(visit.world.room.token_key, Kind.TOUCH, touch.id)
    for kind in ("text/plain;charset=UTF-8", "application/json"):
        assert visit.post("beacon", {"token": token, "event": event}, kind=kind).status_code == 202
    visit.merge()
    assert touch_words(visit.world, "notice") == {"ada": [("web_push", "sent", outcome, None)]}
    assert address_words(visit.world, "web_push")[value()][2] == consent
    with visit.world.ledger.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM event").scalar() == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/push/", ["multiwave-push.js", "multiwave-push-worker.js", "multiwave push-token", SITE]),
        ("/push/demo", ["client.js", "multiwave test-send"]),
        ("/push/client.js", ['const SERVER = "https://go.example.com"', "multiwavePush"]),
        ("/push/worker.js", ['server: "https://go.example.com"', "showNotification", "pushsubscriptionchange"]),
        ("/push/key", []),
    ],
)
def test_the_pages_and_the_files_are_filled_in(visit: Visit, path: str, words: list[str]) -> None:
    answer = visit.ask("GET", path, headers={"Host": "evil.example"})
    assert answer.status_code == 200
    assert all(word in answer.text for word in words)
    assert "@@" not in answer.text
    assert "evil.example" not in answer.text


def test_what_is_not_there_is_not_served(visit: Visit, world: World) -> None:
    for path in ("/push/page.js", "/push/..%2f..%2fapp.js", "/push/owner.html", "/push/subscribe"):
        assert visit.ask("GET", path).status_code in (404, 405)
    (world.room.settings.home / KEY_FILE).unlink()
    assert visit.ask("GET", "/push/key").status_code == 404
    assert "multiwave keys" in visit.ask("GET", "/push/").text


def test_on_this_machine_the_demo_runs_without_a_setting(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home", spool=tmp_path / "spool")
    visit = Visit(world)
    local = "http://127.0.0.1:8321"
    assert local in visit.ask("GET", "/push/client.js", host="127.0.0.1:8321").text
    said, kind = {"token": visit.token, "subscription": subscription()}, {"Content-Type": "application/json"}
    ours, rebound = kind | {"Origin": local}, kind | {"Origin": "http://evil.example"}
    assert visit.ask("POST", "/push/subscribe", said, ours, host="127.0.0.1:8321").status_code == 202
    assert visit.ask("POST", "/push/subscribe", said, rebound, host="evil.example").status_code == 403
    world.ledger.close()


def run(*words: object) -> Any:
    return CliRunner().invoke(program, [str(word) for word in words])


def test_keys_are_made_once_and_shown(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "multiwave init" in str(run("keys", "--home", home).exception)
    home.mkdir()
    assert "multiwave keys" in str(run("keys", "show", "--home", home).exception)
    made = run("keys", "--home", home)
    assert made.exit_code == 0
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    shown = [json.loads(run("keys", *act, "--home", home, "--json").stdout) for act in (["make"], ["show"])]
    assert [one["made"] for one in shown] == [False, False]
    assert shown[0]["public_key"] == shown[1]["public_key"]
    assert f"public key: {shown[0]['public_key']}" in made.stdout
    assert from_unpadded(shown[0]["public_key"])[0] == 4
    assert "PRIVATE" not in made.stdout


def test_a_push_token_is_made_for_customers_that_there_are(world: World, visit: Visit) -> None:
    home = world.room.settings.home
    two = run("push-token", "ada", "bob", "--home", home, "--json")
    tokens = [one["token"] for one in json.loads(two.stdout)]
    assert len(set(tokens)) == 2
    world.now = world.ledger.now()
    assert visit.post("subscribe", {"token": tokens[1], "subscription": subscription()}).status_code == 202
    for words in (["nobody"], ["ada", "--for", "9999d"], ["ada", "--for", "soon"]):
        assert run("push-token", *words, "--home", home).exit_code != 0
