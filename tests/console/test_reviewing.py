"""`hours review` at a terminal and without one; a row accepted unreviewed is shown wherever it acts."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from config import PACKAGED
from config.hours import FILE, load_hours
from console.written import hours as look_at_hours
from ledger import tables as t
from tests.builders import T0, World, make_world, plan_text, put, reachable
from tests.commands import said
from waves.errors import InputError

NOTICE = "  - {wave: notice, channels: [sms], message: hello, release: 2d, listen: 1d}\n"
ACCEPTING = plan_text(NOTICE, name="taken").replace("house", "{set: law, accept_unreviewed: [US, US-TX]}")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A home with the rules that ship, one Texan and one Floridan."""
    made = make_world(tmp_path / "home")
    (made.config / FILE).write_text((PACKAGED / FILE).read_text())
    places = {"zones": "America/Chicago"}
    put(
        made.ledger,
        [reachable(1, jurisdictions="US US-TX", **places), reachable(2, jurisdictions="US US-FL", **places)],
    )
    made.ledger.set_now(T0)
    return made


def reviewers(world: World, name: str = "law") -> dict[str, str]:
    return {row.place: row.reviewed.by for row in load_hours(world.config, name).rows if row.reviewed}


def test_what_waits_is_listed_with_everything_that_is_written(world: World) -> None:
    waiting: list[dict[str, Any]] = json.loads(said(world, "hours", "review", "--json"))["waiting"]
    assert len(waiting) == 34
    (florida,) = [row for row in waiting if row["for"] == "US-FL"]
    assert (florida["set"], florida["calls"]["sun"], florida["confidence"]) == ("law", "08:00-20:00", "high")
    assert florida["cap"] == {"n": 3, "per_hours": 24, "per_days": None, "scope": "same_subject", "key": "phone"}
    assert json.loads(said(world, "hours", "review", "--set", "house", "--json")) == {"waiting": []}


def test_one_row_is_marked_without_a_terminal_and_audited(world: World) -> None:
    assert said(world, "hours", "review", "--row", "US-TX", "--by", "Ada Example") == (
        "US-TX of law is reviewed by Ada Example\n"
    )
    assert reviewers(world) == {"everywhere": "the multiwave team", "US-TX": "Ada Example"}
    with world.ledger.read() as connection:
        found = connection.execute(select(t.audit).where(t.audit.c.did == "hours reviewed")).one()
    assert (found.who, found.what) == ("Ada Example", "law US-TX")
    marked = json.loads(said(world, "hours", "review", "--row", "US", "--by", "Ada Example", "--json"))
    assert (marked["reviewed"]["for"], marked["by"], marked["not_in_audit"]) == ("US", "Ada Example", None)


def test_a_review_is_in_the_audit_whatever_else_is_wrong_with_the_home(world: World) -> None:
    (world.config / "senders.yaml").write_text("gateway: {channel: sms, provider: nobody}\n")
    assert said(world, "hours", "review", "--row", "US-TX", "--by", "Ada Example").endswith("by Ada Example\n")
    with world.ledger.read() as connection:
        assert connection.execute(select(t.audit.c.what).where(t.audit.c.did == "hours reviewed")).one()


def test_a_review_without_a_ledger_says_that_it_is_in_no_audit(world: World) -> None:
    world.ledger.close()
    (world.config.parent / "ledger.db").unlink()
    told = json.loads(said(world, "hours", "review", "--row", "US-TX", "--by", "Ada Example", "--json"))
    assert "ledger" in told["not_in_audit"]
    assert reviewers(world)["US-TX"] == "Ada Example"


