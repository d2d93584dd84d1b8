"""Nobody is in doubt in silence: `status`, `doubt ls`, `why` and the report name each one, and a person decides."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger import tables as t
from tests.builders import DAY, T0, World, make_world, plan_text, put, reachable
from tests.commands import said
from tests.doubt_steps import LOST, RIPE, WAVES, claimed, stands, tend, wire
from waves.errors import InputError


def doubtful(home: Path, policy: str) -> World:
    """Three customers in doubt, their provider asked, the plan's word spoken."""
    made = make_world(home)
    wire(made, knows={})
    claimed(made, policy, people=3)
    tend(made, LOST)
    tend(made, RIPE)
    made.ledger.set_now(RIPE)
    return made


@pytest.fixture
def held(tmp_path: Path) -> Iterator[World]:
    made = doubtful(tmp_path / "home", "hold")
    yield made
    made.ledger.close()


@pytest.fixture
def again(tmp_path: Path) -> Iterator[World]:
    made = doubtful(tmp_path / "home", "resend")
    yield made
    made.ledger.close()


def told(world: World, *words: str) -> Any:
    return json.loads(said(world, *words, "--json"))


def test_everybody_who_is_held_is_named_everywhere(held: World, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    views = [said(held, "status", "test"), said(held, "doubt", "ls", "test")]
    views.append(said(held, "report", "test", "--out", str(folder)))
    for view in views:
        assert "in doubt: 3 in doubt, 3 of them held for a person" in view
        for key in ("c0", "c1", "c2"):
            row = next(line for line in view.splitlines() if f" {key} " in line)
            wanted = ("notice", "sms", "2026-12-01 09:03Z", "unknown", "hold (plan)")
            assert [word for word in wanted if word not in row] == [], row
        assert "multiwave doubt sent|not-sent test CUSTOMER..." in view
    page = (folder / "report.html").read_text()
    assert all(f"<td>{key}</td>" in page for key in ("c0", "c1", "c2"))
    rows = list(csv.DictReader((folder / "in_doubt.csv").read_text().splitlines()))
    assert [row["customer"] for row in rows] == ["c0", "c1", "c2"]
    assert {(row["said"], row["decided"], row["state"], row["decided_by"]) for row in rows} == {
        ("unknown", "hold", "in_doubt", "plan")
    }
    for found in (told(held, "status", "test"), told(held, "doubt", "ls", "test"), told(held, "report", "test")):
        assert [one["customer"] for one in found["in_doubt"]] == ["c0", "c1", "c2"]


def test_a_resend_is_counted_and_shown(again: World) -> None:
    found = told(again, "status", "test")
    assert (found["resends"], {one["state"] for one in found["in_doubt"]}) == (3, {"queued"})
    assert "0 in doubt; 3 queued again by the plan's resend" in said(again, "status", "test")
    story = said(again, "why", "test", "c1")
    assert "in doubt since 2026-12-01 09:03Z; the provider said: unknown; decided: resend (queued again, once)" in story


def test_the_report_of_an_earlier_moment_knows_no_later_decision(held: World) -> None:
    found = told(held, "report", "test", "--as-of", (LOST).isoformat())["in_doubt"]
    assert {(one["decided"], one["said"]) for one in found} == {(None, None)}
    assert told(held, "report", "test", "--as-of", T0.isoformat())["in_doubt"] == []


def test_a_person_decides_and_is_remembered(held: World) -> None:
    assert said(held, "doubt", "sent", "test", "c0", "--by", "ann") == "1 are sent\n"
    assert said(held, "doubt", "not-sent", "test", "--all", "--wave", "notice", "--by", "ann") == "2 are queued again\n"
    assert [stands(held, key)[0] for key in ("c0", "c1", "c2")] == ["sent", "queued", "queued"]
    assert "decided: sent (it was sent), by ann 2026-12-01 09:10Z" in said(held, "why", "test", "c0")
    assert "no message of test is in doubt" in said(held, "doubt", "ls", "test")
    with held.ledger.read() as connection:
        audit = t.audit.c
        rows = list(connection.execute(select(audit.who, audit.did, audit.after).where(audit.did.like("doubt%"))))
    assert rows == [("ann", "doubt sent", "touches 1"), ("ann", "doubt not-sent", "touches 2, 3")]


def test_not_sent_after_the_close_is_over(held: World) -> None:
    held.advance(T0 + 3 * DAY)
    assert said(held, "doubt", "not-sent", "test", "c2") == "0 are queued again; 1 expired, their wave sends no more\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("test",), "say whom: customer keys, or --all"),
        (("test", "c0", "--all"), "say whom: customer keys, or --all"),
        (("test", "c0", "c7"), "nothing of c7 is held there; see: multiwave doubt ls test"),
        (("test", "--all", "--wave", "notise"), "nothing is held there"),
        (("test", "c0", "--channel", "smoke"), "there is no channel 'smoke'"),
    ],
)
def test_who_is_not_held_cannot_be_decided(held: World, words: tuple[str, ...], says: str) -> None:
    for command in ("sent", "not-sent"):
        with pytest.raises(InputError, match=says):
            said(held, "doubt", command, *words)


@pytest.mark.parametrize(
    ("policy", "channels", "notes"),
    [
        ("resend", "[sms, web_push]", ["in_doubt: resend on sms"]),
        ("{web_push: resend}", "[sms, web_push]", []),
        ("hold", "[sms]", []),
    ],
)
def test_check_says_what_a_resend_means(tmp_path: Path, policy: str, channels: str, notes: list[str]) -> None:
    """On web push alone the second message replaces the first."""
    world = make_world(tmp_path / "home")
    put(world.ledger, [reachable(0)])
    text = plan_text(WAVES.replace("[sms]", channels)).replace("hours: house\n", f"hours: house\nin_doubt: {policy}\n")
    (world.config / "plans" / "plan.yaml").write_text(text)
    found = told(world, "check", "plan")
    assert ([note[: len("in_doubt: resend on sms")] for note in found["notes"]], found["problems"]) == (notes, [])
    assert ("may get the message twice" in said(world, "check", "plan")) == bool(notes)
    assert ("may get the message twice" in said(world, "plan", "plan")) == bool(notes)
    world.ledger.close()
