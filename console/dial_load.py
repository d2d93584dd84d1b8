"""The lead's commands that speak with a dialler's API: load a list, and what a recall by API is told as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import ByOption, HomeOption, JsonOption, number_of_row, open_home, who
from console.show import Ticker, counts, print_json, progress, say

if TYPE_CHECKING:
    from channels.call_list.rows import Answered
    from flows.dial_load import Loaded, TakenOff

AGAIN = "run it again: nobody who is there is loaded twice"
LOAD_HELP = (
    "Its dialler needs `api` in config/diallers.yaml, and the user and password in the environment variables that it "
    "names. Load a list by its file or by this, not both. Exit code 1: not everybody is loaded as they should be."
)


def load(
    number: Annotated[
        int, typer.Argument(metavar="LIST", help="The list's number.", callback=number_of_row, show_default=False)
    ],
    into: Annotated[
        int | None,
        typer.Option(
            help="The dialler's own list to load into (default: list_id in config/diallers.yaml).",
            min=100,
            max=99_999_999_999_999,
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load a pulled list into its dialler by API, each entry once; safe to run again."""
    from flows import dial_load

    room = open_home(home)
    with progress() as bar:
        room.tick = Ticker(bar)
        made = dial_load.load(room, number, who(by), into)
    if as_json:
        print_json(_as_json(made))
    else:
        _say_loaded(made)
    if not made.is_whole:
        raise typer.Exit(1)


def loaded(
    number: Annotated[
        int, typer.Argument(metavar="LIST", help="The list's number.", callback=number_of_row, show_default=False)
    ],
    entries: Annotated[
        int, typer.Option(help="How many entries the dialler says it took.", min=0, max=100_000_000, show_default=False)
    ],
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how many entries of a list its dialler took when its file was loaded by hand; the last count stands."""
    from ledger.dial_loads import acknowledge

    room = open_home(home)
    with room.ledger.write() as connection:
        of = acknowledge(connection, number, entries, who(by), room.ledger.now())
    if as_json:
        print_json({"list": number, "loaded": entries, "entries": of})
        return
    say(f"list {number}: {entries:,} of {of:,} loaded")
    if entries < of:
        say(
            f"the other {of - entries:,} are held and not dialled: see the dialler's import log for why and load them "
            f"again, or take each off: multiwave dial-list recall {number} --customer KEY; whoever is left waits for "
            "another list when this one is returned"
        )


def _as_json(made: Loaded) -> dict[str, Any]:
    return {
        "list": made.number,
        "dialler": made.dialler,
        "into": made.into,
        "entries": made.entries,
        "answers": dict(made.words),
        "left_out": dict(made.left_out),
        "not_loaded": made.others,
        "taken_off_again": made.taken_off,
        "stopped": made.stopped,
    }


def _say_loaded(made: Loaded) -> None:
    words, place = made.words, f"list {made.into} of {made.dialler}"
    before = f", {words['there']:,} of them before" if words["there"] else ""
    say(f"list {made.number}: {words['loaded'] + words['there']:,} of {made.entries:,} loaded into {place}{before}")
    if made.left_out:
        say(f"left out: {counts(made.left_out)}")
    _say_others(made.others)
    if made.taken_off:
        say(f"recalled while they were loaded: {counts(Counter(one.word for one in made.taken_off))}")
        if not all(one.word == "off" for one in made.taken_off):
            say(f"they may be dialled; run: multiwave dial-list recall {made.number} --by-api")
    if made.stopped:
        say(f"stopped: {made.stopped}")
    if words["in_doubt"] or words["not_asked"] or made.stopped:
        say(AGAIN)


def _say_others(answers: Iterable[Answered]) -> None:
    why = Counter((one.word, one.why) for one in answers)
    for (word, said), n in sorted(why.items(), key=lambda each: (-each[1], each[0])):
        say(f"{word}: {n:,}{f', {said}' if said else ''}")


def tell_taken_off(number: int, made: TakenOff, as_json: bool) -> None:
    """What a dialler made of a recall, and exit code 1 while it may still dial somebody."""
    if as_json:
        print_json(
            {
                "list": number,
                "file": str(made.taken.file) if made.taken.file else None,
                "recalled": dict(Counter(one.reason for one in made.taken.entries)),
                "files": dict(made.taken.files),
                "answers": dict(made.words),
                "not_off": [one for one in made.answers if one.word != "off"],
            }
        )
    elif not made.answers:
        say(f"list {number} is fresh: nobody is to be taken off it")
    else:
        say(f"list {number}: {made.words['off']:,} of {len(made.answers):,} taken off by the dialler")
        _say_others(one for one in made.answers if one.word != "off")
        if made.is_whole:
            for file in (file for file, held in made.taken.files.items() if held):
                say(f"import what was called, then: multiwave dial-list recall {number} --done --file {file}")
        else:
            say(
                f"they may still be dialled; run it again, or take them off by hand: {made.taken.file or 'no new file'}"
            )
    if not made.is_whole:
        raise typer.Exit(1)
