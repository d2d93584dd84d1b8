"""Tasks for people: recorded once, durably, on their owners' lists, with nothing in them that a program would run."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest

from channels.forgetting import forget_in_outbox
from channels.im_tasks import CLOSED
from channels.registry import open_channel
from channels.results_file import read_results
from channels.task_record import TaskRecord, read_tasks
from channels.worklists import list_name, write_worklists
from tests.builders import T0
from waves.errors import InputError
from waves.message import Message
from waves.outcomes import Action, Reason
from waves.senders import Sender

FIELDS = {"visit": {"subject": "Renewal", "body": "Offer 24 months.\nAsk for the roof."}, "im": {"body": "Hello"}}
TO = {"visit": "1 Long Street, Springfield", "im": "qq:12345678"}
PROVIDERS = {"visit": "visit_tasks", "im": "im_tasks"}


def opened(home: Path, channel: str = "visit") -> TaskRecord:
    sender = Sender(sender="by_hand", channel=channel, provider=PROVIDERS[channel])
    made = open_channel(sender, home / "outbox")
    assert isinstance(made, TaskRecord)
    return made


def task(token: str = "A" * 20, channel: str = "visit", **more: Any) -> Message:
    made = {"address": TO[channel], "name": "Ada", "language": "en", "campaign": "c", "wave": "w", "owner": "Anna Bell"}
    fields = more.pop("fields", FIELDS[channel])
    return Message(token=token, channel=channel, fields=fields, until=T0 + timedelta(days=2), **{**made, **more})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lists(home: Path, folder: str = "visits") -> dict[str, list[dict[str, str]]]:
    return {path.stem: rows(path) for path in sorted((home / folder).glob("*.csv"))}


def test_a_task_is_recorded_listed_and_in_a_calendar(tmp_path: Path) -> None:
    visits = opened(tmp_path)
    (receipt,) = visits.send([task()], T0)
    assert receipt.result == "accepted"
    ((row,),) = lists(tmp_path).values()
    assert row == {
        "token": "A" * 20,
        "state": "open",
        "due": "2026-12-03T09:00:00+00:00",
        "name": "Ada",
        "address": TO["visit"],
        "language": "en",
        "subject": "Renewal",
        "text": "Offer 24 months. / Ask for the roof.",
        "campaign": "c",
        "wave": "w",
        "result": "",
        "at": "",
        "by": "",
        "note": "",
    }
    (path,) = (tmp_path / "visits").glob("*/*.ics")
    (todo,) = icalendar.Calendar.from_ical(path.read_bytes()).walk("VTODO")
    assert todo["uid"] == "A" * 20
    assert todo.decoded("due") == T0 + timedelta(days=2)
    assert todo["summary"] == "Ada: Renewal"
    assert todo["description"] == FIELDS["visit"]["body"]
    assert todo["location"] == TO["visit"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.rglob("*.*") if file.is_file())


def test_a_token_is_recorded_once_however_often_it_is_sent(tmp_path: Path) -> None:
    visits = opened(tmp_path)
    for _ in range(2):
        assert [r.result for r in visits.send([task(), task("B" * 20)], T0)] == ["accepted", "accepted"]
    assert len(read_tasks(visits.path)) == 2
    assert [len(each) for each in lists(tmp_path).values()] == [2]
    assert set(visits.find(["A" * 20, "C" * 20])) == {"A" * 20}
    assert opened(tmp_path).find(["B" * 20])["B" * 20].result == "accepted"


def test_a_line_that_its_writer_was_killed_in_was_never_recorded(tmp_path: Path) -> None:
    visits = opened(tmp_path)
    visits.send([task()], T0)
    with visits.path.open("ab") as file:
        file.write(b'{"token": "' + b"B" * 20 + b'", "channel": "vi')
    assert set(visits.find(["A" * 20, "B" * 20])) == {"A" * 20}
    visits.send([task("B" * 20)], T0)
    assert [line["token"] for line in read_tasks(visits.path)] == ["A" * 20, "B" * 20]


def test_workers_who_send_at_once_record_each_task_once(tmp_path: Path) -> None:
    tokens = [f"T{n:03d}" for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda n: opened(tmp_path).send([task(t) for t in tokens[n:]], T0, 60.0), range(4)))
    assert {r.result for some in receipts for r in some} == {"accepted"}
    assert sorted(str(line["token"]) for line in read_tasks(opened(tmp_path).path)) == tokens
    assert sorted(row["token"] for each in lists(tmp_path).values() for row in each) == tokens


def test_a_full_disk_is_not_sent_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    visits, whole = opened(tmp_path), os.write
    monkeypatch.setattr("os.write", lambda handle, content: whole(handle, content[:10]))
    (receipt,) = visits.send([task()], T0)
    monkeypatch.undo()
    assert (receipt.result, receipt.action) == ("not_sent", Action.RETRY)
    assert visits.find(["A" * 20]) == {}
    assert lists(tmp_path) == {}


def test_a_list_that_cannot_be_written_changes_no_receipt_and_is_made_anew(tmp_path: Path) -> None:
    visits = opened(tmp_path)
    blocked = tmp_path / "visits" / f"{list_name('Anna Bell')}.csv"
    blocked.mkdir()
    assert [r.result for r in visits.send([task()], T0)] == ["accepted"]
    blocked.rmdir()
    assert write_worklists(tmp_path / "visits", read_tasks(visits.path), lambda line: "open") == 1
    assert len(rows(blocked)) == 1


def test_what_waits_too_long_for_the_lock_is_not_sent(tmp_path: Path) -> None:
    assert [r.result for r in opened(tmp_path).send([task()], T0, within_s=-1.0)] == ["not_sent"]


def test_nothing_in_a_name_or_text_becomes_a_formula_a_line_or_a_path(tmp_path: Path) -> None:
    nasty = {
        "name": "=HYPERLINK(1)\r\nATTENDEE:evil",
        "owner": "../../etc/=cmd",
        "address": "@here\nUID:other",
        "fields": {"subject": "+1;=1", "body": "-2\r\nBEGIN:VALARM\x00\n\n=3"},
    }
    opened(tmp_path).send([task(**nasty)], T0)
    ((row,),) = lists(tmp_path).values()
    assert (row["name"][0], row["address"][0], row["subject"][0], row["text"][0]) == ("'", "'", "'", "'")
    assert len((next((tmp_path / "visits").glob("*.csv"))).read_bytes().split(b"\r\n")) == 3
    (path,) = tmp_path.rglob("*.ics")
    assert path.parent.parent == tmp_path / "visits"
    assert {p.parent for p in tmp_path.rglob("*.csv")} == {tmp_path / "visits"}
    (todo,) = icalendar.Calendar.from_ical(path.read_bytes()).walk("VTODO")
    assert todo["uid"] == "A" * 20
    assert "attendee" not in todo
    assert not todo.subcomponents


@pytest.mark.parametrize(
    ("one", "other"), [("a/b", "a_b"), ("Anna", "Anna "), ("Олена", "Олена."), ("x" * 80, "x" * 81)]
)
def test_two_owners_never_share_a_list(one: str, other: str) -> None:
    assert list_name(one) != list_name(other)
    assert all(len(list_name(name).encode()) < 200 and "/" not in list_name(name) for name in (one, other))
    assert list_name("Олена") == "Олена"


@pytest.mark.parametrize(
    ("message", "reason", "says"),
    [
        (task(owner=None), Reason.NOT_CAPABLE, "no account manager"),
        (task(owner=" "), Reason.NOT_CAPABLE, "no account manager"),
        (task(fields={"subject": "", "body": "x"}), Reason.CONTENT, None),
        (task(fields={"subject": "x", "body": " "}), Reason.CONTENT, None),
        (task(fields={"subject": "x", "body": "\ud800"}), Reason.CONTENT, None),
        (task(address=" "), Reason.INVALID_ADDRESS, None),
        (task(token='x"/../y'), Reason.CONFIG, None),
        (task(channel="im", address="12345"), Reason.INVALID_ADDRESS, "names no service"),
        *[
            (task(channel="im", address=f"{name.upper()}: a b"), Reason.NOT_CAPABLE, said)
            for name, said in CLOSED.items()
        ],
    ],
)
def test_what_nobody_can_do_is_refused_alone_and_falls_through(
    tmp_path: Path, message: Message, reason: Reason, says: str | None
) -> None:
    good = task("G" * 20, message.channel)
    refused, taken = opened(tmp_path, message.channel).send([message, good], T0)
    assert (refused.result, refused.reason, refused.action) == ("refused", reason, Action.NEXT_CHANNEL)
    assert (says or "") in (refused.provider_ref or "")
    assert taken.result == "accepted"


def test_an_im_without_an_owner_is_on_everybodys_list(tmp_path: Path) -> None:
    opened(tmp_path, "im").send([task(channel="im", owner=None), task("B" * 20, "im")], T0)
    found = lists(tmp_path, "im")
    assert {name: [row["address"] for row in each] for name, each in found.items()} == {
        "everybody": ["qq:12345678"],
        list_name("Anna Bell"): ["qq:12345678"],
    }
    assert list(tmp_path.rglob("*.ics")) == []


def test_a_list_made_anew_keeps_what_was_written_into_it(tmp_path: Path) -> None:
    visits = opened(tmp_path)
    visits.send([task(), task("B" * 20)], T0)
    (path,) = (tmp_path / "visits").glob("*.csv")
    text = path.read_text().splitlines()
    text[1] = text[1].removesuffix(",,,,") + ',visited,,,"\'=good, tea"'
    path.write_text("\ufeff" + "\r\n".join(text) + "\r\n")
    write_worklists(tmp_path / "visits", read_tasks(visits.path), lambda line: f"void: {line['token']}")
    first, second = rows(path)
    assert (first["result"], first["note"], first["state"]) == ("visited", "'=good, tea", f"void: {'A' * 20}")
    assert (second["result"], second["state"]) == ("", f"void: {'B' * 20}")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_list_that_a_spreadsheet_saved_its_own_way_keeps_what_was_written_into_it(
    tmp_path: Path, separator: str
) -> None:
    visits = opened(tmp_path)
    visits.send([task()], T0)
    (path,) = (tmp_path / "visits").glob("*.csv")
    (row,) = rows(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        again = csv.DictWriter(file, list(row), delimiter=separator)
        again.writeheader()
        again.writerow(row | {"result": "visited", "note": "tea, and cake; twice"})
    visits.send([task("B" * 20)], T0)
    write_worklists(tmp_path / "visits", read_tasks(visits.path), lambda line: "open")
    assert [(one["token"], one["result"], one["note"]) for one in rows(path)] == [
        ("A" * 20, "visited", "tea, and cake; twice"),
        ("B" * 20, "", ""),
    ]


def test_a_line_that_was_forgotten_is_on_no_list(tmp_path: Path) -> None:
    visits = opened(tmp_path)
    visits.send([task(), task("B" * 20, name="Bob")], T0)
    forget_in_outbox(tmp_path / "outbox", lambda line: line["token"] == "A" * 20)
    assert [line["name"] for line in read_tasks(visits.path)] == ["Bob"]
    assert set(visits.find(["A" * 20])) == {"A" * 20}, "it was sent all the same"
    assert "Ada" not in visits.path.read_text()


def test_results_are_read_from_a_list_that_came_back(tmp_path: Path) -> None:
    path = tmp_path / "back.csv"
    path.write_text(
        "token;state;result;at;note\nAAA;open;Visited;;'=nice\nBBB;open;;;\nCCC;open;stop;2026-12-01T10:00Z;\n"
    )
    assert [(r.line, r.token, r.result, r.at and r.at.hour, r.note) for r in read_results(path)] == [
        (2, "AAA", "visited", None, "=nice"),
        (4, "CCC", "stop", 10, None),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("token,result\nAAA,visitd\n", "2: unknown result 'visitd'; did you mean visited"),
        ("token,result\n,visited\n", "2: token is empty"),
        ("token,result,at\nA,visited,yesterday\n", "2: at 'yesterday' is no time"),
        ("token,outcome\nA,visited\n", "1: column result is missing"),
    ],
)
def test_a_result_that_is_not_understood_is_said_never_guessed(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "back.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_results(path)


def test_the_record_begins_with_the_token(tmp_path: Path) -> None:
    visits = opened(tmp_path)
    visits.send([task()], T0)
    assert next(iter(json.loads(visits.path.read_text()))) == "token"
