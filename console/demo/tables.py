"""What the demo shows as it goes: counts of the import, the forecast, each close, and what the campaign earned."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from rich.markup import escape

from console.campaigns import arms_row
from console.show import clock, counts, say, screen, table
from console.stories import sentences, tell
from flows.room import Room
from flows.running import Running
from flows.starting import Forecast
from ledger import aggregates
from ledger.examples import exemplary
from ledger.story import story
from ledger.suppressions import customer_id
from segments.customers import ImportSummary

ARMS = ("from", "treated", "conv.", "rate", "held out", "conv. ", "rate ", "points")


def show_import(summary: ImportSummary) -> None:
    """The import in two lines."""
    say(
        f"\n[bold]import[/] {summary.rows:,} rows, {summary.added:,} customers, {summary.rejected:,} rejected; "
        f"addresses that two of them share: {counts(summary.shared)}",
        markup=True,
    )


def show_forecast(found: Forecast, currency: str) -> None:
    """The dry run: the first wave exactly, the later ones as upper bounds."""
    rows = [
        (w.wave, "exact" if w.exact else "at most", counts(w.verdicts), counts(w.touches), f"{w.cost:,.2f} {currency}")
        for w in found.waves
    ]
    members = f"{found.treated:,} treated, {found.held_out:,} held out"
    table(f"\nbefore the start: who would be contacted ({members})", ("wave", "", "verdicts", "touches", "cost"), rows)


def show_close(room: Room, running: Running, wave: str) -> None:
    """A closed wave's books."""
    with room.ledger.read() as connection:
        status = next(w for w in aggregates.wave_statuses(connection, running.id) if w.wave == wave)
    books = status.books
    balanced = "[green]books balance[/]" if books.balanced else "[red]BOOKS DO NOT BALANCE[/]"
    opened = f"{clock(status.opened)} to {clock(status.closed)}"
    say(f"\n[bold]wave {wave} closed[/] ({opened} on the simulated clock): {balanced}", markup=True)
    went = books.verdicts.get("go", 0)
    rows = [
        ("verdicts", sum(books.verdicts.values()), counts(books.verdicts)),
        ("touches by state", sum(books.states.values()), counts(books.states)),
        ("touches by outcome (simulated)", sum(books.outcomes.values()), counts(books.outcomes)),
        ("go members by part", sum(books.parts.values()), counts(books.parts)),
    ]
    table(f"{books.members:,} members, {went:,} go", ("book", "sum", "words"), rows, ("sum",))


def show_end(room: Room, running: Running, home: Path) -> None:
    """The dial list file, conversions against holdouts, two stories, and where to look on."""
    file = next(iter(sorted((home / "dial-lists").glob("*.csv"))), None)
    if file is not None:
        say(f"\n[bold]a dial list as a lead loads it[/]: {escape(str(file))}", markup=True)
        with file.open(encoding="utf-8") as lines:
            for line in islice(lines, 4):
                screen.print("  " + line.rstrip(), markup=False, overflow="ellipsis", no_wrap=True)
    goal = running.plan.goal
    with room.ledger.read() as connection:
        arms = aggregates.conversion_by_arm(connection, running.id, goal.event, goal.within)
        keys = exemplary(connection, running.id)
    rows = [arms_row(_fields(a)) for a in arms]
    title = "\nconversions, treated against held out (whether they buy is real, reaching them simulated)"
    table(title, ARMS, rows, ARMS[1:])
    for key in keys:
        with room.ledger.read() as connection:
            found = story(connection, running.id, customer_id(connection, key), running.types)
        screen.rule(f"why {running.name} {key}", align="left")
        for line in sentences(running.name, key, tell(running, found)):
            say(line)
    screen.rule()
    say(f"Look on: multiwave --home {home} status {running.name}, or why {running.name} bank-30000")
    say(f"Every message is in {home / 'outbox'} (e-mails open with a double click).")


def _fields(arms: aggregates.Arms) -> dict[str, Any]:
    return {name: getattr(arms, name) for name in arms.__slots__}
