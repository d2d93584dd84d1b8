"""Two days of a desk of two teams, as their leads run the program, and what it said to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.acceptance.desk import (
    CAMPAIGN,
    DIALLER,
    EAST,
    FINAL,
    MINUTE,
    Called,
    DeskBooks,
    Line,
    customers,
    eastern,
    read_list,
    write_home,
    write_results,
)
from tests.acceptance.program import Program, environment, forked
from tests.acceptance.replies import sale, write_table

TEAMS = ("north", "south")
MORNING = (
    *("no_answer", "sale", "busy", "not_interested", "machine", "no_answer", "dnc_request", "busy"),
    *("no_answer", "wrong_number", "machine", "no_answer", "not_interested", "busy"),
)
NOON = ("callback_agreed", "no_answer", "busy", "machine", "not_interested", "no_answer", "sale", "busy", "machine")
WEST_FROM = f"d-{EAST:03d}"
UNCALLED = 10
"""So many at the end of each list are not reached in the shift."""
PROMISED = (eastern(2, "10:15"), eastern(2, "10:20"), eastern(2, "16:00"))


@dataclass
class Day:
    """What the desk did, and what the program said to it."""

    program: Program
    books: DeskBooks = field(default_factory=lambda: DeskBooks(customers()))
    lines: dict[int, list[Line]] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        return self.program.home.parent

    def clock(self, at: datetime) -> None:
        """Move the clock where nothing is due."""
        words = ["advance", "--now", at.isoformat(), "--home", str(self.program.home)]
        assert forked(words, environment(**self.program.settings), self.files).code == 0

    def pull(self, team: str, shift: str) -> None:
        words = (CAMPAIGN, "call", "--team", team, "--shift", shift, "--dialler", DIALLER[team])
        cut = self.program.json("dial-list", "pull", *words)
        self.said[f"pull {cut['list']}"] = cut
        self.take(cut, team)

    def take(self, cut: dict[str, Any], team: str) -> list[Line]:
        """A file of lines as its dialler loads it."""
        lines = read_list(cut, team, self.books.rows)
        self.lines.setdefault(cut["list"], []).extend(lines)
        self.books.lines += lines
        return lines

    def dial(self, lines: Collection[Line], ends: Sequence[str], begin: datetime, every: timedelta) -> list[Called]:
        """Call these lines one after the other."""
        first = len(self.books.calls) + 1
        calls = [
            Called(line, ends[place % len(ends)], begin + place * every, first + place)
            for place, line in enumerate(lines)
        ]
        self.books.calls += calls
        return calls

    def bring(self, name: str, calls: Collection[Called], team: str) -> Any:
        """Import a dialler's file of these calls."""
        path = write_results(self.files / name, calls, team)
        return self.program.json("dispositions", "import", path, "--dialler", DIALLER[team])


def live(day: Day) -> Day:
    """Both days, as the leads of the two teams live them."""
    program = day.program
    program.run("init", "--simulated-clock")
    write_home(program)
    day.clock(eastern(1, "09:30"))
    program.run("customers", "import", write_table(day.files / "customers.csv", day.books.rows))
    program.run("approve", "desk", "--by", "the marketer")
    program.run("start", "desk")
    program.json("advance", "--now", eastern(1, "09:30").isoformat())
    for team in TEAMS:
        day.pull(team, "tuesday")
    morning(day)
    afternoon(day)
    next_day(day)
    closing(day)
    return day


