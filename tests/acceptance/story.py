"""The town's campaign from init to finished, as its people would run it; what was said on the way is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from tests.acceptance.books import Books
from tests.acceptance.lists import Dialling
from tests.acceptance.program import Program
from tests.acceptance.replies import Town, calls, read_table, sale, write_events, write_table
from tests.acceptance.town import CAMPAIGN, HOUR, T0, townspeople, write_config

DAY = timedelta(days=1)
CHANNELS = ("web_push", "sms", "email")


@dataclass
class Story:
    """A run of the program, the independent books beside it, and what was said at each step."""

    program: Program
    books: Books
    dialling: Dialling
    town: Town = field(default_factory=Town)
    stage: int = 0
    said: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        return self.program.home.parent

    def next(self) -> int:
        self.stage += 1
        return self.stage

    def advance(self, hours: float) -> Any:
        """Move the clock to so many hours after the first wave's opening, and note what was sent."""
        moved = self.program.json("advance", "--now", (T0 + hours * HOUR).isoformat())
        names = self.books.people.reset_index().set_index("full_name").customer_id
        for channel in CHANNELS:
            lines = self.program.outbox(channel)[self.seen.get(channel, 0) :]
            self.seen[channel] = self.seen.get(channel, 0) + len(lines)
            self.books.sent += [{**line, "customer": names[line["name"]], "stage": self.stage} for line in lines]
        return moved

    def sent(self, wave: str) -> list[dict[str, Any]]:
        """The outbox lines of a wave so far."""
        return [line for line in self.books.sent if line["wave"] == wave]

    def import_events(self, events: Sequence[dict[str, Any]]) -> Any:
        stage = self.next()
        self.books.take("events", stage, events)
        return self.program.json("events", "import", write_events(self.files / f"{stage}.jsonl", events))

    def import_sales(self, rows: Sequence[dict[str, str]]) -> Any:
        stage = self.next()
        self.books.take("sales", stage, rows)
        return self.program.json("conversions", "import", write_table(self.files / f"{stage}-sales.csv", rows))

    def suppress(self, who: str, kind: str, *words: str) -> None:
        self.program.run("suppress", *words)
        self.books.take("stopped", self.stage, [{"who": who, "kind": kind}])

    def dial(self, size: int, hours: float) -> None:
        """Pull a list, call it, import the results and return it."""
        number = len(self.said.setdefault("lists", [])) + 1
        chosen = self.dialling.best(size, self.stage)
        cut = self.program.json("dial-list", "pull", CAMPAIGN, "call", "--team", "north", "--size", size)
        entries = read_table(Path(cut["file"]))
        names = self.books.people.reset_index().set_index("full_name").customer_id
        self.said["lists"].append({**cut, "rows": entries, "expected": chosen})
        results = calls(entries, T0 + hours * HOUR, 100 * (number - 1))
        stage = self.next()
        self.books.take("calls", stage, results)
        table = write_table(self.files / f"{stage}-calls.csv", results)
        self.said[f"calls {number}"] = self.program.json("dispositions", "import", table)
        self.said[f"calls {number} again"] = self.program.json("dispositions", "import", table)
        attempted = {row["token"] for row in results if row["disposition"] != "not_attempted"}
        rows = [
            {
                "token": entry["token"],
                "customer": names[entry["name"]],
                "wave": "call",
                "kept": entry["token"] in attempted,
            }
            for entry in entries
        ]
        self.books.listed += rows
        self.dialling.give_back(chosen, {row["customer"] for row in rows if row["kept"]})
        self.said[f"return {number}"] = self.program.run("dial-list", "return", cut["list"]).out


def tell(program: Program) -> Story:
    """Run the whole campaign."""
    people = townspeople()
    books = Books(people.set_index("customer_id"))
    story = Story(program, books, Dialling(books))
    _prepare(story, people)
    _push_and_notice(story)
    _calls_and_last_word(story, people)
    return story


