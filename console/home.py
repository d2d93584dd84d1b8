"""`init` and `demo`: make a home, or a home that runs by itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from channels.registry import CAPABILITIES, OPTIONS
from config import PACKAGED
from console.context import HomeOption, config_dir, settings_of
from console.show import say

EXAMPLES = (
    "customers.yaml",
    "senders.yaml",
    "seeds.yaml",
    "diallers.yaml",
    "plans",
    "segments",
    "templates",
    "rules",
    "examples",
)


def init(
    home: HomeOption = None,
    simulated_clock: Annotated[
        bool, typer.Option("--simulated-clock", help="Time stands still until `advance --now` moves it.")
    ] = False,
) -> None:
    """Make a home: the ledger, the token key, config/ with examples that run; again, to bring the tables up to date."""
    from config.editor import FOLDER as SCHEMAS
    from config.editor import write_schemas
    from flows.room import own_key
    from ledger.store import create_ledger

    settings = settings_of(home)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    copied = copy_examples(config_dir(settings))
    write_schemas(config_dir(settings) / SCHEMAS, CAPABILITIES, OPTIONS)
    ledger = create_ledger(settings.url, simulated=simulated_clock)
    try:
        own_key(settings, ledger)
    finally:
        ledger.close()
    clock = "simulated clock" if ledger.simulated else "real clock"
    say(f"home {settings.home} is ready ({clock}); {copied} example files in {config_dir(settings)}")
    say("next: multiwave customers import FILE, then: multiwave check renewal")


def copy_examples(target: Path) -> int:
    """Copy the packaged configuration; what is there already stays as it is. How many files were new."""
    copied = 0
    for name in EXAMPLES:
        source = PACKAGED / name
        files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
        for file in files:
            own = target / file.relative_to(PACKAGED)
            if not own.exists():
                own.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, own)
                copied += 1
    return copied


def demo(
    home: Annotated[
        Path, typer.Option("--home", help="Folder the demo makes; one from an earlier demo is made anew.")
    ] = Path("demo-home"),
    members: Annotated[int, typer.Option(help="How many of the 21,188 bank customers take part.", min=100)] = 21_188,
) -> None:
    """Run a campaign of four waves over 21,188 real bank customers with simulated contact points and responses."""
    from console.demo.drive import run_demo

    run_demo(home, members)


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(init)
    app.command()(demo)
