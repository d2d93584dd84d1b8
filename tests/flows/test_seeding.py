"""Seeds: every wave's message once, beside its customers and in none of its counts; what arrived, and when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from flows.links import Links
from flows.reports import record_came, record_early, record_reports
from flows.running import load_running
from flows.seeding import send_test_to_seeds
from ledger.close import balance
from ledger.kill_switches import lift, switch_on
from ledger.seeds import SeedMessage, claim, heard, seed_messages
from tests.builders import DAY, HOUR, T0, Person, World, make_world, plan_text, put, reachable
from tests.steps import suppress
from waves.errors import SendInDoubt, SendRefused
from waves.message import CHANNEL_CODES, Event, Inbound, Message, Receipt
from waves.outcomes import Outcome, State, word
from waves.seeds import Seed
from waves.senders import Sender
from waves.tokens import Kind, make_seed_token, make_token, read_seed_token

PHONE, MAIL = "+12015550999", "seed@example.com"
SEEDS = (
    Seed(seed="phone", channel="sms", address=PHONE),
    Seed(seed="mail", channel="email", address=MAIL, campaigns=("other",)),
)
WAVES = """\
  - wave: notice
    channels: [sms]
    variants: {short: {message: hello, weight: 50%}, long: {message: hello, weight: 50%}}
    release: 2h
    listen: 1d
  - {wave: last, channels: [email], message: hello, release: 2h, listen: 1d}
