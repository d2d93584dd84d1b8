"""What comes in from files: events, dispositions, conversions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from console import customers
from console.context import DiallerOption, HomeOption, JsonOption, existing, open_home, who
from console.show import print_json, say

FileArgument = Annotated[Path, typer.Argument(help="The file to read.", show_default=False)]


def import_events(file: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Record what came back: JSON lines with token, outcome, at, provider, provider_event_id. Again is harmless."""
    from channels.events_file import read_events
    from flows.reports import in_chunks, record_reports, total

    room = open_home(home, to_stop=True)
    events = (event for _, event in read_events(existing(file)))
    recorded = total(record_reports(room, chunk, room.ledger.now()) for chunk in in_chunks(events))
    _say(recorded.new, recorded.known, recorded.unknown_touch, "events", as_json)


def import_dispositions(
    file: FileArgument, dialler: DiallerOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Record call results: a dialler's own export (--dialler), or CSV with token, disposition, at, call_id."""
    from flows.call_scores import learn
    from flows.dial_results import import_results

    room = open_home(home, to_stop=dialler is None)
    done = import_results(room, existing(file), dialler, room.ledger.now())
    recorded, learnt = done.recorded, learn(room, who(None), room.ledger.now()) if done.recorded.new else []
    _say(recorded.new, recorded.known, recorded.unknown_touch, "calls", as_json, (*done.notes, *learnt))


def import_conversions(file: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Record conversions: CSV of customer, goal, at, value, currency, source, source_id (and product, reversed_at)."""
    from channels.conversions_file import read_conversions
    from flows.reports import in_chunks, record_sales

    room = open_home(home)
    parts = [record_sales(room, chunk) for chunk in in_chunks(read_conversions(existing(file)))]
    new, known, unknown = (sum(part[n] for part in parts) for n in range(3))
    if as_json:
        print_json({"new": new, "known": known, "unknown_customer": unknown})
    else:
        say(f"{new:,} new conversions, {known:,} known already, {unknown:,} of customers nobody imported")


def _say(new: int, known: int, unknown: int, what: str, as_json: bool, notes: tuple[str, ...] = ()) -> None:
    if as_json:
        told = {"notes": list(notes)} if notes else {}
        print_json({"new": new, "known": known, "unknown_touch": unknown, **told})
        return
    for note in notes:
        say(f"note: {note}", markup=False)
    say(f"{new:,} new {what}, {known:,} known already")
    if unknown:
        say(f"{unknown:,} carry a token that belongs to no touch here: kept, and acting on nobody")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    people = _topic("Customers and their addresses.", customers.import_customers_file, customers.EPILOG)
    app.add_typer(people, name="customers")
    app.add_typer(_topic("Reports from providers.", import_events), name="events")
    app.add_typer(_topic("Results of calls.", import_dispositions), name="dispositions")
    app.add_typer(_topic("What the campaign is for.", import_conversions), name="conversions")


def _topic(text: str, command: Callable[..., None], epilog: str | None = None) -> typer.Typer:
    topic = typer.Typer(help=text, no_args_is_help=True)
    topic.command("import", epilog=epilog)(command)
    topic.callback()(lambda: None)
    return topic
