"""What comes in from files: events, dispositions, conversions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from console import customers
from console.context import HomeOption, JsonOption, existing, open_home
from console.show import print_json, say

FileArgument = Annotated[Path, typer.Argument(help="The file to read.", show_default=False)]


def import_events(file: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Record what came back: JSON lines with token, outcome, at, provider, provider_event_id. Again is harmless."""
    from channels.events_file import read_events
    from flows.reports import record_reports

    room = open_home(home)
    recorded = record_reports(room, [event for _, event in read_events(existing(file))], room.ledger.now())
    _say(recorded.new, recorded.known, recorded.unknown_touch, "events", as_json)


def import_dispositions(file: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Record call results: CSV with token, disposition, at, call_id (and number, agent, ring_s, talk_s, wrap_s)."""
    from channels.call_list.generic_csv import read_dispositions
    from flows.reports import record_dispositions

    room = open_home(home)
    recorded = record_dispositions(room, read_dispositions(existing(file)), room.ledger.now())
    _say(recorded.new, recorded.known, recorded.unknown_touch, "calls", as_json)


def import_conversions(file: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Record conversions: CSV of customer, goal, at, value, currency, source, source_id (and product, reversed_at)."""
    from channels.conversions_file import read_conversions
    from flows.reports import record_sales

    room = open_home(home)
    new, known, unknown = record_sales(room, read_conversions(existing(file)))
    if as_json:
        print_json({"new": new, "known": known, "unknown_customer": unknown})
    else:
        say(f"{new:,} new conversions, {known:,} known already, {unknown:,} of customers nobody imported")


def _say(new: int, known: int, unknown: int, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"new": new, "known": known, "unknown_touch": unknown})
        return
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