"""


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    yield from made(tmp_path, ledger_url)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[World]:
    yield from made(tmp_path, None)


def made(tmp_path: Path, url: str | None) -> Iterator[World]:
    world = make_world(tmp_path / "home", url)
    world.room.seeds = SEEDS
    put(world.ledger, [reachable(n) for n in range(4)])
    world.start(plan_text(WAVES))
    yield world
    world.ledger.close()


def step(world: World, now: datetime) -> None:
    world.ledger.set_now(now)
    world.advance(now)


def rows(world: World, name: str = "test") -> list[Any]:
    with world.ledger.read() as connection:
        return list(seed_messages(connection, name))


def states(world: World) -> list[str]:
    return [word(State(row.state)) for row in rows(world)]


def to_seeds(world: World, channel: str = "sms") -> list[dict[str, Any]]:
    return [line for line in world.outbox(channel) if line["to"] in (PHONE, MAIL)]


def books(world: World) -> Any:
    running = load_running(world.ledger, "test")
    with world.ledger.read() as connection:
        return [asdict(balance(connection, row.id, running.id)) for row in running.rows if row.state != "pending"]


def test_each_wording_goes_to_each_seed_once_and_counts_nowhere(world: World) -> None:
    step(world, T0)
    sent = to_seeds(world)
    assert [(line["variant"], line["name"], line["campaign"]) for line in sent] == [
        (1, "phone", "test"),
        (2, "phone", "test"),
    ]
    assert states(world) == ["sent", "sent"]
    before = books(world)
    step(world, T0 + HOUR)
    assert len(to_seeds(world)) == 2
    at = T0 + timedelta(minutes=5)
    events = [Event(line["token"], int(Outcome.CLICKED), at, "test", line["token"]) for line in sent]
    recorded = record_reports(world.room, events, at)
    assert (recorded.new, recorded.known, recorded.unknown_touch) == (2, 0, 0)
    assert record_reports(world.room, events, at).known == 2
    assert books(world) == before
    assert [(row.outcome, row.arrived_at, row.arrived_by) for row in rows(world)] == [(60, at, "test")] * 2
    with world.ledger.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM event").scalar() == 0
    step(world, T0 + DAY + 2 * HOUR)
    step(world, T0 + DAY + 3 * HOUR)
    assert to_seeds(world, "email") == [], "that seed is for another campaign"
    assert len(world.outbox("email")) == 4


def test_a_seeds_link_is_the_customers_link_and_a_tests_is_not_counted(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home", public_url="https://go.example.com")
    world.room.seeds = SEEDS[:1]
    (world.config / "templates" / "hello.sms.j2").write_text("Look: {{ link('https://www.example.com/?t={token}') }}")
    put(world.ledger, [reachable(1)])
    plan = plan_text("  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n")
    send_test_to_seeds(world.room, world.bundle(plan), SEEDS[:1], "run1", "tester", T0)
    world.start(plan)
    step(world, T0)
    tested, hidden = to_seeds(world)
    assert tested["fields"]["body"] == f"Look: https://www.example.com/?t={tested['token']}"
    assert hidden["fields"]["body"] == f"Look: https://go.example.com/c/{hidden['token']}A"
    links = Links(world.room)
    found = [
        (touch, links.leads_to(touch, one["token"], 0))
        for one in (tested, hidden)
        if (touch := links.touch(one["token"]))
    ]
    assert found == [(-1, None), (-2, f"https://www.example.com/?t={hidden['token']}")]
    world.ledger.close()


def test_two_who_claim_at_once_send_once(world: World) -> None:
    wanted = [SeedMessage("wave:1", "test", "notice", "phone", 2, n) for n in range(3)]
    with world.ledger.write() as connection:
        assert len(claim(connection, wanted[:2], T0)) == 2
    with world.ledger.write() as connection:
        assert list(claim(connection, wanted, T0)) == wanted[2:]


class Scripted:
    """A provider that answers as it is told, one answer a call, the last one again and again."""

    provider, chunk = "scripted", 500

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = 1.5) -> list[Receipt]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        self.asked += [message.token for message in messages]
        return [Receipt(m.token, answer, f"ref-{m.variant}" if answer == "accepted" else None) for m in messages]

    def find(self, tokens: Sequence[str]) -> None:
        return None


def test_what_was_not_sent_goes_later_and_what_is_in_doubt_never_again(lite: World) -> None:
    scripted = lite.room._channels["sms"] = Scripted("not_sent", "not_sent", SendInDoubt("cut off"), "accepted")  # type: ignore[assignment]
    step(lite, T0)
    assert set(states(lite)) == {"queued"}
    assert rows(lite)[0].sent_at is None
    step(lite, T0 + timedelta(minutes=30))  # the seeds are in doubt, the customers are sent
    assert set(states(lite)) == {"in_doubt"}
    step(lite, T0 + HOUR)
    tokens = {make_seed_token(lite.room.token_key, row.id) for row in rows(lite)}
    assert len([token for token in scripted.asked if token in tokens]) == 2
    at = T0 + HOUR
    record_reports(lite.room, [Event(sorted(tokens)[0], int(Outcome.DELIVERED), at, "x", "1")], at)
    assert sorted(states(lite)) == ["in_doubt", "sent"]


@pytest.mark.parametrize("taken", [False, True])
def test_every_seed_gets_the_message_of_a_wave_of_one_batch(lite: World, taken: bool) -> None:
    """However few messages the sender takes at once; one that was taken back is no reason to forget the others."""
    answers = ("accepted",) if taken else ("not_sent", "accepted")
    scripted = lite.room._channels["sms"] = Scripted(*answers)  # type: ignore[assignment]
    scripted.chunk = 1
    lite.room.seeds = tuple(Seed(seed=f"phone{n}", channel="sms", address=f"+1201555099{n}") for n in range(3))
    step(lite, T0)
    assert Counter(states(lite)) == Counter({"sent": 6} if taken else {"sent": 5, "queued": 1})


def test_seeds_that_wait_go_although_no_batch_does(lite: World) -> None:
    lite.room._channels["sms"] = Scripted("not_sent", "accepted")  # type: ignore[assignment]
    step(lite, T0)
    assert set(states(lite)) == {"queued"}
    step(lite, T0 + timedelta(minutes=4))
    assert set(states(lite)) == {"queued"}
    step(lite, T0 + timedelta(minutes=5))
    assert set(states(lite)) == {"sent"}


def test_a_worker_that_died_is_in_doubt(lite: World) -> None:
    lite.room._channels["sms"] = Scripted(RuntimeError("killed"))  # type: ignore[assignment]
    with pytest.raises(RuntimeError):
        step(lite, T0)
    scripted = lite.room._channels["sms"] = Scripted("accepted")  # type: ignore[assignment]
    step(lite, T0 + HOUR)
    assert set(states(lite)) == {"claimed"}
    assert len(scripted.asked) == 4


def test_a_report_by_the_providers_reference_is_an_arrival(lite: World) -> None:
    lite.room._channels["sms"] = Scripted("accepted")  # type: ignore[assignment]
    step(lite, T0)
    event = Event("", int(Outcome.DELIVERED), T0 + HOUR, "outbox", "1", ref="ref-2")
    strangers = [event._replace(ref="ref-nobody"), event._replace(provider="another")]
    assert record_reports(lite.room, [event, *strangers], T0 + HOUR).new >= 1
    assert [row.arrived_at for row in rows(lite)] == [None, T0 + HOUR]


def test_a_report_names_a_seeds_message_as_its_provider_spells_it(lite: World) -> None:
    """Some centres answer a submit in hexadecimal and report in decimal."""

    class Centre(Scripted):
        def send(self, messages: Sequence[Message], now: datetime, within_s: float = 1.5) -> list[Receipt]:
            return [Receipt(m.token, "accepted", "0F", refs=("9", f"{m.name} {m.variant}")) for m in messages]

    lite.room._channels["sms"] = Centre()  # type: ignore[assignment]
    step(lite, T0)
    event = Event("", int(Outcome.DELIVERED), T0 + HOUR, "outbox", "1", ref="phone 2")
    record_reports(lite.room, [event], T0 + HOUR)
    assert [row.arrived_at for row in rows(lite)] == [None, T0 + HOUR]


@pytest.mark.parametrize("seed_is_last", [False, True])
def test_a_reference_that_a_provider_counts_anew_means_its_latest_message(world: World, seed_is_last: bool) -> None:
    class Centre(Scripted):
        def send(self, messages: Sequence[Message], now: datetime, within_s: float = 1.5) -> list[Receipt]:
            self.asked += [message.token for message in messages]
            numbers = range(len(self.asked) - len(messages), len(self.asked))
            return [Receipt(m.token, "accepted", refs=(str(n % 2),)) for n, m in zip(numbers, messages, strict=True)]

    world.room._channels["sms"] = Centre("accepted")  # type: ignore[assignment]
    step(world, T0)  # two to the seed, then four to customers
    if seed_is_last:
        send_test_to_seeds(world.room, world.bundle(plan_text(WAVES)), SEEDS[:1], "run1", "tester", T0)
    event = Event("", int(Outcome.DELIVERED), T0 + HOUR, "outbox", "1", ref="1")
    record_reports(world.room, [event], T0 + HOUR)
    assert [row.run for row in rows(world) if row.arrived_at] == (["test:run1"] if seed_is_last else [])
    delivered = [row.outcome for row in world.touches("notice")].count(int(Outcome.DELIVERED))
    assert delivered == (0 if seed_is_last else 1)


def test_a_report_that_came_before_its_reference_is_an_arrival_too(lite: World) -> None:
    early = Event("", int(Outcome.DELIVERED), T0 - HOUR, "outbox", "1", ref="ref-1")
    record_reports(lite.room, [early], T0)
    lite.room._channels["sms"] = Scripted("accepted")  # type: ignore[assignment]
    step(lite, T0)
    record_early(lite.room, T0 + DAY)
    assert rows(lite)[0].arrived_at == T0 - HOUR


def test_the_earliest_report_is_the_arrival_and_a_bounce_is_none(lite: World) -> None:
    step(lite, T0)
    first, second = (row.id for row in rows(lite))
    said = [
        (first, Outcome.IN_TRANSIT, 1, True),
        (first, Outcome.CLICKED, 9, True),
        (first, Outcome.DELIVERED, 5, True),
        (first, Outcome.DISPLAYED, 7, False),
        (second, Outcome.BOUNCED_HARD, 2, True),
        (99, Outcome.DELIVERED, 1, None),
    ]
    with lite.ledger.write() as connection:
        for ident, outcome, minute, known in said:
            assert heard(connection, ident, int(outcome), T0 + timedelta(minutes=minute), "x") is known
    told = [(word(Outcome(row.outcome)), row.arrived_at) for row in rows(lite)]
    assert told == [("clicked", T0 + timedelta(minutes=5)), ("bounced_hard", None)]


@pytest.mark.parametrize("stop", ["switch", "suppressed", "paused"])
def test_nothing_goes_to_a_seed_under_a_switch_or_when_it_is_suppressed(lite: World, stop: str) -> None:
    if stop == "switch":
        with lite.ledger.write() as connection:
            switch_on(connection, "channel:sms", "wrong", "tester", T0)
    elif stop == "suppressed":
        suppress(lite, value=PHONE)
    else:
        with lite.ledger.write() as connection:
            connection.exec_driver_sql("UPDATE campaign SET state = 'paused'")
    step(lite, T0)
    assert (to_seeds(lite), rows(lite)) == ([], [])
    if stop == "switch":
        with lite.ledger.write() as connection:
            lift(connection, "channel:sms", "tester", T0)
        step(lite, T0 + HOUR)
        assert len(to_seeds(lite)) == 2


@pytest.mark.parametrize("said", ["stop", "everything"])
def test_a_seed_that_is_a_customer_too_and_said_stop_gets_nothing(world: World, said: str) -> None:
    put(world.ledger, [Person("c9", (("sms", PHONE), ("email", "c9@example.com")), denied=frozenset())])
    if said == "stop":
        record_came(world.room, [Inbound("sms", PHONE, "STOP", T0, "outbox", "1")], T0)
    else:
        suppress(world, "c9")
    step(world, T0)
    assert (to_seeds(world), rows(world)) == ([], [])


def test_a_rate_and_a_cap_hold_for_seeds_too(lite: World) -> None:
    lite.room.senders = {"text": Sender(sender="text", channel="sms", provider="outbox", daily_cap=1)}
    step(lite, T0)
    assert len(lite.outbox("sms")) == 1
    step(lite, T0 + HOUR)
    assert len(lite.outbox("sms")) == 1


def test_a_test_goes_to_every_seed_of_the_file_once(lite: World) -> None:
    plan = lite.bundle(plan_text(WAVES, name="next"))
    found = [SEEDS[0], SEEDS[1], Seed(seed="push", channel="web_push", address="https://push.example.com/9")]
    for _ in range(2):
        sent = send_test_to_seeds(lite.room, plan, found, "run1", "tester", T0)
    assert sent == [
        ("notice", "sms", 1, "phone", "no room at the sender now"),
        ("notice", "sms", 2, "phone", "no room at the sender now"),
        ("last", "email", 0, "mail", "no room at the sender now"),
    ]
    lines = [*to_seeds(lite), *to_seeds(lite, "email")]
    assert [line["campaign"] for line in lines] == ["test of next"] * 3
    assert "example" not in lines[0]["fields"]["body"]
    assert [row.run for row in rows(lite, "next")] == ["test:run1"] * 3


def test_a_test_under_a_switch_sends_nothing_at_all(lite: World) -> None:
    plan = lite.bundle(plan_text(WAVES, name="next"))
    with lite.ledger.write() as connection:
        switch_on(connection, "channel:email", "wrong", "tester", T0)
    with pytest.raises(SendRefused, match="nothing is sent while it is on"):
        send_test_to_seeds(lite.room, plan, SEEDS, "run1", "tester", T0)
    assert lite.outbox("sms") == []
    with pytest.raises(SendRefused, match="no seed is on a channel"):
        send_test_to_seeds(lite.room, plan, SEEDS[:0], "run1", "tester", T0)


def test_a_seeds_token_is_no_other(lite: World) -> None:
    key = lite.room.token_key
    assert read_seed_token(key, make_seed_token(key, 77).lower()) == 77
    others = [make_token(key, kind, 77) for kind in Kind]
    assert [read_seed_token(key, token) for token in [*others, "", "R", "R" * 20]] == [None] * 7
    assert [read_seed_token(b"another key of sixteen", make_seed_token(key, 77))] == [None]


def test_the_commands(lite: World, tmp_path: Path) -> None:
    home = lite.room.settings.home
    (lite.config / "seeds.yaml").write_text(f'phone: {{channel: sms, address: "{PHONE}"}}\n')

    def run(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["--home", str(home), *words])
        assert done.exit_code == code, done.output
        return json.loads(done.output) if "--json" in words else done.output

    assert run("seeds", "ls", "--json") == {
        "seeds": [{"seed": "phone", "channel": "sms", "language": None, "campaigns": []}]
    }
    step(lite, T0)
    lite.ledger.set_now(T0 + HOUR)
    assert (
        CliRunner().invoke(app, ["--home", str(home), "seeds", "got", "phone", "--at", "2026-12-01T08:58Z"]).exception
    )
    assert "noted" in run("seeds", "got", "phone", "--at", "2026-12-01T09:10Z")
    first, second = run("seeds", "report", "test", "--json")["seeds"]
    assert [(one["state"], one["delay_s"]) for one in (first, second)] == [("sent", None), ("sent", 600.0)]
    assert "noted" in run("seeds", "got", first["token"])
    assert "0:10:00" in run("seeds", "report", "test")
    assert PHONE not in run("seeds", "report", "test") + run("seeds", "ls")
    (lite.config / "plans" / "next.yaml").write_text(plan_text(WAVES, name="next"))
    file = tmp_path / "seeds.csv"
    file.write_text(f"name,channel,address,language\nphone,sms,{PHONE},en\ndoor,inbox,p1,en\n")
    told = run("test-send", "next", "--to", str(file))
    assert "accepted" in told
    assert "nothing of this plan goes out to door" in told
    assert [one["test"] for one in run("seeds", "report", "next", "--json")["seeds"]] == [True, True]
    assert CHANNEL_CODES["sms"] == 2
