"""A list that is out: how fresh it is, exactly whom a recall names, and who may be listed again when."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from flows.switching import halt
from ledger import tables as t
from ledger.calls import Call, entry_touches, record_calls
from ledger.dial_lists import entries_of
from tests.builders import DAY, HOUR, RULES, T0, World, make_world, phone, plan_text, put, reachable
from tests.commands import said
from tests.steps import convert, phoned, suppress, touch_of, touch_words
from waves.dispositions import Disposition
from waves.errors import CampaignError, InputError

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[World]:
    """Five customers on one list, an hour after it was pulled."""
    made = make_world(tmp_path / "home")
    put(made.ledger, [reachable(n, value=float(-n)) for n in range(5)])
    made.start(plan_text(CALL))
    made.advance()
    made.pull("call")
    at(made, HOUR)
    yield made
    made.ledger.close()


def at(world: World, after: timedelta) -> None:
    world.now = T0 + after
    world.ledger.set_now(world.now)


def told(world: World, *words: str) -> Any:
    return json.loads(said(world, "dial-list", *words, "--json"))


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def in_file(path: str) -> list[tuple[str, str]]:
    return sorted((row["phone"], row["reason"]) for row in rows_of(path))


def test_a_recall_names_exactly_those_who_changed_since_the_download(desk: World) -> None:
    assert "fresh: nobody on it is to be left alone" in said(desk, "dial-list", "show", "1")
    convert(desk, "c1")
    suppress(desk, "c3")
    phoned(desk, "call", "c4", Disposition.DNC_REQUEST, T0 + HOUR)
    shown = told(desk, "show", "1")
    assert shown["stale"] == {"converted": 1, "suppressed": 2}
    assert (shown["standing"]["entries"], shown["standing"]["active"]) == (5, 5)
    assert "2 suppressed, 1 converted; run: multiwave dial-list recall 1" in said(desk, "dial-list", "show", "1")
    first = told(desk, "recall", "1")
    assert first["recalled"] == {"converted": 1, "suppressed": 2}
    assert in_file(first["file"]) == [(phone(1), "converted"), (phone(3), "suppressed"), (phone(4), "suppressed")]
    files = {Path(first["file"]).name: 3}
    again = {"list": 1, "file": None, "recalled": {}, "files": files}
    assert told(desk, "recall", "1") == again, "nobody is named twice"
    one = told(desk, "recall", "1", "--customer", "c0")
    assert in_file(one["file"]) == [(phone(0), "by_lead")]
    assert one["file"] != first["file"]


def test_the_recalled_hold_their_customer_until_the_dialler_took_them_off(desk: World) -> None:
    told(desk, "recall", "1", "--customer", "c0")
    assert desk.pull("call").pulled.waiting["on_a_list"] == 5
    assert "1 recalled entries hold nobody any more" in said(desk, "dial-list", "recall", "1", "--done")
    assert told(desk, "recall", "1", "--done") == {"list": 1, "taken_off": 0}
    assert [entry.number for entry in desk.pull("call").entries] == [phone(0)]
    assert told(desk, "show", "1")["standing"]["recalled"] == {"by_lead": 1}
    assert "1 returned: 0 called, 4 not, who may be listed again at once; 1 more had" in said(
        desk, "dial-list", "return", "1"
    )


def test_recalled_people_are_not_fresh_before_the_dialler_took_them_off(desk: World) -> None:
    suppress(desk, "c1")
    file = Path(told(desk, "recall", "1")["file"]).name
    for words in (("recall", "1"), ("show", "1"), ("recall", "1", "--customer", "c1")):
        said_ = said(desk, "dial-list", *words)
        assert f"1 recalled and not yet --done; file {file}" in said_
        assert "fresh" not in said_
    said(desk, "dial-list", "recall", "1", "--done")
    assert "list 1 is fresh" in said(desk, "dial-list", "recall", "1")
    assert "fresh: nobody on it" in said(desk, "dial-list", "show", "1")


def test_who_an_earlier_list_rang_after_all_is_to_be_left_alone(desk: World) -> None:
    told(desk, "recall", "1", "--all")
    told(desk, "recall", "1", "--done")
    desk.pull("call", team="south")
    at(desk, 2 * HOUR)
    with desk.ledger.write() as connection:
        touches = entry_touches(connection, {1, 2, 3})
        for entry, ago in ((1, HOUR / 2), (2, 3 * HOUR / 2)):  # the second before the new list was pulled
            call = Call(Disposition.NO_ANSWER, desk.now - ago, f"late {entry}", "test", touches[entry], entry)
            record_calls(connection, [call], RULES, desk.now)
    assert told(desk, "show", "2")["stale"] == {"called": 1}
    assert len(in_file(told(desk, "recall", "2")["file"])) == 1


def test_a_recall_that_is_done_frees_those_of_its_own_file(desk: World) -> None:
    lead, other = (told(desk, "recall", "1", *words)["file"] for words in (("--customer", "c3"), ("--all",)))
    assert len(in_file(other)) == 5, "the one who is on another file as well stays with that one"
    with pytest.raises(
        CampaignError, match=r"recall-1.csv \(1 held still\), .*recall-2.csv \(4 held still\); say which"
    ):
        said(desk, "dial-list", "recall", "1", "--done")
    with pytest.raises(CampaignError, match=r"is called x\.csv; its recalls: test-call-list-1-"):
        said(desk, "dial-list", "recall", "1", "--done", "--file", "x.csv")
    with pytest.raises(InputError, match="write it with --done"):
        said(desk, "dial-list", "recall", "1", "--file", lead)
    assert told(desk, "recall", "1", "--done", "--file", lead)["taken_off"] == 1
    assert told(desk, "show", "1")["standing"]["files"] == {Path(lead).name: 0, Path(other).name: 4}
    with pytest.raises(CampaignError, match="say which"):
        said(desk, "dial-list", "recall", "1", "--done")
    assert [entry.number for entry in desk.pull("call", team="south").entries] == [phone(3)]
    assert told(desk, "recall", "1", "--done", "--file", Path(other).name)["taken_off"] == 4


@pytest.mark.parametrize("ended", ["closed", "stopped", "aborted", "over"])
def test_of_a_wave_that_is_over_a_return_lists_nobody_again(desk: World, ended: str) -> None:
    with desk.ledger.write() as connection:
        values = {"closed": {"state": "closed"}, "stopped": {"stopped_at": desk.now}, "over": {"closes": desk.now}}
        connection.execute(
            update(t.campaign).values(state="aborted") if ended == "aborted" else update(t.wave).values(values[ended])
        )
    told = said(desk, "dial-list", "return", "1")
    assert "list 1 returned: 0 called, 5 not, and nobody is listed again: the wave is over" in told


def test_a_halted_segment_is_to_be_taken_off_the_lists_that_are_out(desk: World) -> None:
    (desk.config / "segments" / "two.yaml").write_text("segment: two\ntitle: Two\nwhere: value in (-1, -3)\n")
    done = halt(desk.room, "segment:two", "a storm", "ann", lambda done, of: None)
    assert done.lists_out == (1,)
    assert told(desk, "show", "1")["stale"] == {"halted": 2}
    assert in_file(told(desk, "recall", "1")["file"]) == [(phone(1), "halted"), (phone(3), "halted")]


@pytest.mark.parametrize("scope", ["everything", "channel:call_list", "campaign:test", "wave:test/call"])
def test_a_list_that_a_switch_stops_is_to_be_taken_off_whole(desk: World, scope: str) -> None:
    assert halt(desk.room, scope, "a storm", "ann", lambda done, of: None).lists_out == (1,)
    assert told(desk, "show", "1")["stale"] == {"halted": 5}
    assert len(in_file(told(desk, "recall", "1")["file"])) == 5


@pytest.mark.parametrize(("ended", "words"), [("stopped", ("stop", "test", "call")), ("aborted", ("abort", "test"))])
def test_who_is_on_a_list_of_what_was_stopped_for_good_is_to_be_taken_off(
    desk: World, ended: str, words: tuple[str, ...]
) -> None:
    assert "dial list 1 is out, and its dialler goes on" in said(desk, "pause", "test")
    assert "dial list 1 is out: call it back" in said(desk, *words)
    assert told(desk, "show", "1")["stale"] == {ended: 5}
    assert [why for _, why in in_file(told(desk, "recall", "1")["file"])] == [ended] * 5


def test_a_list_is_shortened_from_its_end_when_agents_are_absent(desk: World) -> None:
    with desk.ledger.read() as connection:
        order = [entry.number for entry in entries_of(connection, 1)]
    phoned(desk, "call", f"c{int(order[4][-2:])}", Disposition.BUSY, T0 + HOUR, listed=True)
    first = told(desk, "recall", "1", "--last", "2")
    assert [number for number, _ in in_file(first["file"])] == sorted(order[2:4]), "the last one was dialled"
    said(desk, "dial-list", "recall", "1", "--done")
    assert sorted(entry.number for entry in desk.pull("call", team="south").entries) == sorted(order[2:4])
    assert len(in_file(told(desk, "recall", "1", "--last", "9")["file"])) == 2


def test_a_late_result_of_a_recalled_entry_counts(desk: World) -> None:
    told(desk, "recall", "1", "--customer", "c0")
    told(desk, "recall", "1", "--done")
    phoned(desk, "call", "c0", Disposition.NO_ANSWER, T0 + HOUR)
    assert touch_words(desk, "call")["c0"][0][1:3] == ("queued", "no_answer")
    assert desk.pull("call").entries == [], "it rang: the next attempt waits its time"


def test_the_whole_list_is_recalled_and_comes_back(desk: World) -> None:
    assert len(in_file(told(desk, "recall", "1", "--all")["file"])) == 5
    assert "list 1 returned: 0 called, 5 not" in said(desk, "dial-list", "return", "1")
    with pytest.raises(CampaignError, match="was returned at"):
        said(desk, "dial-list", "recall", "1", "--all")
    assert "returned" in said(desk, "dial-list", "show", "1")


def test_a_list_is_made_longer_and_one_customer_put_on_it_at_once(desk: World) -> None:
    said(desk, "dial-list", "return", "1")
    first = told(desk, "pull", "test", "call", "--team", "north", "--size", "2")
    more = told(desk, "extend", "2", "--size", "1")
    assert set(first) - set(more) == {"worth_an_agent_hour", "gap"}, "of a list that is dealt out to the teams"
    assert (more["list"], more["entries"]) == (2, 1)
    assert more["file"] != first["file"]
    one = told(desk, "extend", "2", "--customer", "c4")
    rows = [row for cut in (first, more, one) for row in rows_of(cut["file"])]
    assert {row["phone"] for row in rows[:2]} == {phone(0), phone(1)}
    assert [row["phone"] for row in rows[2:]] == [phone(2), phone(4)]
    assert [(row["rank"], row["list"]) for row in rows] == [(str(rank), "2") for rank in range(1, 5)]
    for who, why in (("c4", "they are on list 2"), ("nobody", "there is no such customer")):
        with pytest.raises(CampaignError, match=f"customer {who} cannot be put on list 2 now: {why}"):
            said(desk, "dial-list", "extend", "2", "--customer", who)
    suppress(desk, "c3")
    with pytest.raises(CampaignError, match="c3 cannot be put on list 2 now: suppressed"):
        said(desk, "dial-list", "extend", "2", "--customer", "c3")
    assert "list 2 returned: 0 called, 4 not" in said(desk, "dial-list", "return", "2")
    with pytest.raises(CampaignError, match="dial list 2 was returned at"):
        said(desk, "dial-list", "extend", "2", "--size", "1")
    with pytest.raises(InputError, match="how many more"):
        said(desk, "dial-list", "extend", "2")


def test_mistakes_are_told(desk: World) -> None:
    with pytest.raises(CampaignError, match="there is no dial list 9"):
        said(desk, "dial-list", "show", "9")
    with pytest.raises(InputError, match="--by is empty"):
        said(desk, "dial-list", "return", "1", "--by", " ")
    with pytest.raises(CampaignError, match="customer nobody is not on dial list 1"):
        said(desk, "dial-list", "recall", "1", "--customer", "nobody")
    with pytest.raises(InputError, match="give one of them"):
        said(desk, "dial-list", "recall", "1", "--all", "--done")


def promise(world: World, key: str, hour: int, until: float) -> None:
    touch, at_ = touch_of(world, "call", key, "call_list").id, T0 + hour * HOUR
    call = Call(
        Disposition.CALLBACK_AGREED, at_, f"{key} {hour}", "test", touch, agent="ann", callback_at=T0 + until * HOUR
    )
    with world.ledger.write() as connection:
        record_calls(connection, [call], RULES, world.now)


def test_promises_are_kept_settled_missed_listed_or_waited_for(desk: World) -> None:
    assert "no call was promised" in said(desk, "dial-list", "callbacks")
    for key, until in (("c0", 3), ("c1", 3), ("c2", 4), ("c3", 7), ("c4", 30)):
        promise(desk, key, 1, until)
    phoned(desk, "call", "c0", Disposition.SALE, T0 + 3 * HOUR + timedelta(minutes=10))
    phoned(desk, "call", "c2", Disposition.NOT_INTERESTED, T0 + 2 * HOUR)
    phoned(desk, "call", "c1", Disposition.WRONG_TIME, T0 + 3 * HOUR)  # the dialler stopped it
    phoned(desk, "call", "c3", Disposition.NO_ANSWER, T0 + 2 * HOUR)  # whoever dialled did not know of the promise
    at(desk, 5 * HOUR)
    found = {one["customer"]: one["state"] for one in told(desk, "callbacks")["callbacks"]}
    assert found == {"c0": "kept", "c1": "missed", "c2": "settled", "c3": "listed"}
    said(desk, "dial-list", "return", "1")
    found = {one["customer"]: one["state"] for one in told(desk, "callbacks", "--hours", "48")["callbacks"]}
    assert found == {"c0": "kept", "c1": "missed", "c2": "settled", "c3": "waits", "c4": "waits"}
    assert "1 of 2 promises that came due were kept" in said(desk, "dial-list", "callbacks")
    at(desk, DAY + 5 * HOUR)
    (later,) = told(desk, "callbacks", "--ago", "1")["callbacks"]
    assert (later["customer"], later["local"]) == ("c4", {"Europe/London": "Wed 2026-12-02 15:00"})
    assert "Wed 15:00" in said(desk, "dial-list", "callbacks", "--ago", "1")


def test_a_call_before_the_promise_does_not_keep_it(desk: World) -> None:
    phoned(desk, "call", "c0", Disposition.BUSY, T0 + 2 * HOUR - timedelta(minutes=5))
    promise(desk, "c0", 2, 2.1)
    at(desk, 3 * HOUR)
    assert [one["state"] for one in told(desk, "callbacks")["callbacks"]] == ["missed"]


def states(world: World, *words: str) -> dict[str, str]:
    found = told(world, "callbacks", "--ago", "240", *words)["callbacks"]
    return {one["customer"]: one["reason"] or one["state"] for one in found}


def test_a_promise_is_void_once_nobody_is_to_call_its_customer_any_more(desk: World) -> None:
    for key, until in (("c0", 7), ("c1", 7), ("c2", 7), ("c3", 3), ("c4", 7)):
        promise(desk, key, 1, until)
    said(desk, "dial-list", "return", "1")
    at(desk, 4 * HOUR)
    for key in ("c0", "c3"):
        suppress(desk, key)
    suppress(desk, None, "call_list", value=phone(2))
    suppress(desk, "c4", until=T0 + 6 * HOUR)
    convert(desk, "c1")
    found = {"c0": "suppressed", "c1": "converted", "c2": "suppressed", "c3": "missed", "c4": "waits"}
    assert states(desk) == found, "c3 was to be called before, c4 may be called again by then"
    assert "void: suppressed" in said(desk, "dial-list", "callbacks")
    at(desk, 8 * HOUR)
    assert states(desk) == found | {"c4": "missed"}
    assert kept_of(desk) == [0, 2]
    with desk.ledger.write() as connection:
        connection.execute(t.wave.update().values(closed=T0 + 5 * HOUR))
    assert states(desk) == found | {"c4": "wave_closed"}
    assert kept_of(desk) == [0, 1]


def kept_of(world: World) -> list[int]:
    rate = told(world, "stats")["rates"]["callbacks_kept"]
    return [rate["numerator"], rate["denominator"]]
