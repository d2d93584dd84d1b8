"""What comes in from files: customers, events, dispositions, conversions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from console.context import HomeOption, JsonOption, config_dir, existing, open_home
from console.show import counts, print_json, progress, say

FileArgument = Annotated[Path, typer.Argument(help="The file to read.", show_default=False)]


def import_customers_file(
    file: FileArgument,
    home: HomeOption = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rejected rows are listed (default: beside the file, .rejects.csv).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import customers (CSV, TSV, also .gz) by config/customers.yaml; again to update them: nobody is ever doubled."""
    from config.schema import load_schema
    from segments.customers import import_customers

    room = open_home(home)
    schema = load_schema(config_dir(room.settings))
    target = rejects or file.with_name(file.name.split(".")[0] + ".rejects.csv")
    with progress() as bar:
        task = bar.add_task("customers", total=None)
        summary = import_customers(
            room.ledger,
            schema,
            existing(file),
            target,
            room.ledger.now(),
            lambda rows: bar.update(task, completed=rows),
        )
    if as_json:
        print_json(asdict(summary))
        return
    became = {"added": summary.added, "updated": summary.updated, "unchanged": summary.unchanged}
    became |= {"rejected": summary.rejected, "named again below": summary.superseded, "erased": summary.erased}
    say(f"{summary.rows:,} rows: {counts(became)}")
    if summary.reasons:
        say(f"what did not fit, each with its line in {target}:")
        for reason, rows in sorted(summary.reasons.items(), key=lambda item: (-item[1], item[0])):
            say(f"  {rows:,} x {reason}")
    if any(summary.shared.values()):
        say(f"addresses shared by several customers: {counts(summary.shared)}; each is contacted once")
    if summary.zones_unknown:
        say(f"{summary.zones_unknown:,} customers without a known time zone")
    if summary.ignored_columns:
        say(f"columns that customers.yaml does not name, left alone: {', '.join(summary.ignored_columns)}")


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
    """Record conversions: CSV with customer, goal, at, value, currency, source, source_id."""
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
    topics = {
        "customers": (import_customers_file, "Customers and their addresses."),
        "events": (import_events, "Reports from providers."),
        "dispositions": (import_dispositions, "Results of calls."),
        "conversions": (import_conversions, "What the campaign is for."),
    }
    for name, (command, text) in topics.items():
        topic = typer.Typer(help=text, no_args_is_help=True)
        topic.command("import")(command)
        topic.callback()(lambda: None)
        app.add_typer(topic, name=name)
