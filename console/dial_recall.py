"""The lead's commands about a list that is out: how fresh it is, whom to take off it, and whom we promised a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import ByOption, HomeOption, JsonOption, number_of_row, open_home, who
from console.dial_blocks import blocks_json, say_blocks
from console.dial_load import tell_taken_off
from console.show import Ticker, clock, local_times, print_json, progress, say, table
from waves.errors import InputError

if TYPE_CHECKING:
    from flows.dial_forecast import Forecast
    from ledger.callbacks import Promise

ListArgument = Annotated[
    int, typer.Argument(metavar="LIST", help="The list's number.", callback=number_of_row, show_default=False)
]


def show(number: ListArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """How a list stands and how fresh it is: whom it should not dial any more since it was pulled, and why."""
    from flows import dial_recall

    room = open_home(home)
    found = dial_recall.show(room, number, room.ledger.now())
    stale = Counter(one.reason for one in found.stale)
    if as_json:
        print_json({**asdict(found), "stale": dict(stale), "blocks": blocks_json(found.blocks)})
        return
    standing = found.standing
    say(f"list {number}: {found.campaign}, wave {found.wave}, team {found.team}, shift {found.shift}")
    say(f"{found.life}: pulled {clock(found.pulled_at)}, {where(asdict(found))}")
    if found.loaded is not None:
        say(f"{found.loaded:,} of {standing.entries:,} loaded, said {clock(found.loaded_at)}")
    elif found.life in ("leased", "attempted"):
        say(f"nobody said how many entries the dialler took; run: multiwave dial-list loaded {number} --entries N")
    say(f"{standing.entries:,} entries, {standing.called:,} called, {standing.active:,} still hold their customer")
    say_blocks(found.blocks)
    if found.cards:
        say(f"ranked by what model card {', '.join(map(str, found.cards))} says; see: multiwave history cards")
    if found.runs_dry is not None:
        say(_dry(found.runs_dry))
    if standing.recalled:
        say(f"recalled: {_counted(standing.recalled)}")
    if stale:
        say(f"since the download: {_counted(stale)}; run: multiwave dial-list recall {number}")
    if standing.off:
        _say_not_done(number, standing.files)
    elif standing.active and not stale:
        say("fresh: nobody on it is to be left alone by what is known now")


def _dry(forecast: Forecast) -> str:
    """When a list has nobody left to dial, in a sentence."""
    if not forecast.known:
        return f"when it runs dry is not known yet: {forecast.why}"
    if forecast.p10 is None:
        return f"it will hardly run dry before its end ({forecast.why})"
    latest = clock(forecast.p90) if forecast.p90 else "its end"
    return f"it runs dry between {clock(forecast.p10)} and {latest}, eight times of ten ({forecast.why})"


def where(found: Mapping[str, Any]) -> str:
    """Where a list is, by its times: with its team, over and held, let go of, or returned."""
    if found["let_go_at"]:
        return f"let go {clock(found['let_go_at'])}, not returned"
    if found["returned_at"]:
        return f"returned {clock(found['returned_at'])}"
    if found["life"] == "expired":
        return f"over since {clock(found['valid_until'])}, holds its people until {clock(found['held_until'])}"
    return f"out until {clock(found['valid_until'])}"


def _counted(reasons: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{n:,} {why}" for why, n in sorted(reasons.items(), key=lambda each: (-each[1], each[0])))


def _say_not_done(number: int, files: Mapping[str, int]) -> None:
    """The files of a list that the dialler is yet to take, and what to say when it did."""
    for file, held in ((file, held) for file, held in files.items() if held):
        say(f"{held:,} recalled and not yet --done; file {file}")
    say(f"when the dialler took one: multiwave dial-list recall {number} --done --file NAME")


def recall(
    number: ListArgument,
    customer: Annotated[str | None, typer.Option(help="Take this customer off, by their key.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Take everybody off who is still on it.")] = False,
    last: Annotated[
        int | None,
        typer.Option(help="Take so many off the end of the list whom nobody dialled: agents are absent.", min=1),
    ] = None,
    done: Annotated[bool, typer.Option("--done", help="The dialler has taken the recalled ones off.")] = False,
    file: Annotated[
        Path | None,
        typer.Option(help="With --done: by which file (the list's one recall, when it had one).", show_default=False),
    ] = None,
    by_api: Annotated[
        bool, typer.Option("--by-api", help="Have the dialler take off all who are recalled; safe to run again.")
    ] = False,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a file for the dialler of whom to take off; nobody else gets them before --done, or the list's return."""
    from flows import dial_recall

    if sum([customer is not None, everybody, last is not None, done]) > 1:
        raise InputError("--customer, --all, --last and --done are four things; give one of them")
    if file is not None and not done:
        raise InputError("--file says which recall is done; write it with --done")
    if done and by_api:
        raise InputError("--by-api takes off, --done says that it is done; give one of them")
    room = open_home(home, to_stop=True)
    if by_api:
        from flows import dial_load

        with progress() as bar:
            room.tick = Ticker(bar)
            made = dial_load.recall(room, number, who(by), customer, everybody, last or 0)
        tell_taken_off(number, made, as_json)
        return
    if done:
        freed = dial_recall.acknowledge(room, number, who(by), room.ledger.now(), file and file.name)
        if as_json:
            print_json({"list": number, "taken_off": freed})
        else:
            say(f"list {number}: {freed:,} recalled entries hold nobody any more")
        return
    taken = dial_recall.recall(room, number, who(by), room.ledger.now(), customer, everybody, last or 0)
    reasons = Counter(one.reason for one in taken.entries)
    if as_json:
        file_ = str(taken.file) if taken.file else None
        print_json({"list": number, "file": file_, "recalled": dict(reasons), "files": dict(taken.files)})
    elif taken.file is not None:
        say(f"list {number}: {_counted(reasons)}")
        say(str(taken.file))
        for note in taken.written.notes:
            say(f"note: {note}")
        say(f"give it to the dialler, then: multiwave dial-list recall {number} --done --file {taken.file.name}")
    elif any(taken.files.values()):
        _say_not_done(number, taken.files)
    else:
        say(f"list {number} is fresh: nobody is to be taken off it")


def callbacks(
    hours: Annotated[float, typer.Option(help="Those of so many hours to come.", min=0.25, max=24 * 31)] = 24,
    ago: Annotated[float, typer.Option(help="And of so many hours past.", min=0, max=24 * 31)] = 24,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whom we promised to call and when: who waits or is on a list, and which were kept, missed or void."""
    from ledger.callbacks import promises

    room = open_home(home)
    now = room.ledger.now()
    with room.ledger.read() as connection:
        found = promises(connection, now, ago, hours)
    if as_json:
        print_json({"callbacks": [{**asdict(one), "local": local_times(one.zones, one.at)} for one in found]})
        return
    if not found:
        say("no call was promised for that time")
        return
    cells = [
        (clock(one.at), _theirs(one), one.customer, one.campaign, one.wave, one.agent or "", one.told, one.list or "")
        for one in found
    ]
    columns = ("at", "by their clock", "customer", "campaign", "wave", "agent", "state", "list")
    table("promised calls", columns, cells, ("list",))
    kept, over = sum(one.state == "kept" for one in found), sum(one.state in ("kept", "missed") for one in found)
    if over:
        say(f"{kept:,} of {over:,} promises that came due were kept within 15 minutes")


def _theirs(promise: Promise) -> str:
    """The promised time where the customer is; all of them for one who may be in several zones."""
    told = {local[:4] + local[-5:] for local in local_times(promise.zones, promise.at).values() if local}
    return " or ".join(sorted(told))
