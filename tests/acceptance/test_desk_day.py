"""A day at the desk of two teams, and the next morning: every number that the program tells is counted here by hand."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.desk import FINAL, PART, Line, customers, eastern
from tests.acceptance.desk_day import PROMISED, TEAMS, WEST_FROM, Day, live, western
from tests.acceptance.program import Program
from tests.acceptance.server import Server
from tests.conftest import database

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def day(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    home = tmp_path_factory.mktemp("desk") / "home"
    if request.param == "sqlite":
        yield live(Day(Program(home, server.settings, quick=True)))
        return
    with database(request.getfixturevalue("pg_url"), "template0") as url:
        yield live(Day(Program(home, server.settings | {"MULTIWAVE_DATABASE_URL": url}, quick=True)))


def values(lines: Collection[Line]) -> float:
    """What the plan ranks these by, summed."""
    worth = {row["customer_id"]: float(row["value"]) for row in customers()}
    return sum(worth[line.customer] for line in lines)


@pytest.mark.parametrize("numbers", [(1, 2), (3, 4)])
def test_nobody_is_on_two_lists_and_everybody_may_be_called(day: Day, numbers: tuple[int, int]) -> None:
    lines = [line for number in numbers for line in day.lines[number]]
    rows = {row["customer_id"]: row for row in day.books.rows}
    homes = [house for line in lines if (house := rows[line.customer]["household"])]
    for each in ([line.customer for line in lines], [line.phone for line in lines], homes):
        assert len(set(each)) == len(each)
    assert {line.customer for line in lines} <= set(day.books.called)
    assert all(rows[line.customer]["lang"] != "es" for line in day.lines[numbers[0]])
    for number in numbers:
        cut, hours = day.said[f"pull {number}"], [line.until for line in day.lines[number]]
        assert max(hours) == datetime.fromisoformat(cut["valid_until"])
        assert sorted(line.place for line in day.lines[number]) == list(range(1, len(hours) + 1))


def test_a_list_says_why_it_is_no_longer_and_what_it_is_worth(day: Day) -> None:
    west = sum(key >= WEST_FROM for key in day.books.called)
    first, second = day.said["pull 1"], day.said["pull 2"]
    assert first["entries"] + sum(first["left_out"].values()) == len(day.books.called) - west
    assert second["entries"] + sum(second["left_out"].values()) == first["waiting"]["due"]
    for number in (1, 2, 3, 4):
        assert sum(day.said[f"pull {number}"]["waiting"].values()) == len(day.books.called)
    assert (first["waiting"]["later"], first["entries"], second["entries"]) == (west, first["wanted"], second["wanted"])
    hours = {"north": 3 * 8, "south": 2 * 8}
    pulled = {team: day.lines[number][: day.said[f"pull {number}"]["entries"]] for number, team in enumerate(TEAMS, 1)}
    worth = {team: values(lines) / hours[team] for team, lines in pulled.items()}
    assert first["worth_an_agent_hour"] == pytest.approx(worth)


def test_a_file_counts_once_and_a_wrong_one_leaves_nothing(day: Day) -> None:
    said = day.said
    for number in (1, 2):
        came = sum(call.line.list == number and call.at < eastern(1, "12:00") for call in day.books.calls)
        first, again = said[f"file {number}"], said[f"file {number} again"]
        assert (first["new"], first["known"], first["unknown_touch"], first["late"]) == (came, 0, 0, 0)
        assert (again["file"], again["new"], again["known"]) == (number, 0, came)
        assert said[f"file {number} rest"]["new"] == len([c for c in day.books.calls if c.line.list == number]) - came
    stale, after = said["stale by the wrong file"], Counter(said["to recall 2"].values())
    assert (stale["converted"], stale["no_address"]) == (after["converted"] + 1, after["no_address"] + 1)
    assert (said["undone"]["calls"], said["undone"]["suppressions"], said["undone"]["conversions"]) == (6, 1, 1)
    assert said["after the wrong file"] == said["before the wrong file"]


def test_a_recall_names_exactly_those_whom_the_day_changed(day: Day) -> None:
    for number in (1, 2):
        expected = day.said[f"to recall {number}"]
        shown, made = day.said[f"show {number}"], day.said[f"recall {number}"]
        assert shown["stale"] == made["recalled"] == Counter(expected.values())
        assert shown["standing"]["entries"] == shown["standing"]["active"] == day.said[f"pull {number}"]["entries"]
        assert shown["standing"]["called"] == day.said[f"file {number}"]["new"]
        text = Path(made["file"]).read_text()
        if number == 1:
            named = [parse_qs(line)["vendor_lead_code"][0] for line in text.splitlines()]
        else:
            named = [row["token"] for row in csv.DictReader(text.splitlines(), delimiter=";")]
        assert sorted(named) == sorted(expected)
        assert day.said[f"off {number}"]["taken_off"] == len(expected)


def test_one_more_is_put_on_a_list_and_others_are_refused_with_the_reason(day: Day) -> None:
    (leaver, no), (listed, other), (_, nobody) = day.said["no extension"].items()
    assert no == f"error: customer {leaver} cannot be put on list 2 now: suppressed\n"
    taking_off = f"take them off it: multiwave dial-list recall 1 --customer {listed}"
    assert other == f"error: customer {listed} cannot be put on list 2 now: they are on list 1; {taking_off}\n"
    assert nobody.endswith("there is no such customer\n")
    assert [line.customer for line in day.lines[2]][day.said["pull 2"]["entries"] :] == [western(day)]


def test_a_list_that_comes_back_says_who_was_called_from_it(day: Day) -> None:
    listed = {row["id"]: row for row in day.said["ls"]}
    for number, lines in day.lines.items():
        called = {call.line.token for call in day.books.calls if call.line.list == number}
        assert (listed[number]["entries"], listed[number]["called"]) == (len(lines), len(called))
        off = day.said.get(f"to recall {number}", {})
        back = {line.token for line in lines} - set(off)
        told = f"list {number} returned: {len(back & called)} called, {len(back - called)} not"
        assert day.said[f"return {number}"].startswith(told)
        assert (f"{len(off)} more had been taken off it before" in day.said[f"return {number}"]) == bool(off)


def test_promises_are_on_their_teams_next_list_before_all_others(day: Day) -> None:
    made = [call for call in day.books.calls if call.later]
    assert [call.later for call in made] == list(PROMISED)
    for when, state, number in (("callbacks", "listed", 2), ("callbacks listed", "listed", 4)):
        assert [
            (datetime.fromisoformat(one["at"]), one["customer"], one["agent"], one["state"], one["list"])
            for one in day.said[when]
        ] == [(call.later, call.line.customer, call.agent, state, number) for call in made]
    first = sorted(day.lines[4], key=lambda line: line.place)[: len(made)]
    assert [(line.customer, line.promised, line.agent) for line in first] == [
        (call.line.customer, call.later, call.agent) for call in made
    ]
    assert [one["state"] for one in day.said["callbacks after"]] == ["kept", "missed", "kept"]


def test_the_next_list_holds_who_may_be_called_again_and_nobody_else(day: Day) -> None:
    listed = {line.customer for number in (3, 4) for line in day.lines[number]}
    assert listed <= day.said["callable"]
    assert not listed & day.said["over"]
    homes = {row["customer_id"]: row["household"] for row in day.books.rows}
    taken = {homes[key] for key in listed} - {""}
    assert {homes[key] for key in day.said["callable"] - listed} <= taken, "the others wait for their own household"
    before = {call.line.customer: call.disposition for call in day.books.calls if call.line.list in (1, 2)}
    again = Counter(before[key] for key in listed if key in before)
    assert set(again) == {"busy", "no_answer", "machine", "callback_agreed", "abandoned"}


def figures(told: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {name: (rate["numerator"], rate["denominator"]) for name, rate in told["rates"].items()}


def test_every_rate_is_what_the_desk_counts_by_hand(day: Day) -> None:
    books, told, of_tuesday = day.books, day.said["stats"], day.said["stats of tuesday"]
    counted = [(told, (1, 2, 3, 4)), (of_tuesday, (1, 2))]
    counted += [(group, (group["key"],)) for group in told["groups"]]
    counted += [(group, (TEAMS.index(group["key"]) + 1,)) for group in of_tuesday["groups"]]
    assert len(counted) == 2 + 4 + 2
    for said, lists in counted:
        found = figures(said)
        for name, sums in books.sums(lists).items():
            assert found[name] == pytest.approx(sums), (name, lists)
            few = said["rates"][name]["n"] < 30
            assert (said["rates"][name]["value"] is None) == few, (name, lists)
        calls = [call for call in books.calls if call.line.list in lists]
        assert (said["dials"], said["breaks"]["attempts"]) == (len(calls), len(calls))
        assert not any(count for name, count in said["breaks"].items() if name != "attempts")
    on_lists = {line.customer for line in books.lines}
    assert figures(told)["completion"] == (len((day.said["over"] | books.said(*FINAL)) & on_lists), len(on_lists))
    assert (figures(told)["callbacks_kept"], figures(of_tuesday)["callbacks_kept"]) == ((2, 3), (0, 0))
    assert told["dispositions"] == Counter(call.disposition for call in books.calls)
    zones = {row["customer_id"]: ZoneInfo(row["zone"]) for row in books.rows}
    hours = Counter(f"{call.at.astimezone(zones[call.line.customer]):%H}" for call in books.calls)
    assert {one["hour"]: one["n"] for one in told["hit_rate_by_local_hour"]} == hours


def test_the_wave_closes_with_everybody_in_one_part_and_the_next_holds_who_was_missed(day: Day) -> None:
    books = day.books
    call, after = day.said["status"]["waves"]
    tried, gone = set(books.ended), books.bought | books.stopped
    states = {"listed": len(tried), "withdrawn": len(gone), "expired": len(set(books.called) - tried - gone)}
    assert (call["state"], call["balanced"], call["states"], call["parts"]) == ("closed", True, states, books.parts())
    assert call["verdicts"]["go"] == len(books.called)
    missed = {key for key, last in books.ended.items() if PART[last.disposition] == "missed"}
    expected = missed - gone - books.said("wrong_number")
    assert after["verdicts"]["go"] == len(expected)
    mobile = {row["customer_id"]: row["mobile"] for row in books.rows}
    assert sorted(line["to"] for line in day.program.outbox("sms")) == sorted(mobile[key] for key in expected)


def test_the_report_counts_what_the_desk_counts(day: Day) -> None:
    books, ended = day.books, [call.disposition for call in day.books.ended.values()]
    parts, (wave, *_) = books.parts(), day.said["report"]["waves"]
    assert wave["counts"] == {
        "targeted": len(books.rows),
        "eligible": len(books.called),
        "treated": len(books.called),
        "held_out": 0,
        "sent": len(ended),
        "delivered": sum(last not in ("wrong_number", "abandoned") for last in ended),
        "reached": parts["engaged"] + parts["declined"],
        "engaged": parts["engaged"],
        "converted": len(books.said("sale") | books.bought),
    }
    assert wave["by_now"]["opted_out"] == len(books.said("dnc_request"))
    value = wave["value"]
    assert sum(row["conversions"] for row in value) == len(books.said("sale") | books.bought)
    assert not any(row["refunded"] for row in value), "the sale of the wrong file never was"


def test_each_customers_story_has_their_calls_and_those_that_were_reversed(day: Day) -> None:
    reversed_calls = 0
    for key, story in day.said["why"].items():
        (touch,) = story["waves"][0]["touches"]
        made = [call for call in day.books.calls if call.line.customer == key]
        assert [(datetime.fromisoformat(one["at"]), one["disposition"]) for one in touch["events"]] == [
            (call.at, call.disposition) for call in sorted(made, key=lambda call: call.at)
        ]
        reversed_calls += len(touch["reversed"])
    assert reversed_calls == 1
