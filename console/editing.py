"""For the editors of those who write plans: JSON Schemas of the files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from channels.registry import CAPABILITIES, OPTIONS
from console.context import HomeOption, config_dir, settings_of
from console.show import say


def schemas(
    out: Annotated[Path | None, typer.Option("--out", help="The folder (default: the home's config/schemas).")] = None,
    home: HomeOption = None,
) -> None:
    """Write JSON Schemas of every kind of file that people write, for editors to complete and explain."""
    from config.editor import write_schemas

    for path in write_schemas(out or config_dir(settings_of(home)) / "schemas", CAPABILITIES, OPTIONS):
        say(str(path))


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command()(schemas)