def morning(day: Day) -> None:
    """The first half of each list, a wrong file that is undone, and news of two customers who were not called yet."""
    program, said = day.program, day.said
    day.clock(eastern(1, "12:15"))
    for number, team in enumerate(TEAMS, 1):
        calls = day.dial(
            day.lines[number][: len(day.lines[number]) // 2], MORNING, eastern(1, "10:00"), 40 * MINUTE / 60
        )
        said[f"file {number}"] = day.bring(f"{team}-1.txt", calls, team)
        said[f"file {number} again"] = day.bring(f"{team}-1.txt", calls, team)
    said["before the wrong file"] = program.json("dial-list", "stats", CAMPAIGN, "--by", "list")
    ends = ("sale", "dnc_request", "wrong_number", "callback_agreed", "busy", "not_interested")
    taken = zip(day.lines[2][-6:], ends, strict=True)
    wrong = [Called(line, end, eastern(1, "11:00"), 900 + n) for n, (line, end) in enumerate(taken)]
    said["wrong file"] = day.bring("wrong.txt", wrong, "south")
    said["stale by the wrong file"] = program.json("dial-list", "show", 2)["stale"]
    said["undone"] = program.json("dispositions", "undo", said["wrong file"]["file"], "--by", "anna")
    said["after the wrong file"] = program.json("dial-list", "stats", CAMPAIGN, "--by", "list")
    buyer, leaver = day.lines[1][-1].customer, day.lines[2][-1].customer
    day.books.bought.add(buyer)
    day.books.stopped.add(leaver)
    program.run("conversions", "import", write_table(day.files / "s.csv", [sale(buyer, eastern(1, "11:30"))]))
    program.run("suppress", "--customer", leaver)
    for number in (1, 2):
        said[f"to recall {number}"] = to_recall(day, number)
        said[f"show {number}"] = program.json("dial-list", "show", number)
        said[f"recall {number}"] = program.json("dial-list", "recall", number)
        said[f"off {number}"] = program.json("dial-list", "recall", number, "--done")
    said["no extension"] = {
        who: program.try_("dial-list", "extend", 2, "--customer", who).err
        for who in (leaver, day.lines[1][-2].customer, "nobody")
    }
    said["extension"] = program.json("dial-list", "extend", 2, "--customer", western(day))


def to_recall(day: Day, number: int) -> dict[str, str]:
    """Token of whom a list should not dial any more to the reason."""
    reasons = {
        "no_address": day.books.said("wrong_number"),
        "suppressed": day.books.said("dnc_request") | day.books.stopped,
        "converted": day.books.said("sale") | day.books.bought,
    }
    return {line.token: why for why, who in reasons.items() for line in day.lines[number] if line.customer in who}


def western(day: Day) -> str:
    """A customer three hours behind, whom nobody could call when the lists were pulled."""
    return next(key for key in day.books.called if key >= WEST_FROM)


def afternoon(day: Day) -> None:
    """The second pieces, promises for tomorrow among them; then both lists come back."""
    program, said = day.program, day.said
    day.take(said["extension"], "south")
    day.clock(eastern(1, "17:00"))
    for number, team in enumerate(TEAMS, 1):
        lines = day.lines[number]
        rest = [line for line in lines[len(lines) // 2 :] if line.customer not in day.books.bought | day.books.stopped]
        calls = day.dial(rest[:-UNCALLED] + rest[-1:], NOON, eastern(1, "13:05"), MINUTE / 2)
        if team == "north":
            calls[-1] = day.books.calls[-1] = Called(calls[-1].line, "abandoned", calls[-1].at, calls[-1].call)
        promises = [call for call in calls if call.disposition == "callback_agreed" and team == "south"]
        for call, later in zip(promises, PROMISED, strict=False):
            made = Called(call.line, call.disposition, call.at, call.call, later)
            calls[calls.index(call)] = day.books.calls[day.books.calls.index(call)] = made
        said[f"file {number} rest"] = day.bring(f"{team}-2.txt", calls, team)
    said["callbacks"] = program.json("dial-list", "callbacks")["callbacks"]
    for number in (1, 2):
        said[f"return {number}"] = program.run("dial-list", "return", number).out
    said["stats tuesday"] = program.json("dial-list", "stats", CAMPAIGN, "--by", "list")
    said["ls tuesday"] = program.json("dial-list", "ls")["lists"]


def next_day(day: Day) -> None:
    """New lists; the promised calls at their time but one, and some of the others."""
    program, said = day.program, day.said
    day.clock(eastern(2, "10:05"))
    said["callable"] = day.books.callable(eastern(2, "10:05"))
    said["over"] = day.books.said(*FINAL) | day.books.bought | day.books.stopped
    for team in TEAMS:
        day.pull(team, "wednesday")
    said["callbacks listed"] = program.json("dial-list", "callbacks")["callbacks"]
    day.clock(eastern(2, "17:00"))
    for number, team in enumerate(TEAMS, 3):
        lines = [line for line in day.lines[number] if line.promised is None]
        calls = day.dial(lines[: len(lines) // 2], NOON[1:], eastern(2, "10:30"), MINUTE / 2)
        owed = sorted((line for line in day.lines[number] if line.promised), key=lambda line: line.place)
        late = (timedelta(minutes=3), timedelta(hours=2), -timedelta(minutes=10))
        for line, end, after in zip(owed, ("sale", "no_answer", "not_interested"), late, strict=False):
            calls += day.dial([line], [end], (line.promised or eastern(2, "12:00")) + after, MINUTE)
        said[f"file {number}"] = day.bring(f"{team}-3.txt", calls, team)
        said[f"return {number}"] = program.run("dial-list", "return", number).out
    said["callbacks after"] = program.json("dial-list", "callbacks")["callbacks"]
    said["stats"] = program.json("dial-list", "stats", CAMPAIGN, "--by", "list")
    midnight = eastern(2, "00:00").isoformat()
    said["stats of tuesday"] = program.json("dial-list", "stats", CAMPAIGN, "--by", "team", "--to", midnight)
    said["ls"] = program.json("dial-list", "ls")["lists"]
    said["why"] = {
        key: program.json("why", CAMPAIGN, key)
        for key in {day.lines[2][-7].customer, day.lines[1][0].customer, day.lines[4][0].customer}
    }


def closing(day: Day) -> None:
    """The call wave closes, and who was missed gets a message."""
    day.program.json("advance", "--now", eastern(3, "09:45").isoformat())
    day.said["status"] = day.program.json("status", CAMPAIGN)
    day.said["report"] = day.program.json("report", CAMPAIGN)
