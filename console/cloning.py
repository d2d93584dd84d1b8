"""A campaign's plan as the text of another: for the next season, or to mend a wrong text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import HomeOption, open_home
from console.recalling import CampaignArgument, known_variant, wave_of
from console.show import say
from waves.errors import CampaignError, InputError
from waves.message import CHANNEL_NAMES
from waves.plan import CAMPAIGN_NAME, Moment

if TYPE_CHECKING:
    from flows.running import Running

LONGEST = 48
"""How much of a campaign's name its clone takes over, so that its own fits."""


def clone(
    campaign: CampaignArgument,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="The new plan's campaign name, or it is left for you to write.", show_default=False
        ),
    ] = None,
    starts: Annotated[
        str | None,
        typer.Option(
            "--starts",
            help="Its start, such as '2027-12-01 09:00 Europe/Kyiv', or it is left for you to write.",
            show_default=False,
        ),
    ] = None,
    remainder: Annotated[
        str | None,
        typer.Option(
            "--remainder",
            metavar="WAVE",
            help="For those who were to get this wave and did not: it and the later waves.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="With --remainder: without the later waves.")] = False,
    correction: Annotated[
        str | None,
        typer.Option(
            "--correction", metavar="WAVE", help="For those who got this wave: it alone, once more.", show_default=False
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option("--channel", help="With --correction: those who got it on this channel.", show_default=False),
    ] = None,
    variant: Annotated[
        int | None,
        typer.Option("--variant", help="With --correction: those who got this wording.", show_default=False),
    ] = None,
    with_files: Annotated[
        Path | None,
        typer.Option(
            "--with-files",
            metavar="DIR",
            help="Write the segment, templates and hours there as they were frozen.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the plan into this file.", show_default=False)
    ] = None,
    home: HomeOption = None,
) -> None:
    """Give a started campaign's plan back as YAML: for the next season, or the rest or a correction of a wrong text."""
    from config import cloning
    from flows.running import load_running

    _fits(remainder, correction, only, channel, variant)
    if name is not None and not re.fullmatch(CAMPAIGN_NAME, name):
        raise InputError(f"--name {name}: write lower-case letters, digits, - and _, a letter first")
    written = _start(starts)
    room = open_home(home)
    running = load_running(room.ledger, campaign)
    if remainder:
        wave_of(running, remainder)
        text = cloning.remainder(running.bundle, remainder, name or f"{campaign[:LONGEST]}-rest", written, only)
    elif correction:
        by = _one_channel(room, running, correction, channel, variant)
        fresh, now = name or f"{campaign[:LONGEST]}-correction", room.ledger.now()
        text = cloning.correction(running.bundle, correction, fresh, written, by, variant, now)
    else:
        text = cloning.again(running.bundle, name, written)
    frozen = cloning.frozen_files(running.bundle) if with_files else {}
    files = {with_files / path: content for path, content in frozen.items()} | ({out: text} if out else {})
    _write_new(files)
    if out:
        say(f"written: {out}; mend it, then run: multiwave check {out}")
    else:
        typer.echo(text, nl=not text.endswith("\n"))


def _fits(remainder: str | None, correction: str | None, only: bool, channel: str | None, variant: int | None) -> None:
    if remainder and correction:
        raise InputError("--remainder is for those who did not get the wave, --correction for those who did")
    if only and not remainder:
        raise InputError("--only goes with --remainder")
    if (channel or variant is not None) and not correction:
        raise InputError("--channel and --variant go with --correction")


def _start(starts: str | None) -> str | None:
    if starts is None:
        return None
    try:
        return str(Moment.parse(starts))
    except ValueError as error:
        raise InputError(f"--starts: {error}") from None


def _one_channel(room: Any, running: Running, wave: str, channel: str | None, variant: int | None) -> str:
    """The channel to correct: the one asked for, or the only one by which the wave went out."""
    from ledger import recall

    known_variant(wave_of(running, wave), variant)
    went: dict[str, int] = {}
    with room.ledger.read() as connection:
        for code, _, _, touches in recall.counts_of(connection, running.row(wave).id, variant):
            went[CHANNEL_NAMES[code]] = went.get(CHANNEL_NAMES[code], 0) + touches
    told = ", ".join(f"{name} ({touches:,})" for name, touches in went.items())
    if not went:
        raise CampaignError(f"nobody got wave {wave} of {running.name}{' in this wording' if variant else ''} yet")
    if channel is None and len(went) > 1:
        raise CampaignError(
            f"wave {wave} went out by {told}: make one correction for each, with --channel, "
            "so that everybody gets it the way they got the first"
        )
    if channel is not None and channel not in went:
        raise CampaignError(f"nobody got wave {wave} of {running.name} by {channel}; it went out by {told}")
    return channel or next(iter(went))


def _write_new(files: Mapping[Path, str]) -> None:
    """Write files byte for byte, all or none; what is there already and says something else is never overwritten."""
    for path, text in files.items():
        if path.exists() and (path.is_dir() or path.read_bytes() != text.encode()):
            raise InputError(f"{path}: this is there already and says something else; name another place")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command()(clone)
