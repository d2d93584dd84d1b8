"""The door for providers: `serve` takes their callbacks in."""

from __future__ import annotations

from typing import Annotated

import typer

from console.context import HomeOption, open_home
from console.show import say
from waves.errors import InputError


def serve(
    home: HomeOption = None,
    host: Annotated[str, typer.Option("--host", help="Where it listens; beyond this machine only behind TLS.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int, typer.Option("--port", help="Where it listens; 0 takes any free port.", min=0, max=65_535)
    ] = 8321,
) -> None:
    """Answer providers and people: callbacks, links, unsubscribe, push and inbox; all on disk first, then merged."""
    from console.web.serving import serve as run

    if not host.strip():
        raise InputError(
            "--host is empty, which would be every address of this machine; write 0.0.0.0 if that is meant"
        )
    try:
        run(open_home(home), host, port, say)
    except OSError as error:
        raise InputError(f"--host {host} --port {port}: cannot listen there ({error.strerror})") from None


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(serve)
