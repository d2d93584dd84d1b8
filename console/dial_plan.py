"""`dial-list plan`: the lists that a shift's teams would get, before anybody is put on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.context import ByOption, DiallerOption, HomeOption, JsonOption, name_on_a_line, open_home, who
from console.dial_blocks import WORDS, blocks_json
from console.show import clock, print_json, say, table
from waves.dial_split import TIERS
from waves.errors import InputError

if TYPE_CHECKING:
    from ledger.dial_blocks import Block


def plan(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)],
    wave: Annotated[str, typer.Argument(help="Its call wave.", show_default=False)],
    team: Annotated[
        str | None, typer.Option(help="This team alone, instead of all that have none yet.", callback=name_on_a_line)
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="With --team: how many entries at most, as for pull.", min=1, max=100_000)
    ] = None,
    agents: Annotated[
        int | None, typer.Option(help="With --team: how many agents are there today.", min=1, max=10_000)
    ] = None,
    shift: Annotated[str, typer.Option(help="The shift's name.", callback=name_on_a_line)] = "today",
    hours: Annotated[
        float | None, typer.Option(help="How long the lists may be dialled.", min=0.25, max=72, show_default=False)
    ] = None,
    dialler: DiallerOption = None,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """What each team's list of a shift would be now, who would be left out and why; nobody is put on one."""
    from flows import dialling

    if team is None and (size or agents):
        raise InputError("--size and --agents are of one team; write --team as well")
    room = open_home(home)
    now = room.ledger.now()
    made = dialling.plan(room, campaign, wave, shift, hours, who(by), now, team, size, agents, dialler)
    last = made[-1].pulled
    if as_json:
        lists = [
            {
                "team": one.team,
                "wanted": one.sized.size,
                "sized": one.sized.why,
                "entries": len(one.pulled.entries),
                "blocks": blocks_json(one.pulled.blocks),
                "worth_an_agent_hour": one.worth_an_hour,
                "gap": round(one.gap, 4),
                "left_out": one.pulled.funnel,
                "refused": one.refused,
            }
            for one in made
        ]
        print_json({"campaign": campaign, "wave": wave, "at": now, "lists": lists, "waiting": last.waiting})
        return
    cells = [
        (one.team, one.sized.size, len(one.pulled.entries), *(_block(one.pulled.blocks, tier) for tier in TIERS))
        for one in made
    ]
    columns = ("team", "wanted", "entries", *(WORDS[tier] for tier in TIERS))
    table(f"lists of {campaign}, wave {wave}, if they were pulled at {clock(now)}", columns, cells, columns[1:])
    say(made[0].sized.why, markup=False)
    by_lot = sum(block.by_lot for one in made for block in one.pulled.blocks)
    if by_lot:
        say(f"{by_lot:,} of them by lot, to learn of those whom the rank leaves out")
    if len(made[-1].worth_an_hour) > 1:
        say(f"the gap between the teams is {made[-1].gap:.1%} of the rank an agent hour")
    say_left_out("left out of the last of them", last.funnel, last.waiting)
    for one in made:
        if one.refused:
            say(f"pull refuses that: {one.refused}", markup=False)
    say(f"nobody was put on a list; run: multiwave dial-list pull {campaign} {wave} --team {made[0].team}")


def _block(blocks: Sequence[Block], tier: str) -> str:
    """How many a block has, and what share of the dials is expected to be answered."""
    found = [block for block in blocks if block.tier == tier]
    return ", ".join(
        f"{block.entries:,}" + ("" if block.hit_rate is None else f" ({block.hit_rate:.0%})") for block in found
    )


def say_left_out(title: str, funnel: Mapping[str, int], waiting: Mapping[str, int]) -> None:
    """Why a list has no more people on it, and what the rest of its wave does."""
    if funnel:
        left_out = sorted(funnel.items(), key=lambda each: -each[1])
        table(title, ("why", "customers"), left_out, ("customers",))
    say(
        f"of the wave's other calls {waiting['due']:,} are due, {waiting['later']:,} wait for their time, "
        f"{waiting['on_a_list']:,} are on a list, {waiting['done']:,} are over"
    )
