"""Dial lists: the best first, nobody twice, what comes back waits again, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from channels.call_list.rows import DispositionRow
from flows.reports import record_dispositions, record_reports
from flows.running import gates_of, load_running
from ledger import campaigns
from ledger import tables as t
from ledger.dial_expiry import expire
from ledger.dial_lists import Pull, Terms, give_back, lists, pull
from tests.builders import DAY, HOUR, RULES, T0, Person, World, phone, plan_text, put, reachable
from tests.steps import convert, hold_back, phoned, set_customer, suppress, touch_words
from waves.dispositions import Disposition
from waves.draw import bucket_of
from waves.errors import CampaignError, SendRefused
from waves.message import Event
from waves.outcomes import Outcome
from waves.tokens import Kind, make_token, read_token

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}\n"
D = Disposition


def calling(world: World, people: list[Person], plan: str = CALL, name: str = "test") -> None:
    put(world.ledger, people)
    world.start(plan_text(plan, name=name))
    world.advance()


def pulled(world: World, size: int = 100, **more: Any) -> list[str]:
    """The numbers of a fresh list, as it is to be dialled."""
    return [entry.number for entry in world.pull("call", size, **more).entries]


def rows_of(path: Any) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_best_come_on_it_and_ties_are_broken_by_lot(world: World) -> None:
    values = [1.0, 7.5, None, 3.0, 7.5, -2.0, None]
    calling(world, [reachable(n, value=value) for n, value in enumerate(values)])
    ticket = {n: bucket_of(f"c{n}") for n in range(len(values))}
    order = sorted(ticket, key=lambda n: (values[n] is None, -(values[n] or 0), ticket[n]))
    first = world.pull("call", size=4)
    assert {entry.number: entry.score for entry in first.entries} == {phone(n): values[n] for n in order[:4]}
    assert [entry.rank for entry in first.entries] == [1, 2, 3, 4]
    assert sorted(pulled(world)) == sorted(phone(n) for n in order[4:])
    assert pulled(world) == []


def test_a_wave_without_a_rank_is_listed_by_lot(lite: World) -> None:
    calling(lite, [reachable(n) for n in range(5)], CALL.replace("rank: value, ", ""))
    lot = sorted(range(5), key=lambda n: bucket_of(f"c{n}"))
    assert set(pulled(lite, 2)) == {phone(n) for n in lot[:2]}


def test_one_at_a_time_of_a_number_and_of_a_household(world: World) -> None:
    """The lower-valued ones come on the next list, once the first is back; a shared number has one member for it."""
    people = [
        reachable(1, value=5.0, household="a"),
        reachable(2, value=9.0, household="a"),
        reachable(3, value=1.0),
        reachable(4, value=2.0, household="b"),
        replace(reachable(5, value=8.0), addresses=(("call_list", phone(3)),)),
    ]
    calling(world, people)
    first = world.pull("call")
    assert {entry.number for entry in first.entries} == {phone(2), phone(4), phone(3)}
    assert pulled(world) == []
    phoned(world, "call", "c2", D.NO_ANSWER, T0 + HOUR, listed=True)
    with world.ledger.write() as connection:
        assert give_back(connection, first.number, RULES, "lead", T0 + HOUR) == (1, 2)
    assert set(pulled(world)) == {phone(1), phone(4), phone(3)}


@pytest.mark.parametrize("twin", ["customer", "number", "household"])
def test_the_database_refuses_a_second_live_entry(lite: World, twin: str) -> None:
    calling(lite, [reachable(1, household="a")])
    assert pulled(lite)
    second = {"list": 9, "touch": 9, "rank": 1, "tier": "normal", "customer": 9, "number": "x", "household": "y"}
    same = {"customer": 1, "number": phone(1), "household": "a"}[twin]
    with lite.ledger.write() as connection:
        connection.execute(insert(t.dial_entry).values(**second | {twin: same, "active": False}))
        with pytest.raises(IntegrityError) as caught:
            connection.execute(insert(t.dial_entry).values(**second | {twin: same, "active": True}))
    assert phone(1) not in str(caught.value)  # what a log would show


def test_two_campaigns_share_their_customers_lines(lite: World) -> None:
    calling(lite, [reachable(1), reachable(2)])
    lite.start(plan_text(CALL.replace("wave: call", "wave: again"), name="other"))
    lite.advance()
    assert len(pulled(lite, size=1)) == 1
    assert len(lite.pull("again", name="other").entries) == 1
    assert pulled(lite) == []


def test_two_leads_at_once_a_hundred_times(world: World) -> None:
    """No customer, number or household is on both lists; two people share a number and two a household."""
    people = [reachable(n) for n in range(5)]
    people += [replace(reachable(5), addresses=(("call_list", phone(4)),)), reachable(6, household="a")]
    calling(world, [*people, reachable(7, household="a")])
    gate = Barrier(2)

    def at_once(team: str) -> Any:
        gate.wait(30)
        return world.pull("call", 3, team=team)

    for _ in range(100):
        with ThreadPoolExecutor(2) as pool:
            north, south = pool.map(at_once, ["north", "south"])
        entries = [*north.entries, *south.entries]
        assert len(entries) == 6
        assert len({entry.number for entry in entries}) == len({entry.customer for entry in entries}) == 6
        assert len({7, 8} & {entry.customer for entry in entries}) <= 1
        with world.ledger.write() as connection:
            for number in (north.number, south.number):
                give_back(connection, number, RULES, "lead", world.now)


def test_what_was_not_called_waits_again(world: World) -> None:
    people = [reachable(n, value=float(-n)) for n in range(5)]
    calling(world, people)
    cut = world.pull("call", size=4)
    for n, said in enumerate([D.NO_ANSWER, D.NOT_ATTEMPTED, D.AGENT_ERROR]):
        phoned(world, "call", f"c{n}", said, T0 + HOUR, listed=True)
    with world.ledger.read() as connection:
        assert [(row.entries, row.called, row.returned_at) for row in lists(connection)] == [(4, 2, None)]
    with world.ledger.write() as connection:
        assert give_back(connection, cut.number, RULES, "lead", T0 + 2 * HOUR) == (2, 2)
        assert [(row.entries, row.called, row.returned_at) for row in lists(connection)] == [(4, 2, T0 + 2 * HOUR)]
    assert {key: touch[0][1] for key, touch in touch_words(world, "call").items()} == {
        "c0": "queued",  # for the next attempt, in four hours
        "c1": "queued",
        "c2": "listed",
        "c3": "queued",
        "c4": "queued",
    }
    assert set(pulled(world)) == {phone(1), phone(3), phone(4)}


def test_a_list_counts_its_own_calls_not_those_of_an_earlier_one(lite: World) -> None:
    calling(lite, [reachable(n) for n in range(2)])
    first = lite.pull("call")
    phoned(lite, "call", "c0", D.BUSY, T0, listed=True)
    with lite.ledger.write() as connection:
        assert give_back(connection, first.number, RULES, "lead", T0) == (1, 1)
    lite.now = T0 + 3 * HOUR
    second = lite.pull("call")
    assert len(second.entries) == 2
    phoned(lite, "call", "c1", D.SALE, lite.now, listed=True)
    with lite.ledger.write() as connection:
        assert [(row.entries, row.called) for row in lists(connection)] == [(2, 1), (2, 1)]
        assert give_back(connection, second.number, RULES, "lead", lite.now) == (1, 1)


def test_results_that_come_after_the_list_came_back(lite: World) -> None:
    """Who was called is not called again, though the lead returned the list first."""
    calling(lite, [reachable(n, value=float(-n)) for n in range(2)])
    cut = lite.pull("call")
    with lite.ledger.write() as connection:
        assert give_back(connection, cut.number, RULES, "lead", T0) == (0, 2)
    phoned(lite, "call", "c0", D.NO_ANSWER, T0 + HOUR)
    assert pulled(lite) == [phone(1)]


def test_a_list_comes_back_once(lite: World) -> None:
    calling(lite, [reachable(1)])
    cut = lite.pull("call")
    with lite.ledger.write() as connection, pytest.raises(CampaignError, match=r"no dial list 99.*dial-list ls"):
        give_back(connection, 99, RULES, "lead", T0)
    with lite.ledger.write() as connection:
        give_back(connection, cut.number, RULES, "lead", T0)
    with lite.ledger.write() as connection, pytest.raises(CampaignError, match="returned at 2026-12-01 09:00 UTC"):
        give_back(connection, cut.number, RULES, "lead", T0 + HOUR)


CHANGED: dict[str, tuple[Callable[[World, str], object], str]] = {
    "converted": (lambda world, key: convert(world, key), "converted"),
    "suppressed": (lambda world, key: suppress(world, key), "suppressed"),
    "calls": (lambda world, key: suppress(world, key, "call_list"), "no_consent"),
    "erased": (lambda world, key: set_customer(world, key, {"erased_at": T0}), "suppressed"),
    "case": (lambda world, key: suppress(world, key, reason="open_case"), "open_case"),
    "texts": (lambda world, key: suppress(world, key, "sms"), ""),
}


def test_a_list_that_came_back_meanwhile_is_not_made_longer(world: World) -> None:
    """Whoever asks for more of a list has looked at it before its turn with the lists came."""
    calling(world, [reachable(n, value=float(-n)) for n in range(4)])
    for _ in range(2):
        pulled(world, 1)
    running = load_running(world.ledger, "test")
    gates, lease = gates_of(running, running.plan.wave("call"), T0), (T0 + HOUR, T0 + 2 * HOUR)
    ask = Pull(running.row("call").id, "north", "today", "generic_csv", 1, "a lead", *lease, number=1)
    with world.ledger.write() as connection:
        give_back(connection, 1, RULES, "another", T0)
        assert expire(connection, 2, "expired.csv", T0) is not None
        for number, why in ((1, "was returned at"), (2, "is over")):
            with pytest.raises(CampaignError, match=f"dial list {number} .*{why}"):
                pull(connection, replace(ask, number=number), Terms(gates, {}, RULES), T0)
        assert [row.held for row in lists(connection)] == [0, 1]


def test_a_pull_asks_the_gates_again(world: World) -> None:
    calling(world, [replace(reachable(n), key=key) for n, key in enumerate(CHANGED)])
    for key, (happens, _) in CHANGED.items():
        happens(world, key)
    assert pulled(world, size=1) == [phone(list(CHANGED).index("texts"))]
    assert {key: touches[0][1:] for key, touches in touch_words(world, "call").items()} == {
        key: ("withdrawn", None, why) if why else ("listed", None, None) for key, (_, why) in CHANGED.items()
    }


def close_it(world: World) -> None:
    world.advance(T0 + 30 * DAY)


def set_state(state: str, allowed: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        with world.ledger.write() as connection:
            campaigns.set_state(connection, "test", state, (allowed,), "tester", T0)

    return change


@pytest.mark.parametrize(
    ("happens", "wave", "says"),
    [
        (set_state("paused", "running"), "call", "open and its campaign paused"),
        (set_state("aborted", "running"), "call", "open and its campaign aborted"),
        (close_it, "call", "closed and its campaign finished"),
        (lambda world: None, "late", "not open yet; run: multiwave advance"),
        (lambda world: None, "notice", "no call wave 'notice'; its call waves: call, late"),
        (lambda world: None, "nothing", "no call wave 'nothing'"),
    ],
)
def test_a_list_is_cut_from_an_open_call_wave(
    lite: World, happens: Callable[[World], None], wave: str, says: str
) -> None:
    """In the third case every wave is over."""
    notice = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
    put(lite.ledger, [reachable(1)])
    late = CALL.replace("wave: call", "wave: late")
    lite.start(plan_text(CALL + (notice + late if wave != "call" else "")))
    lite.advance()
    happens(lite)
    with pytest.raises(CampaignError, match=says):
        lite.pull(wave)


def test_nobody_callable_is_no_list(lite: World) -> None:
    calling(lite, [reachable(1)])
    suppress(lite, "c1")
    cut = lite.pull("call")
    assert (cut.number, cut.entries, cut.file) == (0, [], None)
    with lite.ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.dial_list)) == 0


def test_the_file_names_entries_and_holds_no_formula(lite: World) -> None:
    calling(lite, [reachable(n, value=float(-n)) for n in range(3)])
    set_customer(lite, "c0", {"name": '=HYPERLINK("https://www.example.com")', "language": "@uk"})
    set_customer(lite, "c1", {"name": None})
    lite.now = T0 + HOUR
    cut = lite.pull("call", team="+north")
    assert cut.file is not None
    assert (cut.file.stat().st_mode & 0o777, cut.file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    rows = sorted(rows_of(cut.file), key=lambda row: row["phone"])
    assert [row["name"] for row in rows] == ['\'=HYPERLINK("https://www.example.com")', "", "Name of c2"]
    assert (rows[0]["language"], rows[0]["team"]) == ("'@uk", "'+north")
    assert [row["phone"] for row in rows] == [phone(n) for n in range(3)]
    assert [(row["score"], row["valid_until"]) for row in rows] == [
        ("0.0", "2026-12-01T18:00:00+00:00"),
        ("-1.0", "2026-12-01T18:00:00+00:00"),
        ("-2.0", "2026-12-01T18:00:00+00:00"),
    ]
    dangerous = re.compile(r"^[=+\-@\t\r]")
    cells = [value for row in rows for name, value in row.items() if name not in ("phone", "score")]
    assert not [cell for cell in cells if dangerous.match(cell)]
    by_rank = sorted(rows, key=lambda row: int(row["rank"]))
    assert [read_token(lite.room.token_key, row["token"]) for row in by_rank] == [
        (Kind.DIAL_ENTRY, entry.id) for entry in cut.entries
    ]


def test_a_list_that_no_file_holds_is_no_list(lite: World) -> None:
    calling(lite, [Person("c1", (("call_list", "0800 HELLO"),)), reachable(2)])
    with pytest.raises(SendRefused, match=r"not \+ and 6 to 15 digits"):
        lite.pull("call")
    with lite.ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.dial_list)) == 0
    assert {touches[0][1] for touches in touch_words(lite, "call").values()} == {"queued"}


def test_a_file_whose_list_was_never_committed_is_written_over(lite: World) -> None:
    """Killed between the file and the commit: nobody must dial from what the ledger does not know."""
    calling(lite, [reachable(n, value=float(-n)) for n in range(3)])
    first = lite.pull("call", size=1)
    with lite.ledger.write() as connection:
        give_back(connection, first.number, RULES, "lead", T0)
        connection.execute(t.dial_entry.delete())
        connection.execute(t.dial_list.delete())  # as if it had never come to the commit
    again = lite.pull("call", size=2)
    assert (again.number, again.file) == (first.number, first.file)
    assert [row["phone"] for row in rows_of(again.file)] == [phone(0), phone(1)]


def test_a_dial_entry_and_a_touch_are_not_each_other(lite: World) -> None:
    """Same number, other kind: a report on a dial entry's token, a disposition on a touch's, are of unknown touch."""
    calling(lite, [reachable(1)])
    cut = lite.pull("call")
    assert (cut.entries[0].id, lite.touches("call")[0].id) == (1, 1)
    key = lite.room.token_key
    entry, touch, test = (make_token(key, kind, 1) for kind in (Kind.DIAL_ENTRY, Kind.TOUCH, Kind.TEST))
    strange = make_token(b"another key of the same length..", Kind.DIAL_ENTRY, 1)
    unlisted = make_token(key, Kind.DIAL_ENTRY, 99)

    def row(token: str) -> DispositionRow:
        return DispositionRow(2, token, D.NOT_INTERESTED, T0, f"call {token}", phone(1), None, None, None, None)

    reports = [Event(token, int(Outcome.CLICKED), T0, "test", token) for token in (entry, test, "no token")]
    assert record_reports(lite.room, reports, T0).unknown_touch == 3
    refused = [row(token) for token in (touch, test, strange, unlisted, "")]
    assert record_dispositions(lite.room, refused, T0).unknown_touch == 5
    assert touch_words(lite, "call") == {"c1": [("call_list", "listed", None, None)]}
    done = record_dispositions(lite.room, [row(entry.lower())], T0 + timedelta(hours=1))
    assert (done.new, done.unknown_touch) == (1, 0)
    assert touch_words(lite, "call") == {"c1": [("call_list", "listed", "declined", None)]}
    with lite.ledger.read() as connection:
        (call,) = connection.execute(select(t.call)).all()
    assert (call.entry, call.number, call.touch) == (1, phone(1), 1)
    hold_back(lite, "call")
