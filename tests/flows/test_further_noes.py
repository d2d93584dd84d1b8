"""What a file of call results says further of calls that are known: a no is heard, and goes with its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.call_list.formats import FORMATS
from channels.call_list.rows import DispositionRow
from flows.dial_results import undo_file
from flows.reports import record_dispositions
from ledger import call_undo, suppressions
from tests.builders import HOUR, T0, World, make_world, phone, plan_text
from tests.flows.call_desk import Line, at, bring, live, results, staged
from tests.steps import address_words, hold_back
from waves.dispositions import Disposition as D
from waves.outcomes import word


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    """The desk on each of the two databases."""
    made = staged(make_world(tmp_path / "home", ledger_url))
    yield made
    made.ledger.close()


@pytest.mark.parametrize("said", [D.DNC_REQUEST, D.DECEASED])
def test_a_no_that_comes_later_of_a_known_call_is_not_lost(world: World, said: D) -> None:
    """A report of the middle of the call came first; its word counts for the call, and nobody asks them again."""
    bring(world, "noon.csv", [(0, D.CONNECTED_OTHER, T0, "1")])
    later = bring(world, "evening.csv", [(0, said, T0, "1")])
    assert live(world)["suppressions"] == [(1, word(said), T0)]
    at(world, 2 * HOUR)
    with world.ledger.write() as connection:
        assert suppressions.unsuppress(connection, 1, None, None, "anna", world.now) == 1
    bring(world, "evening.csv", [(0, said, T0, "1")])
    assert live(world)["suppressions"] == [], "the same again is no new word"
    again = bring(world, "morning.csv", [(0, said, T0 + 2 * HOUR, "7")])
    bring(world, "noon too.csv", [(1, D.BUSY, T0, "8"), (1, said, T0, "8")])
    assert live(world)["suppressions"] == [(1, word(said), T0 + 2 * HOUR), (2, word(said), T0)]
    undo_file(world.room, again, "lead", world.now)
    assert live(world)["suppressions"] == [(2, word(said), T0)]
    undo_file(world.room, later, "lead", world.now)
    assert world.touches("call")[0].disposition == D.CONNECTED_OTHER


def test_a_further_no_of_a_known_call_goes_with_its_file(world: World) -> None:
    bring(world, "noon.csv", [(0, D.CONNECTED_OTHER, T0, "1")])
    no: Line = (0, D.DNC_REQUEST, T0, "1")
    wrong, right = bring(world, "wrong.csv", [no]), bring(world, "right.csv", [no, (1, D.BUSY, T0, "5")])
    at(world, 2 * HOUR)
    assert undo_file(world.room, wrong, "lead", world.now).suppressions == 0
    assert live(world)["suppressions"] == [(1, "dnc_request", T0)]
    assert undo_file(world.room, right, "lead", world.now).suppressions == 1
    assert live(world)["suppressions"] == []


def long_file(world: World, first: str) -> tuple[int, list[DispositionRow]]:
    """A file that names a call twice, in parts that are recorded one after the other: what its later part says."""
    if first == "another's":
        bring(world, "noon.csv", [(0, D.CONNECTED_OTHER, T0, "1")])
    number = bring(world, "long.csv", [(0, D.HUNG_UP, T0, "1")], tokens=first != "nobody's")
    rest = results(world, "rest.csv", [(0, D.DNC_REQUEST, T0, "1")])
    return number, list(FORMATS["generic_csv"].read(rest, world.room.dialler(None)))


@pytest.mark.parametrize("first", ["its own", "another's", "nobody's"])
def test_undoing_a_file_ends_the_no_that_its_later_part_alone_said(world: World, first: str) -> None:
    number, rest = long_file(world, first)
    record_dispositions(world.room, rest, world.now, "generic_csv", number)
    assert live(world)["suppressions"] == [(1, "dnc_request", T0)]
    assert undo_file(world.room, number, "lead", world.now).suppressions == 1
    assert live(world)["suppressions"] == []
    counts = D.CONNECTED_OTHER if first == "another's" else None
    assert world.touches("call")[0].disposition == counts


@pytest.mark.parametrize("first", ["its own", "another's"])
def test_the_no_of_a_file_that_names_a_call_twice_stands_by_itself(world: World, first: str) -> None:
    number, rest = long_file(world, first)
    record_dispositions(world.room, rest, world.now, "generic_csv", number)
    other = bring(world, "other.csv", [(0, D.DNC_REQUEST, T0 + HOUR, "2")])
    assert undo_file(world.room, other, "lead", world.now).suppressions == 0
    assert live(world)["suppressions"] == [(1, "dnc_request", T0)]
    at(world, 2 * HOUR)
    with world.ledger.write() as connection:
        assert suppressions.unsuppress(connection, 1, None, None, "anna", world.now) == 1
    record_dispositions(world.room, rest, world.now, "generic_csv", number)
    assert live(world)["suppressions"] == [], "the same again is no new word"


@pytest.mark.parametrize("said", [D.WRONG_NUMBER, D.INVALID_NUMBER])
def test_a_wrong_number_that_comes_later_of_a_known_call_ends_the_number(world: World, said: D) -> None:
    """As a dialler's export of noon has the call and that of the evening the agent's word: nobody rings there again."""
    bring(world, "noon.csv", [(0, D.CONNECTED_OTHER, T0, "1")])
    before = live(world)
    later = bring(world, "evening.csv", [(0, said, T0, "1")])
    also = bring(world, "night.csv", [(0, said, T0, "1"), (1, D.BUSY, T0, "5")])
    for file in (later, also):
        assert {address_words(world, channel)[phone(0)][1] for channel in ("call_list", "sms")} == {"dead"}
        undo_file(world.room, file, "lead", world.now)
    assert live(world) == before


@pytest.mark.parametrize("first", [D.DNC_REQUEST, D.DECEASED, D.HUNG_UP])
def test_of_what_one_file_says_of_a_call_the_most_final_counts(world: World, first: D) -> None:
    """In whatever order its lines are."""
    words: list[Line] = [(0, first, T0, "1"), (0, D.SUPPRESSED_DNC, T0, "1"), (0, D.WRONG_NUMBER, T0, "1")]
    found = []
    for lines in (words, words[::-1]):
        number = bring(world, f"{len(found)}.csv", lines)
        found.append((world.touches("call")[0].disposition, [row[1] for row in live(world)["suppressions"]]))
        undo_file(world.room, number, "lead", world.now)
    counts = D.SUPPRESSED_DNC if first is D.HUNG_UP else first
    assert found == 2 * [(counts, [word(counts)])]
    assert live(world)["suppressions"] == []


def test_a_no_is_heard_though_a_file_of_unknown_tokens_said_it_first(world: World) -> None:
    bring(world, "stray.csv", [(0, D.DNC_REQUEST, T0, "1")], tokens=False)
    bring(world, "right.csv", [(0, D.DNC_REQUEST, T0, "1"), (1, D.BUSY, T0, "5")])
    assert live(world)["suppressions"] == [(1, "dnc_request", T0)]


def test_what_a_further_no_withdrew_is_said_to_stay(world: World) -> None:
    bring(world, "noon.csv", [(0, D.CONNECTED_OTHER, T0, "1")])
    sms = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 9d}\n"
    world.start(plan_text(sms, name="other"))
    hold_back(world, "notice", "other")
    number = bring(world, "evening.csv", [(0, D.DNC_REQUEST, T0, "1")])
    world.advance()
    with world.ledger.read() as connection:
        before = call_undo.stays(connection, number)
    assert (before.withdrawn_contacts, before.calls_of_closed_waves) == (1, 0)
    assert undo_file(world.room, number, "lead", world.now).stays == before
