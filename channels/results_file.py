"""What people say of their tasks, by word; and worklists that come back as CSV with these words in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from channels.cells import unguard
from channels.findings import Findings, read_twice
from channels.meanings import Meaning
from channels.table_file import read_table
from waves.message import Event
from waves.outcomes import Action, Outcome, Reason, Side

EVERYWHERE = {"scope": "all"}
BOTH: Mapping[str, Meaning] = {
    "no_answer": Meaning(Outcome.NO_ANSWER, None, Action.NEXT_CHANNEL),
    "declined": Meaning(Outcome.DECLINED),
    "agreed": Meaning(Outcome.AGREED),
    "callback_requested": Meaning(Outcome.CALLBACK_REQUESTED),
    "not_done": Meaning(Outcome.FAILED, Reason.OTHER, Action.NEXT_CHANNEL),
    "wrong_address": Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
    "stop": Meaning(Side.UNSUBSCRIBED, Reason.OPTED_OUT, Action.DROP_CONSENT),
}
RESULTS: Mapping[str, Mapping[str, Meaning]] = {
    "visit": {"visited": Meaning(Outcome.VISITED), **BOTH},
    "im": {
        "sent": Meaning(Outcome.IN_TRANSIT),
        "read": Meaning(Outcome.READ),
        "replied": Meaning(Outcome.REPLIED),
        **BOTH,
    },
}
"""Channel -> what a person may say of a task on it -> what that means; `stop` holds on every channel."""
WORDS = tuple(dict.fromkeys(word for words in RESULTS.values() for word in words))
PROVIDERS: Mapping[str, str] = {"visit": "visit_tasks", "im": "im_tasks"}


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What somebody says of one task; `at` None: they do not say when."""

    line: int
    token: str
    result: str
    at: datetime | None
    by: str | None
    note: str | None


def read_results(path: Path) -> Iterator[ResultRow]:
    """Every row with a result, in file order; InputError lists every problem, and then there is no row."""
    return read_twice(path, _rows)


def _rows(found: Findings) -> Iterator[ResultRow]:
    for line, cells in read_table(found, ("token", "result"), ("at", "by", "note")):
        said = {name: unguard(value).strip() for name, value in cells.items()}
        if not said["result"]:
            continue
        before = found.count
        token = found.filled(line, "token", said["token"])
        result = found.word(line, "result", said["result"], WORDS)
        at = found.moment(line, "at", said["at"]) if said.get("at") else None
        if found.count == before and result is not None:
            yield ResultRow(line, token, result, at, said.get("by") or None, said.get("note") or None)


def result_event(channel: str, row: ResultRow, now: datetime) -> Event:
    """The report of a result; the same said twice, or at the same time again, is one report."""
    meaning = RESULTS[channel][row.result]
    assert meaning.outcome is not None
    token = row.token.strip().upper()
    ident = f"{token}/{row.result}" + (f"/{row.at.isoformat()}" if row.at else "")
    told = {name: value for name, value in (("by", row.by), ("note", row.note)) if value}
    raw = told | (EVERYWHERE if row.result == "stop" else {})
    return Event(
        token, int(meaning.outcome), row.at or now, PROVIDERS[channel], ident, meaning.reason, meaning.action, raw
    )
