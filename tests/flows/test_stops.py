"""A provider's suppression lists: read page by page into the ledger, told of ours, and never in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from channels.registry import open_channel
from console.doctor import stops_of
from flows import stops as flow
from flows.erasing import erase_customer
from flows.stops import before_wave, keep_stops, standing
from ledger import tables as t
from ledger.channel_tables import stop_told
from ledger.suppressions import unsuppress
from tests.builders import DAY, HOUR, T0, Person, World, make_world, plan_text, put, reachable
from tests.standins.sendgrid import KEY, KEY_ENV, Standin, running
from tests.steps import address_words, hold_back, suppress, verdict_words
from waves.message import CHANNEL_CODES, Consent, KeepsStops
from waves.outcomes import Outcome, Side
from waves.senders import Sender

MINUTE = timedelta(minutes=1)
WAVE = "  - {wave: notice, channels: [email], message: hello, release: 2h, listen: 1d}\n"
EMAIL = CHANNEL_CODES["email"]


@pytest.fixture(scope="module")
def account() -> Iterator[Standin]:
    with running() as standin:
        yield standin


@pytest.fixture
def provider(account: Standin) -> Iterator[Standin]:
    account.well()
    account.lists = {}
    for seen in (account.paths, account.added, account.wrong, account.mails, account.requests):
        seen.clear()
    yield account
    assert account.wrong == []


@pytest.fixture
def world(tmp_path: Path, ledger_url: str, provider: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield from made_world(tmp_path, ledger_url, provider, monkeypatch)


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str, provider: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield from made_world(tmp_path, sqlite_url, provider, monkeypatch)


def made_world(tmp_path: Path, url: str, provider: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv(KEY_ENV, KEY)
    made = make_world(tmp_path / "home", url, public_url="https://go.example.com")
    put(made.ledger, [reachable(n, ["sms", "email"]) for n in range(8)])
    use(made, provider)
    yield made
    made.close()


def use(world: World, provider: Standin, **options: Any) -> None:
    given = {"secret_env": KEY_ENV, "from_address": "news@example.com", "base_url": provider.url, **options}
    world.send_by(Sender(sender="mail", channel="email", provider="sendgrid", options=given))


def entry(name: str, at: datetime = T0 - HOUR, **more: Any) -> dict[str, Any]:
    return {"email": f"{name}@example.com", "created": int(at.timestamp()), **more}


BOUNCE = {"reason": "550 5.1.1 unknown", "status": "5.1.1"}


def test_each_list_acts_on_everybody_who_has_the_address(world: World, provider: Standin) -> None:
    put(world.ledger, [reachable(9, ["email"])])
    with world.ledger.write() as connection:
        a = t.address.c
        connection.execute(update(t.address).where(a.value == "c9@example.com").values(value="c1@example.com"))
        connection.execute(update(t.address).where(a.value == "c7@example.com").values(value="C7@example.com"))
    provider.lists = {
        "unsubscribes": [entry("c1"), entry("c7")],
        "spam_reports": [entry("c2", ip="192.0.2.1")],
        "bounces": [entry("c3", **BOUNCE)],
        "invalid_emails": [entry("c4", reason="unknown domain")],
        "blocks": [entry("c5", reason="421 later", status="4.0.0")],
    }
    keep_stops(world.room, T0)
    with world.ledger.read() as connection:
        found = connection.execute(
            select(t.customer.c.key, t.address.c.state, t.address.c.consent)
            .join(t.customer, t.customer.c.id == t.address.c.customer)
            .where(t.address.c.channel == EMAIL)
        ).all()
    denied, granted = Consent.DENIED, Consent.GRANTED
    assert {key: (state, consent) for key, state, consent in found} == {
        "c0": (0, granted),
        "c1": (0, denied),
        "c2": (0, denied),
        "c3": (3, granted),
        "c4": (3, granted),
        "c5": (1, granted),
        "c6": (0, granted),
        "c7": (0, denied),
        "c9": (0, denied),
    }
    assert {word[2] for word in address_words(world, "sms").values()} == {"granted"}
    assert provider.added == []  # nobody is told what he told us
    again = len(provider.paths)
    keep_stops(world.room, T0 + HOUR)
    assert len(provider.paths) == again
    keep_stops(world.room, T0 + DAY)
    assert len(provider.paths) > again


def test_who_asked_again_later_stays_asked(world: World, provider: Standin) -> None:
    with world.ledger.write() as connection:
        for value, source, at in [("c1", "event", T0), ("c2", "event", T0 - 2 * HOUR), ("c3", "crm", T0)]:
            connection.execute(
                update(t.address)
                .where(t.address.c.value == f"{value}@example.com")
                .values(consent=int(Consent.GRANTED), consent_source=source, consent_at=at)
            )
    provider.lists = {"unsubscribes": [entry("c1"), entry("c2"), entry("c3")]}
    keep_stops(world.room, T0)
    words = address_words(world, "email")
    assert [words[f"{key}@example.com"][2] for key in ("c1", "c2", "c3")] == ["granted", "denied", "denied"]


def test_an_address_that_nobody_has_waits_for_who_will(world: World, provider: Standin) -> None:
    provider.lists = {"unsubscribes": [entry("c20")], "bounces": [entry("c21", **BOUNCE)], "blocks": []}
    keep_stops(world.room, T0)
    keep_stops(world.room, T0 + DAY)
    put(world.ledger, [reachable(20, ["email"]), reachable(21, ["email"]), reachable(22, ["email"])])
    world.start(plan_text(WAVE))
    hold_back(world, "notice", now=T0 + DAY)
    verdicts = verdict_words(world, "notice")
    assert [verdicts[key] for key in ("c20", "c21", "c22")] == ["no_consent", "no_consent", "go"]
    with world.ledger.read() as connection:
        rows = connection.execute(select(t.suppression.c.reason, t.suppression.c.source)).all()
    assert sorted(tuple(row) for row in rows) == [("bounced", "mail"), ("unsubscribed", "mail")]


def test_an_address_that_comes_in_later_may_be_spelled_otherwise(world: World, provider: Standin) -> None:
    """Lists hold lower case; the ledger keeps what stands before the @ as it is written."""
    provider.lists = {"unsubscribes": [entry(name, T0 - DAY) for name in ("c20", "c21")]}
    keep_stops(world.room, T0)
    put(world.ledger, [Person(f"c{n}", (("email", f"C{n}@example.com"),), denied=frozenset()) for n in (20, 21, 22)])
    with world.ledger.write() as connection:
        assert unsuppress(connection, None, "c21@example.com", None, "ann", T0 + HOUR) == 1
    world.start(plan_text(WAVE))
    hold_back(world, "notice", now=T0 + HOUR)
    verdicts = verdict_words(world, "notice")
    assert [verdicts[key] for key in ("c20", "c21", "c22")] == ["no_consent", "go", "go"]


def test_our_own_are_told_although_the_reading_took_the_whole_turn(lite: World, provider: Standin) -> None:
    keep_stops(lite.room, T0)
    said_stop(lite, "c1")
    channel = lite.room.channel_of(lite.room.senders["mail"])
    assert isinstance(channel, KeepsStops)

    class Slow:
        stop_lists = channel.stop_lists
        add_stops = channel.add_stops

        def stops(self, listed: str, after: datetime | None, until: datetime, page: int) -> Any:
            found = channel.stops(listed, after, until, page)
            lite.room.stopping = listed == channel.stop_lists[-1]
            return found

    lite.room._channels["email"] = Slow()  # type: ignore[assignment]
    keep_stops(lite.room, T0 + DAY)
    assert provider.added == []
    lite.room.stopping, lite.room._channels["email"] = False, channel
    keep_stops(lite.room, T0 + DAY + MINUTE)
    assert provider.added == ["c1@example.com"]


def test_an_erased_person_does_not_come_back_by_a_list(world: World, provider: Standin) -> None:
    erase_customer(world.room, "c1", "tester")
    provider.lists = {"unsubscribes": [entry("c1")]}
    keep_stops(world.room, T0)
    with world.ledger.read() as connection:
        assert not connection.scalar(text("SELECT count(*) FROM suppression WHERE value LIKE 'c1@%'"))


def test_long_lists_go_page_by_page_and_on_where_they_were_cut_off(lite: World, provider: Standin) -> None:
    provider.lists = {"bounces": [entry(f"x{n}", **BOUNCE) for n in range(1203)] + [entry("c1", **BOUNCE)]}
    lite.room.stopping = True
    keep_stops(lite.room, T0)
    assert not known(lite).read
    lite.room.stopping = False
    channel, seen = lite.room.channel_of(lite.room.senders["mail"]), list[int]()
    assert isinstance(channel, KeepsStops)

    class Slow:
        """Ends this process's turn after each page."""

        stop_lists = channel.stop_lists
        add_stops = channel.add_stops

        def stops(self, listed: str, after: datetime | None, until: datetime, page: int) -> Any:
            found = channel.stops(listed, after, until, page)
            if listed == "bounces":
                seen.append(page)
                lite.room.stopping = True
            return found

    lite.room._channels["email"] = Slow()  # type: ignore[assignment]
    for minutes in range(1, 6):
        lite.room.stopping = False
        keep_stops(lite.room, T0 + minutes * MINUTE)
    lite.room._channels["email"] = channel
    assert seen == [0, 1, 2]
    assert known(lite).read["bounces"] == (T0 + MINUTE).isoformat()  # so that no page moves
    assert address_words(lite, "email")["c1@example.com"][1] == "dead"


