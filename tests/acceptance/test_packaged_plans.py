"""The packaged plans with the packaged customers, from check to finished, two campaigns in one home."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.program import Program
from tests.acceptance.replies import read_table, write_events, write_table
from tests.acceptance.server import Server
from tests.hours_rows import hours_yaml

pytestmark = pytest.mark.acceptance
PLANS = {"renewal": "autumn-renewal", "four_waves": "four-waves"}
CYRILLIC = re.compile("[а-яіїє]", re.I)


@dataclass
class Run:
    """What was said on the way to the end."""

    program: Program
    checked: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    lists: list[set[str]] = field(default_factory=list)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Run:
    """Both plans, started and led to their end."""
    program = Program(tmp_path_factory.mktemp("packaged") / "home", server.settings, quick=True)
    run = Run(program)
    program.run("init", "--simulated-clock")
    (program.home / "config" / "rules" / "hours.yaml").write_text(hours_yaml())
    program.run("advance", "--now", "2026-11-30T09:00Z")
    program.run("customers", "import", program.home / "config" / "examples" / "customers.csv")
    for plan in PLANS:
        run.checked[plan] = program.json("check", plan)
        program.run("approve", plan)
        program.run("start", plan)
    for hour in ("14:00", "16:00"):  # a ramp's first part, then its rest
        program.run("advance", "--now", f"2026-12-01T{hour}Z")
    report(program, "autumn-renewal", ("sms", "email"), "lapsed")
    program.run("advance", "--now", "2026-12-10T14:00Z")
    dial(run, "autumn-renewal", "2026-12-10T15:00:00+00:00")
    program.run("advance", "--now", "2026-12-20T14:00Z")
    dial(run, "four-waves", "2026-12-20T15:00:00+00:00")
    for day in ("2026-12-30", "2027-01-02", "2027-01-20"):
        program.run("advance", "--now", f"{day}T14:00Z")
    run.status = {plan: program.json("status", name) for plan, name in PLANS.items()}
    return run


def report(program: Program, campaign: str, channels: tuple[str, ...], outcome: str) -> None:
    """The same outcome for every message of a campaign on these channels."""
    lines = [line for channel in channels for line in program.outbox(channel) if line["campaign"] == campaign]
    events = [
        {
            "token": line["token"],
            "outcome": outcome,
            "at": "2026-12-02T09:00:00Z",
            "provider": "test",
            "provider_event_id": line["token"],
        }
        for line in lines
    ]
    program.run("events", "import", write_events(program.home.parent / f"{campaign}.jsonl", events))


def dial(run: Run, campaign: str, at: str) -> None:
    """Both teams pull their share of a call wave, everybody on it is called and nobody is at home."""
    phones = set[str]()
    for team in ("north", "south"):
        cut = run.program.json("dial-list", "pull", campaign, "call", "--team", team, "--size", 50)
        if cut["file"] is None:
            continue
        entries = read_table(Path(cut["file"]))
        phones |= {row["phone"] for row in entries}
        called = {"disposition": "no_answer", "at": at}
        rows = [{"token": row["token"], **called, "call_id": row["token"]} for row in entries]
        results = write_table(run.program.home.parent / f"{campaign}-{team}-calls.csv", rows)
        run.program.run("dispositions", "import", results)
        run.program.run("dial-list", "return", cut["list"])
    run.lists.append(phones)


@pytest.mark.parametrize("plan", PLANS)
def test_it_checks_without_a_problem_and_runs_to_its_end(run: Run, plan: str) -> None:
    assert run.checked[plan]["problems"] == []
    status = run.status[plan]
    assert status["state"] == "finished"
    for wave in status["waves"]:
        assert (wave["state"], wave["balanced"]) == ("closed", True), wave["wave"]
        assert wave["verdicts"]["go"] > 0, wave["wave"]


def test_a_push_and_a_notice_go_out_in_one_wave(run: Run) -> None:
    notice = run.status["renewal"]["waves"][0]
    channels = {
        channel: {line["name"] for line in run.program.outbox(channel) if line["wave"] == "notice"}
        for channel in ("web_push", "sms", "email")
    }
    assert channels["web_push"] & (channels["sms"] | channels["email"]), "one customer, two messages"
    assert sum(notice["states"].values()) > notice["verdicts"]["go"]


def test_whom_the_call_missed_gets_a_follow_up(run: Run) -> None:
    for plan, listed in zip(PLANS, run.lists, strict=True):
        call, follow_up = run.status[plan]["waves"][-2:]
        assert call["parts"] == {"missed": len(listed)}
        assert follow_up["verdicts"]["go"] == len(listed)


def test_nobody_gets_a_message_twice(run: Run) -> None:
    lines = [line for channel in ("web_push", "sms", "email") for line in run.program.outbox(channel)]
    keys = [(line["campaign"], line["wave"], line["name"], line["channel"]) for line in lines]
    assert len(keys) == len(set(keys)) > 20


def test_everybody_is_written_to_in_their_language(run: Run) -> None:
    for line in run.program.outbox("email"):
        assert bool(CYRILLIC.search(line["fields"]["body"])) == (line["language"] == "uk"), line["language"]