def _prepare(story: Story, people: pd.DataFrame) -> None:
    program, said = story.program, story.said
    program.run("init", "--simulated-clock")
    write_config(program.home / "config")
    said["set clock"] = program.json("advance", "--now", T0.isoformat())
    file = story.files / "people.csv"
    people.to_csv(file, index=False)
    said["customers"] = program.json("customers", "import", file)
    said["customers again"] = program.json("customers", "import", file)
    everyone = list(story.books.members.index[~story.books.members.held_out])
    email = story.books.people.email
    mailed = [key for key in everyone if email[key] and email.eq(email[key]).sum() == 1]
    story.suppress(everyone[3], "all", "--customer", everyone[3])
    story.suppress(everyone[5], "open_case", "--customer", everyone[5], "--reason", "open_case")
    story.suppress(mailed[7], "channel email", "--customer", mailed[7], "--channel", "email")
    story.suppress(email[mailed[9]], "address email", "--address", email[mailed[9]], "--channel", "email")
    bought = [sale(key, T0 + HOUR) for key in everyone[20:24]]
    early = [sale(everyone[30], T0 - DAY), sale(everyone[31], T0, goal="looked"), sale("nobody", T0)]
    said["sales"] = story.import_sales([*bought, *early, *bought])
    said["check"] = program.json("check", "spring")
    said["plan"] = program.json("plan", "spring")
    program.run("approve", "spring", "--by", "the marketer")
    said["start"] = program.run("start", "spring").out


def _push_and_notice(story: Story) -> None:
    said, books = story.said, story.books
    books.opened["push"] = story.stage
    said["open push"] = story.advance(0)
    said["status push"] = story.program.json("status", CAMPAIGN)
    first = story.town.events(story.sent("push"), T0)
    said["events 1"] = story.import_events(first)
    said["events 1 again"] = story.import_events(first)
    story.import_sales([sale(key, T0 + 2 * HOUR) for key in books.went("push")[5:9]])
    books.opened["notice"] = story.stage
    said["open notice"] = story.advance(24)
    story.import_events([*story.town.events(story.sent("notice"), T0 + DAY), *story.town.latecomers()])
    story.import_sales([sale(key, T0 + DAY) for key in books.went("notice")[::40]])
    story.expected["fell"] = books.fell_through(story.stage)
    story.said["before fall"] = len(story.sent("notice"))
    said["fall through"] = story.advance(30)
    second = story.sent("notice")[story.said["before fall"] :]
    story.import_events([*story.town.events(second, T0 + 30 * HOUR), *story.town.latecomers()])


def _calls_and_last_word(story: Story, people: pd.DataFrame) -> None:
    said, books = story.said, story.books
    other = people.assign(tier="bronze", value="1", tariff="Changed")
    other.to_csv(story.files / "people-2.csv", index=False)
    said["changed"] = story.program.json("customers", "import", story.files / "people-2.csv")
    books.opened["call"] = story.stage
    said["open call"] = story.advance(73)
    story.dialling.begin()
    queue = sorted(story.dialling.waiting)
    story.import_sales([sale(queue[1], T0 + 74 * HOUR), sale(queue[2], T0 + 74 * HOUR, goal="looked")])
    story.suppress(queue[4], "all", "--customer", queue[4], "--until", "2027-06-01T00:00Z")
    story.import_events(story.town.latecomers() or story.town.events([], T0))
    story.dial(45, 74)
    story.dial(12, 80)
    books.opened["last_word"] = story.stage
    said["lists out"] = story.program.json("dial-list", "ls")
    said["open last"] = story.advance(73 + 24 + 72 + 1)
    story.import_events(story.town.events(story.sent("last_word"), T0 + 171 * HOUR))
    story.advance(73 + 24 + 72 + 1 + 24 + 48 + 1)
    said["status"] = story.program.json("status", CAMPAIGN)
    said["stories"] = {
        key: story.program.json("why", CAMPAIGN, key)
        for key in (*books.members.index[::90], books.went("last_word")[0])
    }
    story.program.run("why", CAMPAIGN, books.went("call")[0])
    story.program.run("status", CAMPAIGN)
    story.program.run("status")