REFUSED: dict[str, tuple[list[str], str]] = {
    "no terminal": ([], "34 rows wait, and this is no terminal to ask at"),
    "nobody": (["--row", "US-TX"], "say who reviewed it: --by NAME"),
    "nobody, in blanks": (["--row", "US-TX", "--by", "  "], "say who reviewed it: --by NAME"),
    "no such row": (["--row", "US-XX", "--by", "Ada"], "no row for US-XX waits for a review; these do: AU, CA"),
    "reviewed already": (["--row", "everywhere", "--by", "Ada"], "no row for everywhere waits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_review_that_asks_nobody_is_refused(case: str, world: World) -> None:
    words, answer = REFUSED[case]
    with pytest.raises(InputError, match=answer):
        said(world, "hours", "review", *words)
    assert reviewers(world) == {"everywhere": "the multiwave team"}


def test_a_person_is_walked_through_the_rows(world: World) -> None:
    """At a real terminal: skip the first, review the second, a word that is no answer, then stop."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", "from console.cli import main; main()", "hours", "review", "--by", "Ada Example"]
    run = subprocess.Popen([*words, "--home", str(world.config.parent)], stdin=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    os.write(ours, b"skip\nr\nperhaps\nq\n")
    out = run.communicate(timeout=60)[0].decode()
    os.close(ours)
    assert run.returncode == 0
    assert reviewers(world) == {"everywhere": "the multiwave team", "US-AL": "Ada Example"}
    assert "calls, Sunday: closed" in out
    assert "source: 47 CFR 64.1200(c)(1) and 16 CFR 310.4(c)" in out
    assert "1 reviewed by Ada Example, 33 wait" in out


def test_what_a_plan_accepts_is_shown_from_the_check_to_the_report(world: World) -> None:
    plan = world.config / "plans" / "plan.yaml"
    plan.write_text(ACCEPTING)
    line = (
        "accepted unreviewed: the hours for US-TX (medium confidence, as of 2026-11-01: Tex. Bus. & Com. Code 301.051"
    )
    assert line in said(world, "check", "plan")
    assert "nobody reviewed the hours for US-AL, US-CT, US-FL" in said(world, "check", "plan")
    assert line in said(world, "plan", "plan")
    said(world, "approve", "plan", "--by", "Ada Example")
    assert "approved by Ada Example on 2026-12-01" in said(world, "start", "plan")
    assert line in said(world, "hours", "c1", "--plan", "plan")
    world.advance(T0)
    world.advance(T0.replace(hour=16))
    assert [touch.key for touch in world.touches("notice")] == ["c1"], "nobody accepted Florida"
    assert "accepted unreviewed: the hours for US-TX" in said(world, "why", "taken", "c1")
    assert json.loads(said(world, "why", "taken", "c2", "--json"))["law"]["accepted_unreviewed"][0]["for"] == "US"
    found = json.loads(said(world, "report", "taken", "--json"))["accepted_unreviewed"]
    assert [(row["for"], row["approved_by"]) for row in found] == [
        (place, ["Ada Example on 2026-12-01"]) for place in ("US", "US-TX")
    ]
    assert line in said(world, "report", "taken")
    with world.ledger.read() as connection:
        did = connection.execute(select(t.audit).where(t.audit.c.did == "hours accepted unreviewed")).one()
    assert did.after == "US US-TX"


def test_an_acceptance_of_what_is_not_there_is_a_problem(world: World) -> None:
    (world.config / "plans" / "plan.yaml").write_text(ACCEPTING.replace("US-TX]", "US-TZ, US-NY]"))
    told = said(world, "check", "plan")
    assert "plan.yaml:7: the set law has no row for US-TZ; write US-" in told
    assert "plan.yaml:7: the set law has no row for US-NY; write US-" in told


def test_a_ban_is_shown_with_its_reason(world: World) -> None:
    (world.config / "rules" / "bans.yaml").write_text(
        "bans:\n  - place: US-TX\n    from: 2026-12-01 00:00 UTC\n    until: 2026-12-03 00:00 UTC\n"
        "    why: a flood\n    source: an order\n"
    )
    (world.config / "plans" / "plan.yaml").write_text(ACCEPTING)
    said(world, "approve", "plan")
    said(world, "start", "plan")
    world.advance(T0.replace(hour=16))
    told = said(world, "hours", "c1", "--plan", "plan", "--at", "2026-12-01T16:00Z")
    ban = "the ban in US-TX in America/Chicago: Tuesday, a flood (an order); it blocks until 2026-12-03 00:00Z"
    assert told.count(ban) == 2
    why = "banned in US-TX from 2026-12-01 00:00Z until 2026-12-03 00:00Z, calls and messages: a flood (an order)"
    assert why in said(world, "why", "taken", "c1")
    assert why not in said(world, "why", "taken", "c2")


def test_doctor_counts_what_waits_in_sets_that_nobody_uses(world: World) -> None:
    (found, *_) = look_at_hours(world.config, T0, {"house"})
    assert (found.verdict, found.said) == (
        "ok", "2 rows, all reviewed; 34 of sets that no plan names wait: multiwave hours review",
    )  # fmt: skip
    (found, *_) = look_at_hours(world.config, T0, {"law"})
    assert found.verdict == "warn"
    assert "law, US-FL" in found.said
