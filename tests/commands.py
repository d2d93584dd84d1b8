"""The program's commands as a person at a wide screen sees them, run in the test's own process."""

from __future__ import annotations

from typer.testing import CliRunner

from console.cli import app
from console.show import screen
from tests.builders import World


def said(world: World, *words: str) -> str:
    """What a command over the world's home prints, in 160 columns; its error is raised, its exit code passed over."""
    before, screen.width = screen.width, 160
    try:
        result = CliRunner().invoke(app, [*words, "--home", str(world.config.parent)])
    finally:
        screen.width = before
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout
