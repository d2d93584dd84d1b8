"""A file of call results that was the wrong one: undone, it is as if it had never come, and what is not is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from channels.call_list.formats import FORMATS
from flows.dial_recall import recall
from flows.dial_results import import_results, undo_file
from flows.dialling import give_back
from flows.reports import record_dispositions, record_reports
from ledger import call_undo, suppressions
from ledger import tables as t
from ledger.call_files import call_files
from ledger.call_undo import Stays
from ledger.dial_tables import reversed_call, spare_call
from ledger.erasure import erase, stop_for_good
from ledger.past_calls import PastCall, record_past_calls
from tests.builders import DAY, HOUR, T0, World, make_world, phone, plan_text
from tests.commands import said
from tests.flows.call_desk import Line, at, bring, live, results, staged
from tests.steps import address_words, touch_words
from waves.dispositions import Disposition as D
from waves.errors import CampaignError
from waves.message import CHANNEL_CODES, Consent, Event
from waves.outcomes import Outcome, Side
from waves.seals import sealer
from waves.tokens import Kind, make_token


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    """The desk on each of the two databases."""
    made = staged(make_world(tmp_path / "home", ledger_url))
    yield made
    made.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[World]:
    """The desk in a home of its own, for the commands."""
    made = staged(make_world(tmp_path / "home"))
    yield made
    made.ledger.close()


WRONG: list[Line] = [
    (0, D.DNC_REQUEST, T0 + HOUR, "1"),
    (1, D.WRONG_NUMBER, T0 + HOUR, "2"),
    (2, D.SALE, T0 + HOUR, "3"),
    (3, D.CALLBACK_AGREED, T0 + HOUR, "4"),
]
RIGHT: list[Line] = [
    (0, D.BUSY, T0 + HOUR, "1"),
    (1, D.DNC_REQUEST, T0 + HOUR, "2"),
    (2, D.NO_ANSWER, T0 + HOUR, "3"),
]
PROMISED = {"callback_at": (T0 + DAY).isoformat()}


@pytest.mark.parametrize("back", ["list out", "list back first", "list back between", "list back after"])
def test_it_is_as_if_the_file_had_never_come(world: World, back: str) -> None:
    before = live(world)
    if back == "list back first":
        give_back(world.room, 1, "lead", world.now)
        before = live(world)
    number = bring(world, "wrong.csv", WRONG, **PROMISED)
    during = live(world)
    assert [row[1] for row in during["suppressions"]] == ["dnc_request"]
    assert (len(during["sales"]), len(during["promises"])) == (1, 1)
    assert during["sms"][phone(1)][1] == during["call_list"][phone(1)][1] == "dead"
    assert during["call_list"][phone(0)][2] == "denied"
    if back == "list back between":
        give_back(world.room, 1, "lead", world.now)
    done = undo_file(world.room, number, "lead", world.now)
    assert (done.calls, done.customers, done.suppressions, done.conversions, done.promises) == (4, 4, 1, 1, 1)
    assert done.addresses == 3, "the number on two channels, and the one that refused"
    if back in ("list back between", "list back after"):
        if back == "list back after":
            give_back(world.room, 1, "lead", world.now)
        assert len(world.pull("call").entries) == 4, "all four wait for a list, at once"
        return
    assert live(world) == before


@pytest.mark.parametrize("order", ["wrong undo right", "wrong right undo", "right wrong undo"])
def test_the_right_file_may_come_before_between_or_after(world: World, tmp_path: Path, order: str) -> None:
    """The same calls by their ids, with other ends: whichever came first is known, and the other counts in the end."""
    number = 0
    for step in order.split():
        if step == "undo":
            undo_file(world.room, number, "lead", world.now)
        elif step == "right":
            bring(world, "right.csv", RIGHT)
        else:
            number = bring(world, "wrong.csv", WRONG, **PROMISED)
    found = live(world)
    ends = {row[0]: row[3] for row in found["touches"]}
    assert ends == {"c0": D.BUSY, "c1": D.DNC_REQUEST, "c2": D.NO_ANSWER, "c3": None}
    assert [(row[1], row[2]) for row in found["suppressions"]] == [("dnc_request", T0 + HOUR)]
    assert (found["sales"], found["promises"]) == ([], [])
    assert {value for value, place in found["call_list"].items() if place[2] == "denied"} == {phone(1)}
    assert not [value for value, place in found["sms"].items() if place[1] == "dead"]
    give_back(world.room, 1, "lead", world.now)
    assert [entry.number for entry in world.pull("call").entries] == [phone(3)]


def test_a_file_of_tokens_that_nobody_knows_does_not_keep_the_right_one_out(world: World) -> None:
    stray = bring(world, "stray.csv", RIGHT, tokens=False)
    assert bring(world, "right.csv", RIGHT) == stray + 1
    assert {row[3] for row in live(world)["touches"]} == {None}, "known by their ids"
    done = undo_file(world.room, stray, "lead", world.now)
    assert (done.calls, done.customers, done.brought_by_others) == (3, 0, 3)
    assert [row[3] for row in live(world)["touches"]] == [D.BUSY, D.DNC_REQUEST, D.NO_ANSWER, None]
    with world.ledger.read() as connection:
        assert connection.execute(select(spare_call)).all() == []


def test_a_file_that_is_undone_while_it_comes_in_stays_undone(desk: World) -> None:
    number = bring(desk, "wrong.csv", WRONG)
    undo_file(desk.room, number, "lead", desk.now)
    rows = list(FORMATS["generic_csv"].read(results(desk, "rest.csv", RIGHT), desk.room.dialler(None)))
    with pytest.raises(CampaignError, match="undone while it came in"):
        record_dispositions(desk.room, rows, desk.now, "generic_csv", number)
    assert {row[3] for row in live(desk)["touches"]} == {None}


def test_what_others_said_meanwhile_stays(world: World) -> None:
    """A person's suppression for the same reason, older calls', and a later call with the same word on the number."""
    wrong: list[Line] = [(0, D.DNC_REQUEST, T0, "1"), (1, D.INVALID_NUMBER, T0, "2"), (2, D.DNC_REQUEST, T0, "4")]
    number = bring(world, "wrong.csv", wrong)
    with world.ledger.write() as connection:
        assert not suppressions.suppress(connection, 1, None, 0, "dnc_request", "anna", world.now)
        record_past_calls(connection, [PastCall("c2", phone(2), T0 - DAY, D.DNC_REQUEST, "crm", "1")])
    bring(world, "also.csv", [(1, D.WRONG_NUMBER, T0 + HOUR, "3")])
    undo_file(world.room, number, "lead", world.now)
    found = live(world)
    assert [row[:2] for row in found["suppressions"]] == [(1, "dnc_request"), (3, "dnc_request")]
    assert found["call_list"][phone(1)][1] == found["sms"][phone(1)][1] == "dead"
    assert found["call_list"][phone(0)][2] == "granted", "the suppression keeps them from everything"


def test_a_no_that_came_as_a_report_meanwhile_stays(world: World) -> None:
    number = bring(world, "wrong.csv", WRONG)
    token = make_token(world.room.token_key, Kind.TOUCH, world.touches("call")[0].id)
    record_reports(world.room, [Event(token, int(Side.UNSUBSCRIBED), T0, "page", "e1")], world.now)
    undo_file(world.room, number, "lead", world.now)
    assert address_words(world, "call_list")[phone(0)][2] == "denied"


def test_what_a_report_said_of_a_call_counts_again(world: World) -> None:
    token = make_token(world.room.token_key, Kind.TOUCH, world.touches("call")[2].id)
    record_reports(world.room, [Event(token, int(Outcome.REPLIED), T0, "portal", "e1")], world.now)
    before = live(world)
    undo_file(world.room, bring(world, "wrong.csv", WRONG), "lead", world.now)
    assert live(world) == before
    assert world.touches("call")[2].outcome == Outcome.REPLIED


def test_a_no_of_two_files_stands_while_either_counts(world: World) -> None:
    """Though the instruction ended for a moment when the first was undone: that nobody lifted it."""
    no: list[Line] = [(0, D.DNC_REQUEST, T0, "1")]
    first = bring(world, "wrong.csv", no)
    bring(world, "right.csv", [*no, (1, D.BUSY, T0, "5")])
    at(world, 2 * HOUR)
    undo_file(world.room, first, "lead", world.now)
    second = bring(world, "wrong too.csv", [(0, D.DNC_REQUEST, T0 + 2 * HOUR, "6")])
    undo_file(world.room, second, "lead", world.now)
    assert live(world)["suppressions"] == [(1, "dnc_request", T0)]


def test_a_no_that_somebody_lifted_does_not_come_back(world: World) -> None:
    bring(world, "right.csv", [(0, D.DNC_REQUEST, T0, "1")])
    at(world, 2 * HOUR)
    with world.ledger.write() as connection:
        assert suppressions.unsuppress(connection, 1, None, None, "anna", world.now) == 1
    at(world, 3 * HOUR)
    wrong = bring(world, "wrong.csv", [(0, D.DNC_REQUEST, T0, "6")])
    assert len(live(world)["suppressions"]) == 1
    assert undo_file(world.room, wrong, "lead", world.now).suppressions == 1
    assert live(world)["suppressions"] == []


def test_who_was_imported_meanwhile_waits_for_the_next_import(world: World) -> None:
    number = bring(world, "wrong.csv", WRONG)
    new = {"customer": 1, "channel": CHANNEL_CODES["call_list"], "value": phone(9), "state": 0, "preference": 2}
    new |= {"consent": int(Consent.DENIED), "consent_source": "inherited", "consent_at": T0 + HOUR}
    with world.ledger.write() as connection:
        connection.execute(update(t.customer).values(imported_at=world.now + HOUR))
        connection.execute(insert(t.address).values([new, new | {"customer": 2, "value": phone(8)}]))
    at(world, 3 * HOUR)
    done = undo_file(world.room, number, "lead", world.now)
    assert (done.addresses, done.stays.addresses_to_import) == (0, 3)
    places = address_words(world, "call_list")
    assert (places[phone(9)][2], places[phone(8)][2]) == ("unknown", "denied"), "whose no it was, and somebody else's"
    assert (places[phone(1)][1], places[phone(0)][2]) == ("replaced", "unknown"), "neither is called"


def test_what_was_withdrawn_erased_or_closed_is_said_and_stays(world: World) -> None:
    world.start(plan_text("  - {wave: notice, channels: [call_list], release: 2h, listen: 9d}\n", name="other"))
    world.advance()
    at(world, 2 * HOUR)
    number = bring(world, "wrong.csv", WRONG)
    world.pull("notice", name="other")
    seal = sealer(world.room.token_key)
    with world.ledger.write() as connection:
        subject = stop_for_good(connection, "c3", seal, world.now)
        assert erase(connection, "c3", subject, seal, "lead", world.now)
    give_back(world.room, 1, "lead", world.now)
    world.advance(T0 + 6 * DAY)
    world.ledger.set_now(world.now)
    with world.ledger.read() as connection:
        before = call_undo.stays(connection, number)
    assert before == Stays(4, 1, 1, 1, 0)
    assert undo_file(world.room, number, "lead", world.now).stays == before
    assert {row[0]: row[3] for row in live(world)["touches"] if row[0] in ("c0", "c1", "c2")} == dict.fromkeys(
        ("c0", "c1", "c2")
    )
    with world.ledger.read() as connection:
        kept = connection.execute(select(reversed_call.c.number).order_by(reversed_call.c.event)).scalars().all()
        assert kept == [phone(0), phone(1), phone(2), None]
        states = set(connection.scalars(select(t.wave.c.state).where(t.wave.c.name == "call")))
    assert states == {"closed"}


def test_a_file_that_names_a_known_call_of_somebody_erased_tells_no_number(world: World) -> None:
    bring(world, "noon.csv", [(0, D.CONNECTED_OTHER, T0, "1")])
    evening = results(world, "evening.csv", [(0, D.SALE, T0, "1")], number=phone(0))
    seal = sealer(world.room.token_key)
    with world.ledger.write() as connection:
        assert erase(connection, "c0", stop_for_good(connection, "c0", seal, T0), seal, "lead", T0)
    import_results(world.room, evening, None, "lead", world.now)
    with world.ledger.read() as connection:
        assert list(connection.scalars(select(spare_call.c.number))) == [None]


def test_the_lead_sees_files_undoes_one_and_may_insist(desk: World) -> None:
    path = results(desk, "monday.csv", WRONG)
    first = json.loads(said(desk, "dispositions", "import", str(path), "--by", "lead", "--json"))
    untimed = ["agreed to be called back, and the file says no time, so not promised: 1"]
    assert first == {"file": 1, "new": 4, "known": 0, "unknown_touch": 0, "late": 0, "notes": untimed}
    again = said(desk, "dispositions", "import", str(path))
    assert "imported before as file 1" in again
    assert "file 1: 0 new calls, 4 known already" in again
    undone = said(desk, "dispositions", "undo", "1", "--by", "anna")
    assert "file 1 is undone: 4 calls of 4 customers reversed" in undone
    assert "1 suppression ended, 3 addresses as before, 1 conversion reversed, 0 promised calls called off" in undone
    with pytest.raises(CampaignError, match="undone by anna at"):
        said(desk, "dispositions", "undo", "1")
    with pytest.raises(CampaignError, match=r"imported as file 1, and undone by anna .*--again"):
        said(desk, "dispositions", "import", str(path))
    with pytest.raises(CampaignError, match="there is no file 7"):
        said(desk, "dispositions", "undo", "7")
    assert json.loads(said(desk, "report", "test", "--json"))["value"] == [], "a sale that never was is no refund"
    assert "file 2: 4 new calls" in said(desk, "dispositions", "import", str(path), "--again")
    assert [(w["conversions"], w["refunded"]) for w in json.loads(said(desk, "report", "test", "--json"))["value"]] == [
        (1, 0)
    ]
    files = json.loads(said(desk, "dispositions", "files", "--json"))["files"]
    assert [(f["id"], f["name"], f["calls"], f["counted"], f["undone_by"]) for f in files] == [
        (2, "monday.csv", 4, 4, None),
        (1, "monday.csv", 4, 0, "anna"),
    ]
    assert "by anna" in said(desk, "dispositions", "files")
    told = said(desk, "why", "test", "c2")
    assert "sale (does not count: file 1 was undone" in told
    assert "sale (from generic_csv)" in told
    with desk.ledger.read() as connection:
        audit = connection.execute(select(t.audit.c.who, t.audit.c.did, t.audit.c.what)).tuples().all()
        raw = connection.scalars(select(t.event.c.raw).where(t.event.c.touch.is_(None))).all()
    kept = [row for row in audit if row[1].startswith("dispositions")]
    assert kept[:2] == [("lead", "dispositions import", "file 1"), ("anna", "dispositions undo", "file 1")]
    assert {json.loads(one)["undone_with_file"] for one in raw} == {1}


@pytest.mark.parametrize(
    ("when", "recalled", "late"),
    [(2 * HOUR, False, 0), (2 * HOUR, True, 1), (4 * HOUR, False, 1), (9 * HOUR, False, 1)],
    ids=["in time", "recalled", "returned", "over"],
)
def test_a_call_made_too_late_counts_and_is_flagged(world: World, when: timedelta, recalled: bool, late: int) -> None:
    if recalled:
        recall(world.room, 1, "lead", world.now, "c0")
    at(world, 3 * HOUR)
    if when != 9 * HOUR:
        give_back(world.room, 1, "lead", world.now)
    at(world, 10 * HOUR)
    path = results(world, "late.csv", [(0, D.NO_ANSWER, T0 + when, "1"), (1, D.NOT_ATTEMPTED, T0 + 9 * HOUR, "2")])
    found = import_results(world.room, path, None, "lead", world.now)
    assert (found.recorded.new, found.recorded.late) == (2, late)
    assert touch_words(world, "call")["c0"][0][2] == "no_answer"
    with world.ledger.read() as connection:
        [file] = call_files(connection)
        assert file.late == late
        assert list(connection.scalars(select(t.call.c.late).order_by(t.call.c.at))) == [bool(late), False]


def test_what_stays_and_what_is_late_is_said(desk: World) -> None:
    at(desk, 10 * HOUR)
    path = results(desk, "late.csv", [(0, D.DNC_REQUEST, desk.now, "1")])
    assert "1 call made late, after the list was over" in said(desk, "dispositions", "import", str(path))
    assert "dnc_request (from generic_csv, made after its list was over" in said(desk, "why", "test", "c0")
    give_back(desk.room, 1, "lead", desk.now)
    desk.advance(T0 + 6 * DAY)
    desk.ledger.set_now(desk.now)
    only = said(desk, "dispositions", "undo", "1", "--dry-run")
    assert "cannot be taken back: 1 call of waves that are over" in only
    assert "file 1 is as it was" in only
    assert json.loads(said(desk, "dispositions", "undo", "1", "--dry-run", "--json"))["stays"]["erased_customers"] == 0
    text = said(desk, "dispositions", "undo", "1", "--by", "lead")
    assert "was not taken back: 1 call of waves that are over" in text


def test_what_nobody_can_have_done_is_told_whatever_the_file(desk: World) -> None:
    lines = [(0, D.BUSY, T0 - HOUR, "1"), (1, D.CALLBACK_AGREED, T0, "2"), (2, D.BUSY, T0 + DAY, "3")]
    found = import_results(desk.room, results(desk, "odd.csv", lines), None, "lead", desk.now)
    assert found.notes == (
        "calls later than now (is the zone of their times right?): 1",
        "calls from before their list was pulled (is the zone of their times right?): 1",
        "agreed to be called back, and the file says no time, so not promised: 1",
    )
    (note,) = import_results(
        desk.room, results(desk, "later.csv", [(0, D.SALE, T0, "1")]), None, "lead", desk.now
    ).notes
    assert note == "known already with another result, which counts until its file is undone: 1"
