"""A home that runs by itself: `up` keeps the engine going, `doctor` says what is wrong."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from console.context import HomeOption, JsonOption, moment, open_home, settings_of
from console.show import print_json, table
from waves.errors import InputError

if TYPE_CHECKING:
    from flows.room import Room


def up(
    home: HomeOption = None,
    ui: Annotated[bool, typer.Option("--ui", help="Serve Prefect's own pages too, on this machine alone.")] = False,
    port: Annotated[int, typer.Option("--port", help="Where --ui listens; any free port when taken.", min=1)] = 4200,
    step: Annotated[
        str | None, typer.Option("--step", help="Move a simulated clock so far a tick (30m, 1h), without waiting.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="End when a simulated clock gets there (ISO, with a zone).")
    ] = None,
) -> None:
    """Keep the campaigns going: `advance` every few seconds, begun again if it dies, people told if it is late."""
    from flows.alerts import Alerts, check_addresses
    from flows.server import free_port
    from flows.up import Supervisor, only_one
    from flows.up_log import open_log
    from flows.watchdog import Watchdog

    room = open_home(home)
    settings = room.settings
    steps = steps_of(room, step, until)
    room.ledger.close()
    check_addresses(settings.alert_urls)
    lock = only_one(settings.home)
    log = open_log(settings.home)
    address = free_port(port) if ui else None
    if address is not None:
        log.info("pages at http://127.0.0.1:%d", address)
    late = (settings.tick + settings.late_after).total_seconds()
    alerts = Alerts(settings.alert_urls, log.error)
    supervisor = Supervisor(settings.home.resolve(), Watchdog.begin(late), alerts, log, steps, address)
    code = supervisor.run()
    lock.release()
    raise typer.Exit(code)


def steps_of(room: Room, step: str | None, until: str | None) -> tuple[str, ...]:
    """How the engine moves a simulated clock, as its arguments; InputError when the ledger's clock cannot."""
    from config.settings import read_duration

    if not room.ledger.simulated:
        if step or until:
            raise InputError("--step and --until move a simulated clock; this ledger runs on the real one")
        return ()
    if not step or not until:
        raise InputError("this ledger's clock stands still; say how far it goes: --step 30m --until 2026-12-24T18:00Z")
    try:
        length: timedelta = read_duration(step)
    except ValueError as error:
        raise InputError(f"--step {step}: {error}") from None
    end: datetime = moment(until)
    if end < room.ledger.now():
        raise InputError(f"--until {until}: the simulated clock stands at {room.ledger.now().isoformat()} already")
    return (str(length.total_seconds()), end.isoformat())


def doctor(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Look at everything that can be wrong with a home; exit code 1 when something fails, else 0."""
    from console.doctor import examine

    found = list(examine(settings_of(home), os.environ, datetime.now(UTC)))
    failed = any(finding.verdict == "fail" for finding in found)
    if as_json:
        print_json({"ok": not failed, "checks": found})
    else:
        cells = [(finding.check, finding.verdict, finding.said, finding.do) for finding in found]
        table("", ("check", "", "found", "what to do"), cells)
    raise typer.Exit(1 if failed else 0)


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(up)
    app.command()(doctor)
