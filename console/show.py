"""What people see: one way to print JSON, tables and progress."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from waves.hours import zone_of

screen = Console(highlight=False, emoji=False, soft_wrap=False)
errors = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
CODES = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd") | {13: None}
"""What a terminal takes for a command: a stranger's text must give it none."""


def plain(value: object) -> Any:
    """A value as JSON can carry it: times in ISO UTC, amounts as numbers."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_json(value: object) -> None:
    """JSON on standard output, and nothing else."""
    typer.echo(json.dumps(value, default=plain, ensure_ascii=False, indent=2))


def say(text: str, style: str | None = None, markup: bool = False) -> None:
    """A line on the screen, broken by the terminal alone, so that it can be copied whole.

    `markup`: brackets in it are rich's; then whatever people wrote is escaped by the caller.
    """
    screen.print(text.translate(CODES), style=style, markup=markup, soft_wrap=True)


def clock(at: datetime | None, zone: str | None = None) -> str:
    """A time as tables show it: in UTC with a Z, or in the zone that the table's heading names."""
    if at is None:
        return ""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if zone else f"{at:%Y-%m-%d %H:%M}Z"


def local_times(zones: Iterable[str], at: datetime | None) -> dict[str, str]:
    """The time in each of these zones, with its weekday; empty in one that does not exist."""
    if at is None:
        return {}
    known = {zone: zone_of(zone) for zone in zones}
    return {zone: f"{at.astimezone(place):%a %Y-%m-%d %H:%M}" if place else "" for zone, place in known.items()}


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """A table on the screen; the columns named in `right` hold numbers, those in `whole` what is copied from there."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=name in whole)
    for row in rows:
        said = [f"{cell:,}" if isinstance(cell, int) else "" if cell is None else str(cell) for cell in row]
        made.add_row(*[Text(each.translate(CODES)) for each in said])
    screen.print(made)


def many(n: int, one: str, more: str | None = None) -> str:
    """`1 call`, `2,000 calls`; `more` where that is not `one` and an s."""
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def counts(words: Mapping[str, int]) -> str:
    """`go 812, no_consent 31`, the largest first."""
    ordered = sorted(words.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{word} {count:,}" for word, count in ordered if count) or "-"


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress display on standard error, silent where there is no terminal."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    with bar:
        yield bar


class Ticker:
    """Turns an engine's ticks (what, done, total) into progress bars."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total)
        self._bar.update(self._tasks[what], completed=done, total=total)
