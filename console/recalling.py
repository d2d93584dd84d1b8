"""Who got a wave: what a wrong text is mended from."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import HomeOption, JsonOption, open_home
from console.show import clock, print_json, say, table
from waves.errors import CampaignError, InputError
from waves.message import CHANNEL_NAMES
from waves.outcomes import word
from waves.plan import Wave

if TYPE_CHECKING:
    from flows.running import Running
    from ledger.recall import Got

SHOWN = 20
"""Customers on the screen; all of them are in the file, and in the JSON."""
COLUMNS = ("customer", "channel", "variant", "message", "sent_at", "state", "outcome", "sure")
CampaignArgument = Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)]


def who_got(
    campaign: CampaignArgument,
    wave: Annotated[str, typer.Argument(help="The wave's name.", show_default=False)],
    variant: Annotated[
        int | None, typer.Option("--variant", help="Of this wording alone: 1 is the plan's first.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write everybody into this CSV file.", show_default=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whom a wave's message went to, or may have: customer key, channel, wording, when, and what came back."""
    from flows.running import load_running
    from ledger import recall

    room = open_home(home)
    running = load_running(room.ledger, campaign)
    planned = wave_of(running, wave)
    known_variant(planned, variant)
    row = running.row(wave)
    with room.ledger.read() as connection:
        counted = [
            {"channel": CHANNEL_NAMES[code], "variant": number, "state": word(state), "touches": touches}
            for code, number, state, touches in recall.counts_of(connection, row.id, variant)
        ]
        people = (_line(got, planned.messages) for got in recall.who_got(connection, row.id, variant))
        if as_json:
            print_json({"campaign": campaign, "wave": wave, "counts": counted, "customers": list(people)})
            return
        total = sum(int(count["touches"]) for count in counted)
        state = f"{row.state}{_stopped(row.stopped_at)}"
        say(f"[bold]{wave}[/] of {campaign} is {state}; it went out {total:,} times", markup=True)
        table("by channel and wording", ("channel", "variant", "state", "touches"), [c.values() for c in counted])
        if out:
            say(f"{_write(out, people):,} lines in {out}")
            return
        table("customers", COLUMNS, [[str(cell) for cell in line.values()] for line in islice(people, SHOWN)])
        if total > SHOWN:
            say(f"the first {SHOWN} of {total:,}; all of them: --out FILE.csv")


def wave_of(running: Running, name: str) -> Wave:
    """The plan's wave of this name; CampaignError with the names there are when there is none."""
    for wave in running.plan.waves:
        if wave.wave == name:
            return wave
    raise CampaignError(
        f"{running.name} has no wave {name!r}; its waves: {', '.join(wave.wave for wave in running.plan.waves)}"
    )


def known_variant(wave: Wave, variant: int | None) -> None:
    """Nothing when the wave has a variant of this number, or none was named; else InputError."""
    if variant is None or variant in (wave.messages or {0}):
        return
    names = ", ".join(f"{number} ({message})" for number, message in wave.messages.items())
    raise InputError(f"wave {wave.wave} has no variant {variant}; it has {names or '0'}")


def _stopped(at: Any) -> str:
    return f", stopped {clock(at)}" if at else ""


def _line(got: Got, messages: Mapping[int, str]) -> dict[str, Any]:
    from ledger.recall import MAYBE

    return {
        "customer": got.customer,
        "channel": CHANNEL_NAMES[got.channel],
        "variant": got.variant,
        "message": messages.get(got.variant, ""),
        "sent_at": got.sent_at.isoformat() if got.sent_at else "",
        "state": word(got.state),
        "outcome": word(got.outcome) if got.outcome else "",
        "sure": "maybe" if got.state in MAYBE else "yes",
    }


def _write(path: Path, people: Iterator[Mapping[str, Any]]) -> int:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        lines = 0
        for line in people:
            writer.writerow(line)
            lines += 1
    return lines


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command("who-got")(who_got)
