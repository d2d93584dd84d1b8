"""What every command needs: the home, the open engine, who is asking, and the time."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channels.registry import CAPABILITIES
from config.bundle import Bundle
from config.loading import load_plan
from config.nearest import write_instead
from config.settings import Settings, load_settings
from waves.errors import InputError

if TYPE_CHECKING:
    from flows.room import Room

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder with config/ and the ledger (or MULTIWAVE_HOME).", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
DiallerOption = Annotated[
    str | None,
    typer.Option(help="Its name in config/diallers.yaml; without one the generic CSV.", show_default=False),
]
ByOption = Annotated[str | None, typer.Option("--by", help="Who is doing this (default: your login name).")]


class Chosen:
    """What the program's own --home said, before the command's."""

    home: Path | None = None


def settings_of(home: Path | None) -> Settings:
    """The settings, with the command's --home before the program's before the environment's."""
    return load_settings(home or Chosen.home)


def open_home(home: Path | None, to_stop: bool = False) -> Room:
    """The engine of a home that `init` made; `to_stop`: for a command that stops something, whatever else is wrong."""
    from flows.room import open_room

    return open_room(settings_of(home), to_stop)


def config_dir(settings: Settings) -> Path:
    """Where a home keeps what people write."""
    return settings.home / "config"


def find_plan(settings: Settings, plan: str) -> Path:
    """A plan by path, or by its name among the home's plans; InputError when there is neither."""
    own = config_dir(settings) / "plans" / f"{plan.removesuffix('.yaml')}.yaml"
    for path in (Path(plan), own):
        if path.is_file():
            return path
    there = sorted(p.stem for p in own.parent.glob("*.yaml"))
    raise InputError(
        f"{plan}: there is no such file, nor a plan of that name in {own.parent}; {write_instead(plan, there)}"
    )


def bundle_of(settings: Settings, plan: str) -> Bundle:
    """A checked plan with all it rests on; PlanError with every problem."""
    path = find_plan(settings, plan)
    has_pages = settings.public_url is not None
    return load_plan(path, config_dir(settings), CAPABILITIES, settings.default_language, has_pages)


def who(by: str | None) -> str:
    """The name that goes into the audit: the one given, else the login of this machine; InputError for an empty one."""
    if by is not None and not by.strip():
        raise InputError("--by is empty; write who does it, or leave it out")
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def moment(text: str) -> datetime:
    """An instant in ISO form with a zone, such as 2026-12-01T09:00+02:00 or ...Z; InputError for anything else."""
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is None:
            raise InputError(f"{text!r} has no zone; add one: {text}Z for UTC, or {text}+02:00")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(f"{text!r} is no time; write 2026-12-01T09:00+02:00 or 2026-12-01T07:00Z") from None


def number_of_row(number: int) -> int:
    """The number, if a ledger can hold it; InputError otherwise."""
    if not 0 < number < 2**63:
        raise InputError(f"{number} is the number of nothing")
    return number


def name_on_a_line(option: typer.CallbackParam, text: str | None) -> str | None:
    """The text, if it can name a team or a shift on one line; InputError otherwise."""
    if text is not None and not (text.strip() and text.isprintable()):
        raise InputError(f"{option.opts[0]} {text!r} is no name; write one on one line, such as north")
    return text


def existing(path: Path) -> Path:
    """The path, if a file is there; InputError otherwise."""
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; name a file in it")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    return path
