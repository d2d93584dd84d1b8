"""From one machine to many: tell a Prefect server what there is to run."""

from __future__ import annotations

from typing import Annotated

import typer

from console.context import HomeOption, settings_of
from console.show import say


def deploy(
    home: HomeOption = None,
    pool: Annotated[str, typer.Option("--pool", help="Work pool, made if missing; the deployments' name too.")] = (
        "multiwave"
    ),
    kind: Annotated[
        str | None,
        typer.Option("--type", help="Type of a pool that is made: process (default), docker, kubernetes, ..."),
    ] = None,
) -> None:
    """Register the campaigns' clock and waves at the Prefect server of PREFECT_API_URL; again is harmless."""
    from flows.deployments import deploy as register

    settings = settings_of(home)
    done = register(pool, kind, settings.tick)
    say(f"{' and '.join(done.deployments)} are registered at {done.server}")
    say(f"the clock ticks every {settings.tick.total_seconds():.0f} s (MULTIWAVE_TICK)")
    say(f"pool {done.pool} of type {done.type} is {'new' if done.made else 'there already'}")
    if done.type == "process":
        say(f"next, on each machine: prefect worker start --pool {done.pool}")
        say("with the same MULTIWAVE_DATABASE_URL and MULTIWAVE_TOKEN_KEY, and a MULTIWAVE_HOME with the same config/")


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command()(deploy)
