"""Tasks that people were given, with what became of them; their worklists made anew, their results entered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from channels import im_tasks, visit_tasks
from channels.results_file import RESULTS, ResultRow, result_event
from channels.task_record import calendar_path, read_tasks, record_lock, write_calendar
from channels.worklists import OPEN, write_worklists
from flows.reports import record_reports
from flows.room import Room
from ledger.events import Recorded
from ledger.task_states import change_mark, task_states
from waves.errors import InputError, TokenError
from waves.tokens import Kind, read_token

LISTS: Mapping[str, str] = {"visit": visit_tasks.FOLDER, "im": im_tasks.FOLDER}
"""Channel -> the folder of the home with its worklists."""
TEST = "test"
LISTED_FOR = timedelta(days=30)
"""A task stays on its list for so long after it was due; `tasks ls --all` has all of them."""
MARK = ".made"
"""In a folder of worklists: what they were last made from."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task as it was given, and how it stands: open, done (an outcome), or void and why."""

    line: Mapping[str, Any]
    state: str


def record_of(room: Room, channel: str) -> Path:
    """Where a channel's tasks are recorded."""
    return room.settings.home / "outbox" / f"{channel}.jsonl"


def tasks_of(room: Room, channels: Iterable[str], now: datetime, owner: str | None = None) -> list[Task]:
    """The tasks of these channels, of one owner or of all, the first due first."""
    found = list[Task]()
    for channel in channels:
        lines = [one for one in read_tasks(record_of(room, channel)) if owner in (None, one["owner"])]
        states = _states(room, lines, now)
        found += [Task(line, states[str(line["token"])]) for line in lines]
    return sorted(found, key=lambda task: (str(task.line["until"] or ""), str(task.line["at"])))


def _states(room: Room, lines: Sequence[Mapping[str, object]], now: datetime) -> dict[str, str]:
    """Token to state; a token of no touch is a test's."""
    touches = {token: touch for line in lines if (touch := touch_of(room, token := str(line["token"]))) is not None}
    with room.ledger.read() as connection:
        known = task_states(connection, touches.values(), now)
    return {str(one["token"]): known.get(touches.get(str(one["token"]), -1), TEST) for one in lines}


def touch_of(room: Room, token: str) -> int | None:
    """The touch that a token names; None: it names none."""
    try:
        kind, ident = read_token(room.token_key, token)
    except TokenError:
        return None
    return ident if kind is Kind.TOUCH else None


def refresh_worklists(room: Room, now: datetime, only_if_changed: bool = False) -> int:
    """Make every worklist anew from the record: what is done or void says so. How many tasks were written.

    `only_if_changed`: once an hour all the same, for what leaves no mark, such as a file that takes a consent back.
    OSError when one of them could not be written, after all the others were.
    """
    count, failed = 0, list[OSError]()
    for channel, name in LISTS.items():
        record, lists = record_of(room, channel), room.settings.home / name
        if not record.exists() or not lists.exists():
            continue
        with room.ledger.read() as connection:
            mark = f"{record.stat().st_size} {change_mark(connection)} {now.astimezone(UTC):%Y-%m-%dT%H}"
        made = lists / MARK
        if only_if_changed and made.exists() and made.read_text() == mark:
            continue
        try:
            count += _make_anew(room, channel, record, lists, now)
        except OSError as error:
            failed.append(error)
        made.write_text(mark)
    if failed:
        raise failed[0]
    return count


def _make_anew(room: Room, channel: str, record: Path, lists: Path, now: datetime) -> int:
    with record_lock(record):
        oldest = (now - LISTED_FOR).isoformat()
        lines = [line for line in read_tasks(record) if str(line["until"] or line["at"]) >= oldest]
        states = _states(room, lines, now)
        try:
            return write_worklists(lists, lines, lambda line: states[str(line["token"])])
        finally:
            _tidy_calendars(lists, [line for line in lines if states[str(line["token"])] in (OPEN, TEST)], channel)


def _tidy_calendars(lists: Path, open_lines: Sequence[Mapping[str, object]], channel: str) -> None:
    """A calendar file for each open visit, and no other."""
    wanted = {calendar_path(lists, line): line for line in open_lines} if channel == "visit" else {}
    for path in set(lists.glob("*/*.ics")) - set(wanted):
        path.unlink(missing_ok=True)
    write_calendar(lists, [line for path, line in wanted.items() if not path.exists()], visit_tasks.visit_ics)


def record_results(room: Room, rows: Sequence[ResultRow], now: datetime) -> Recorded:
    """Enter what people say of their tasks; InputError, and nothing entered, when a row is of no task or impossible."""
    given = {str(line["token"]): channel for channel in LISTS for line in read_tasks(record_of(room, channel))}
    wrong = list[str]()
    for row in rows:
        channel = given.get(row.token.strip().upper())
        where = f"line {row.line}: " if row.line else ""
        if channel is None:
            wrong.append(f"{where}the token {row.token} is of no task here (was it copied whole?)")
        elif row.result not in RESULTS[channel]:
            words = ", ".join(RESULTS[channel])
            wrong.append(
                f"{where}{row.result} is nothing that can be said of a task on {channel}; write one of {words}"
            )
        elif row.at is not None and row.at > now:
            wrong.append(f"{where}{row.at:%Y-%m-%d %H:%M} UTC is still to come; write when it happened")
    if wrong:
        more = [f"and {len(wrong) - 20} more"] if len(wrong) > 20 else []
        raise InputError("\n".join([*wrong[:20], *more, "nothing was entered"]))
    events = [result_event(given[row.token.strip().upper()], row, now) for row in rows]
    recorded = record_reports(room, events, now)
    refresh_worklists(room, now)
    return recorded