def known(world: World) -> flow.Standing:
    with world.ledger.read() as connection:
        return standing(connection, "mail")


def test_only_what_is_new_is_read_the_next_day(lite: World, provider: Standin) -> None:
    provider.lists = {"unsubscribes": [entry("c1", T0 - 30 * DAY)]}
    keep_stops(lite.room, T0)
    with lite.ledger.write() as connection:
        granted = {"consent": int(Consent.GRANTED), "consent_source": "crm", "consent_at": T0}
        connection.execute(update(t.address).where(t.address.c.value == "c1@example.com").values(granted))
    provider.lists["unsubscribes"].append(entry("c2", T0 + HOUR))
    keep_stops(lite.room, T0 + DAY)
    words = address_words(lite, "email")
    assert (words["c1@example.com"][2], words["c2@example.com"][2]) == ("granted", "denied")


def said_stop(world: World, *keys: str) -> None:
    world.start(plan_text("  - {wave: notice, channels: [sms, email], message: hello, release: 2h, listen: 1d}\n"))
    hold_back(world, "notice")
    for row in world.touches("notice", channel=EMAIL):
        if row.key in keys:
            world.report(row.id, Side.UNSUBSCRIBED)
        elif row.key == "c4":
            world.report(row.id, Outcome.DELIVERED)


