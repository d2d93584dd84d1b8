"""The lead's commands: pull a dial list, return it, see what is out."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import ByOption, DiallerOption, HomeOption, JsonOption, name_of_team, open_home, who
from console.dial_advice import EXAMPLE, advice
from console.dial_blocks import blocks_json, say_blocks
from console.dial_load import LOAD_HELP, load, loaded
from console.dial_plan import plan, say_left_out
from console.dial_recall import ListArgument, callbacks, recall, show, where
from console.dial_stats import stats
from console.dial_watch import abandonment
from console.show import clock, print_json, say, table
from waves.dial_lease import Lease, held_until, life
from waves.errors import InputError

if TYPE_CHECKING:
    from channels.call_list.rows import Written
    from flows.dialling import Cut


def pull(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)],
    wave: Annotated[str, typer.Argument(help="Its call wave.", show_default=False)],
    team: Annotated[str, typer.Option(help="The team that will dial it.", callback=name_of_team)],
    size: Annotated[
        int | None,
        typer.Option(help="How many entries at most, instead of what the plan's capacity takes.", min=1, max=100_000),
    ] = None,
    agents: Annotated[
        int | None,
        typer.Option(help="How many agents are there today, instead of as the plan says.", min=1, max=10_000),
    ] = None,
    shift: Annotated[str, typer.Option(help="A name for the shift, such as monday-early.")] = "today",
    hours: Annotated[
        float | None,
        typer.Option(help="How long the list may be dialled, instead of the plan's shift.", min=0.25, max=72),
    ] = None,
    dialler: DiallerOption = None,
    keep_last: Annotated[
        bool,
        typer.Option("--keep-last", help="Though the team's last list is over and not returned; it keeps its people."),
    ] = False,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cut the best callable customers of a wave into a file for their dialler; nobody is on two live lists."""
    from flows import dialling

    room = open_home(home)
    asked = (campaign, wave, team, shift, size, hours, who(by), room.ledger.now(), dialler, agents, keep_last)
    cut = dialling.pull(room, *asked)
    if as_json:
        _print_cut(cut)
        return
    if not cut.number:
        say(f"nobody is callable now in {campaign}, wave {wave}; see: multiwave status {campaign}")
    _say_cut(cut, f"for {team}", dialler)


