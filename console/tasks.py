"""Tasks for people: visits of account managers, messages sent by hand; what is to do, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import HomeOption, JsonOption, existing, moment, open_home, who
from console.show import clock, print_json, say, table
from waves.errors import InputError

if TYPE_CHECKING:
    from flows.tasks import Task

CHANNELS = ("visit", "im")
ChannelOption = Annotated[str | None, typer.Option("--channel", help="visit or im; else both.", show_default=False)]
TokenArgument = Annotated[str, typer.Argument(help="The task's token, from the worklist.", show_default=False)]


def ls(
    channel: ChannelOption = None,
    owner: Annotated[str | None, typer.Option(help="One account manager's.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those done or void too.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The tasks that people have to do, by due time; those of a wave that closed are void. Makes worklists anew."""
    from flows.tasks import refresh_worklists, tasks_of

    if channel not in (None, *CHANNELS):
        raise InputError(f"{channel} gives nobody a task; write --channel {' or --channel '.join(CHANNELS)}")
    room = open_home(home)
    now = room.ledger.now()
    refresh_worklists(room, now)
    found = tasks_of(room, [channel] if channel else CHANNELS, now, owner)
    shown = found if everything else [task for task in found if task.state == "open"]
    if as_json:
        print_json({"tasks": [values_of(task) for task in shown]})
        return
    rows = [
        (v["token"], v["channel"], v["owner"], clock(v["due"]), v["name"] or "", v["state"])
        for v in map(values_of, shown)
    ]
    if rows:
        table("tasks", ("token", "channel", "owner", "due", "name", "state"), rows, whole=("token",))
        say("lists for each owner: the folders visits and im of the home; one whole: multiwave tasks show TOKEN")
    else:
        others = f"; {len(found)} are done or void: --all" if found else ""
        say(f"nothing is to do{others}")


def values_of(task: Task) -> dict[str, Any]:
    """A task as `--json` prints it."""
    from datetime import datetime

    line = task.line
    return {
        "token": line["token"],
        "channel": line["channel"],
        "owner": line["owner"],
        "state": task.state,
        "due": datetime.fromisoformat(line["until"]) if line["until"] else None,
        "name": line["name"],
        "address": line["to"],
        "language": line["language"],
        "fields": line["fields"],
        "campaign": line["campaign"],
        "wave": line["wave"],
    }


def show(token: TokenArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """One task whole: whom, where, until when, what to say or do."""
    from flows.tasks import tasks_of

    room = open_home(home)
    found = [t for t in tasks_of(room, CHANNELS, room.ledger.now()) if t.line["token"] == token.strip().upper()]
    if not found:
        raise InputError(f"there is no task {token}; see: multiwave tasks ls --all")
    values = values_of(found[0])
    if as_json:
        print_json(values)
        return
    due = clock(values["due"]) if values["due"] else "no time"
    say(f"{values['channel']} for {values['owner']}, {values['state']}, until {due}")
    say(f"{values['name'] or '(no name)'}, {values['address']} ({values['language'] or '-'})")
    for part, text in values["fields"].items():
        say(f"{part}: {text}")


def result(
    token: TokenArgument,
    said: Annotated[
        str,
        typer.Argument(
            metavar="RESULT",
            help="visited, no_answer, declined, agreed, callback_requested, not_done, wrong_address or stop "
            "(contact this person no more); of im also sent, read, replied.",
            show_default=False,
        ),
    ],
    at: Annotated[str | None, typer.Option(help="When: 2026-12-01T14:05+02:00; else now.", show_default=False)] = None,
    note: Annotated[str | None, typer.Option(help="A sentence for the file.", show_default=False)] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who says it (default: your login name).")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter what came of one task; the same again changes nothing."""
    from channels.results_file import WORDS, ResultRow
    from config.nearest import write_instead
    from flows.tasks import record_results

    word = said.strip().lower()
    if word not in WORDS:
        raise InputError(f"{said} is no result; {write_instead(word, WORDS)}")
    room = open_home(home)
    row = ResultRow(0, token, word, moment(at) if at else None, who(by), note)
    _told(record_results(room, [row], room.ledger.now()), as_json)


def import_results(
    file: Annotated[Path, typer.Argument(help="A worklist with its column `result` filled in.", show_default=False)],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter the results in a worklist that came back (CSV: token, result, and at, by, note). Again is harmless."""
    from channels.results_file import read_results
    from flows.tasks import record_results

    room = open_home(home)
    _told(record_results(room, list(read_results(existing(file))), room.ledger.now()), as_json)


def _told(recorded: Any, as_json: bool) -> None:
    if as_json:
        print_json({"new": recorded.new, "known": recorded.known})
    else:
        say(f"{recorded.new:,} new results, {recorded.known:,} known already")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Visits and messages that people make by hand.", no_args_is_help=True)
    topic.command("ls")(ls)
    topic.command("show")(show)
    topic.command("result")(result)
    topic.command("import")(import_results)
    app.add_typer(topic, name="tasks")