def test_a_provider_is_told_once_of_who_said_stop_to_us(world: World, provider: Standin) -> None:
    say_stop_and_keep(world, provider, {}, "/v3/asm/suppressions/global")


@pytest.mark.parametrize(
    ("options", "path"), [({"asm_group": 7}, "/v3/asm/groups/7/suppressions"), ({"share_stops": False}, None)]
)
def test_the_options_say_on_which_list(
    lite: World, provider: Standin, options: dict[str, Any], path: str | None
) -> None:
    say_stop_and_keep(lite, provider, options, path)


def say_stop_and_keep(world: World, provider: Standin, options: dict[str, Any], path: str | None) -> None:
    use(world, provider, **options)
    provider.lists = {"group": [{"email": "c5@example.com", "group_id": 7, "group_name": "x", "created_at": 1}]}
    with world.ledger.write() as connection:  # a file said no: that is not told
        denied = {"consent": int(Consent.DENIED), "consent_source": "crm"}
        connection.execute(update(t.address).where(t.address.c.value == "c6@example.com").values(denied))
    said_stop(world, "c1", "c2")
    suppress(world, "c3", None, reason="unsubscribed")  # on every channel, said on another one
    keep_stops(world.room, T0 + DAY)
    wanted = ["c1@example.com", "c2@example.com", "c3@example.com"] if path else []
    assert sorted(provider.added) == wanted
    assert ({one for one in provider.paths if "asm" in one and one != "/v3/asm/suppressions"} == {path}) is bool(path)
    world.report(next(row.id for row in world.touches("notice", channel=EMAIL) if row.key == "c0"), Side.COMPLAINED)
    keep_stops(world.room, T0 + 2 * DAY)
    assert sorted(provider.added) == (["c0@example.com", *wanted] if path else [])


def test_what_was_not_confirmed_is_told_again(lite: World, provider: Standin) -> None:
    said_stop(lite, "c1")
    told: list[str] = []
    lite.room.tell = told.append
    channel = open_channel(lite.room.senders["mail"], Path(), "https://go.example.com")
    provider.says = (401, {}, {"errors": [{"message": "authorization required"}]})
    for minutes in (0, 5, 11, 22):
        keep_stops(lite.room, T0 + DAY + minutes * MINUTE)
    assert len(told) == 1
    assert "401" in told[0]
    assert "@" not in told[0]
    (finding,) = stops_of(lite.room, T0 + DAY)
    assert (finding.verdict, "401" in finding.said) == ("warn", True)
    provider.well()
    keep_stops(lite.room, T0 + DAY + 40 * MINUTE)
    assert provider.added == ["c1@example.com"]
    (finding,) = stops_of(lite.room, T0 + DAY + HOUR)
    assert finding.verdict == "ok"
    assert "unsubscribes 2026-12-02 09:00Z" in finding.said
    with lite.ledger.read() as connection:
        assert connection.scalar(select(stop_told.c.sender)) == "mail"
    channel.close()  # type: ignore[attr-defined]


def test_a_wave_opens_on_fresh_lists_and_without_any(lite: World, provider: Standin) -> None:
    keep_stops(lite.room, T0 - 2 * HOUR)
    lite.start(plan_text(WAVE))
    provider.lists = {"unsubscribes": [entry("c1")]}
    hold_back(lite, "notice", now=T0)
    assert verdict_words(lite, "notice")["c1"] == "no_consent"
    asked = len(provider.paths)
    before_wave(lite.room, _wave(lite), T0 + 30 * MINUTE)
    assert len(provider.paths) == asked
    provider.says = (500, {}, None)
    before_wave(lite.room, _wave(lite), T0 + 2 * HOUR)
    assert known(lite).why is not None


def _wave(world: World) -> Any:
    return world.bundle(plan_text(WAVE)).plan.wave("notice")


def test_without_a_keeper_nothing_is_asked(lite: World, provider: Standin) -> None:
    lite.room.senders = {}
    keep_stops(lite.room, T0)
    assert provider.paths == []