def extend(
    number: ListArgument,
    size: Annotated[int | None, typer.Option(help="So many more, the best there are.", min=1, max=100_000)] = None,
    customer: Annotated[str | None, typer.Option(help="This customer, by their key, if they may be called.")] = None,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put more customers on a list that is out, or one at once, and write a file of them alone."""
    from flows import dialling

    if (size is None) == (customer is None):
        raise InputError("write how many more (--size), or who (--customer)")
    room = open_home(home)
    cut = dialling.extend(room, number, size or 1, who(by), room.ledger.now(), customer)
    if as_json:
        _print_cut(cut, of_all_teams=False)
        return
    if not cut.entries:
        say(f"nobody more is callable now for list {number}")
    _say_cut(cut, "more", None)


def _print_cut(cut: Cut, of_all_teams: bool = True) -> None:
    dealt = {"worth_an_agent_hour": cut.worth_an_hour, "gap": round(cut.gap, 4)} if of_all_teams else {}
    print_json(
        {
            "list": cut.number or None,
            "entries": len(cut.entries),
            "file": str(cut.file) if cut.file else None,
            "valid_until": cut.valid_until,
            "shortened": list(cut.written.shortened),
            "notes": list(cut.written.notes),
            "wanted": cut.sized.size,
            "sized": cut.sized.why,
            **dealt,
            "blocks": blocks_json(cut.pulled.blocks),
            "left_out": cut.pulled.funnel,
            "waiting": cut.pulled.waiting,
        }
    )


def _say_cut(cut: Cut, what: str, dialler: str | None) -> None:
    if cut.entries:
        say(f"list {cut.number}: {len(cut.entries):,} entries {what}, valid until {clock(cut.valid_until)}")
        say(str(cut.file))
        say(f"{cut.sized.size:,} wanted ({cut.sized.why})")
        if len(cut.worth_an_hour) > 1:
            worth = ", ".join(f"{name} {value:,.1f}" for name, value in cut.worth_an_hour.items())
            say(f"rank an agent hour: {worth}; the gap between the teams is {cut.gap:.1%}")
        say_blocks(cut.pulled.blocks)
        _say_shortened(cut.written)
        by_name = f" --dialler {dialler}" if dialler else ""
        say(f"after the shift: multiwave dispositions import FILE{by_name}, then: multiwave dial-list return LIST")
    say_left_out("left out", cut.pulled.funnel, cut.pulled.waiting)


def _say_shortened(written: Written) -> None:
    """What the dialler's columns could not hold, by column; --json names each entry."""
    cut = Counter(one.column for one in written.shortened if one.kept)
    out = Counter(one.column for one in written.shortened if not one.kept)
    for column in dict.fromkeys(one.column for one in written.shortened):
        parts = [
            f"{n:,} {what}"
            for n, what in ((cut[column], "entries, cut there"), (out[column], "entries, left out there"))
            if n
        ]
        say(f"note: {column}: more than the dialler holds in {', '.join(parts)}", markup=False)
    for note in written.notes:
        say(f"note: {note}", markup=False)


def give_back(
    number: ListArgument,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Return a list after its dispositions are imported: who was not called may be listed again."""
    from flows import dialling
    from ledger.dial_recall import lists_again, standing_of

    room = open_home(home)
    now = room.ledger.now()
    called, rest = dialling.give_back(room, number, who(by), now)
    with room.ledger.read() as connection:
        before = standing_of(connection, number).entries - called - rest
        again = lists_again(connection, number, now)
    taken_off = f"; {before:,} more had been taken off it before" if before else ""
    then = "who may be listed again at once" if again else "and nobody is listed again: the wave is over"
    say(f"list {number} returned: {called:,} called, {rest:,} not, {then}{taken_off}")


def ls(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every dial list: whose it is, how much of it was loaded and called, and whether it is still out."""
    from ledger import dial_lists

    room = open_home(home)
    now = room.ledger.now()
    with room.ledger.read() as connection:
        rows = [_stands(row, now) for row in dial_lists.lists(connection)]
    if as_json:
        print_json({"lists": rows})
        return
    if not rows:
        say("no dial list was pulled yet; see: multiwave dial-list pull --help")
        return
    cells = [
        (
            r["id"],
            r["campaign"],
            r["wave"],
            r["team"],
            r["shift"],
            r["entries"],
            "" if r["loaded"] is None else f"{r['loaded']:,} of {r['entries']:,}",
            r["called"],
            clock(r["pulled_at"]),
            r["life"],
            where(r),
        )
        for r in rows
    ]
    columns = ("list", "campaign", "wave", "team", "shift", "entries", "loaded", "called", "pulled", "life", "where")
    table("dial lists", columns, cells, ("list", "entries", "loaded", "called"))


def _stands(row: Any, now: datetime) -> dict[str, Any]:
    at = (row.valid_until, row.returned_at, row.let_go_at, row.loaded_at)
    stands = life(Lease(*at, row.held, row.recalled, row.called), now)
    return {**row._mapping, "held_until": held_until(row.pulled_at, row.valid_until), "life": stands}


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Dial lists for call-centre leads.", no_args_is_help=True)
    topic.command("plan")(plan)
    topic.command("pull")(pull)
    topic.command("load", epilog=LOAD_HELP)(load)
    topic.command("loaded")(loaded)
    topic.command("return")(give_back)
    topic.command("ls")(ls)
    topic.command("show")(show)
    topic.command("extend")(extend)
    topic.command("recall")(recall)
    topic.command("callbacks")(callbacks)
    topic.command("stats")(stats)
    topic.command("advice", epilog=EXAMPLE)(advice)
    topic.command("abandonment")(abandonment)
    app.add_typer(topic, name="dial-list")
