"""Results of calls: import a file of them, see which came in, undo the wrong one."""

from __future__ import annotations

from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.context import ByOption, DiallerOption, HomeOption, JsonOption, existing, number_of_row, open_home, who
from console.show import clock, many, print_json, say, table

if TYPE_CHECKING:
    from ledger.call_undo import Stays

FileArgument = Annotated[Path, typer.Argument(help="The file to read.", show_default=False)]
NumberArgument = Annotated[
    int,
    typer.Argument(
        metavar="FILE", help="The file's number, as `files` shows it.", callback=number_of_row, show_default=False
    ),
]


def import_dispositions(
    file: FileArgument,
    dialler: DiallerOption = None,
    again: Annotated[bool, typer.Option("--again", help="Import a file that was undone after all.")] = False,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record call results: a dialler's own export (--dialler), or CSV with token, disposition, at, call_id."""
    from flows.call_scores import learn
    from flows.dial_results import import_results

    room = open_home(home, to_stop=dialler is None)
    found = import_results(room, existing(file), dialler, who(by), room.ledger.now(), again)
    learnt = learn(room, who(by), room.ledger.now()) if found.recorded.new else []
    notes = (*found.notes, *learnt)
    if found.before is not None:
        notes = (f"imported before as file {found.file}, {clock(found.before)}; each call counts once", *notes)
    one = found.recorded
    if as_json:
        told = {"file": found.file, "new": one.new, "known": one.known, "unknown_touch": one.unknown_touch}
        print_json({**told, "late": one.late, **({"notes": list(notes)} if notes else {})})
        return
    for note in notes:
        say(f"note: {note}", markup=False)
    as_file = f"file {found.file}: " if found.file is not None else ""
    say(f"{as_file}{many(one.new, 'new call')}, {one.known:,} known already")
    if one.unknown_touch:
        say(f"{many(one.unknown_touch, 'call')} with a token that belongs to no touch here: kept, and acting on nobody")
    if one.late:
        late = many(one.late, "call")
        say(f"{late} made late, after the list was over, returned or recalled: counted all the same, and flagged")


def files(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The files of call results that came in: what each brought, what of it counts and was late, which were undone."""
    from ledger.call_files import call_files

    room = open_home(home)
    with room.ledger.read() as connection:
        rows = [dict(row._mapping) for row in call_files(connection)]
    if as_json:
        print_json({"files": rows})
        return
    if not rows:
        say("no file of call results came in yet; see: multiwave dispositions import --help")
        return
    plain = ("name", "dialler", "by", "calls", "counted", "late")
    cells = [
        (
            *(row["id"], clock(row["at"]), row["digest"][:12], *(row[name] for name in plain)),
            f"{clock(row['undone_at'])} by {row['undone_by']}" if row["undone_at"] else "",
        )
        for row in rows
    ]
    columns = ("file", "at", "sha-256", "name", "dialler", "by", "calls", "count", "late", "undone")
    table("files of call results", columns, cells, ("file", "calls", "count", "late"))


def undo(
    number: NumberArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what cannot be taken back.")] = False,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Undo a file of call results that was the wrong one: its calls are reversed, as if they had never come in."""
    from flows.call_scores import learn
    from flows.dial_results import undo_file
    from ledger.call_undo import stays

    room = open_home(home, to_stop=True)
    with room.ledger.read() as connection:
        left = stays(connection, number)
    if not as_json:
        _say_stays(left, "cannot be taken back")
    if dry_run:
        if as_json:
            print_json({"file": number, "stays": asdict(left)})
        else:
            say(f"file {number} is as it was; without --dry-run its calls are reversed")
        return
    done = undo_file(room, number, who(by), room.ledger.now())
    learnt = learn(room, who(by), room.ledger.now(), done.came)
    if as_json:
        print_json({"file": number, **asdict(done), "notes": learnt})
        return
    say(f"file {number} is undone: {many(done.calls, 'call')} of {many(done.customers, 'customer')} reversed")
    say(
        f"{many(done.suppressions, 'suppression')} ended, {many(done.addresses, 'address', 'addresses')} as before, "
        f"{many(done.conversions, 'conversion')} reversed, {many(done.promises, 'promised call')} called off"
    )
    if done.brought_by_others:
        say(f"{many(done.brought_by_others, 'call')} in other files too: what those say counts")
    for note in learnt:
        say(f"note: {note}", markup=False)
    _say_stays(done.stays, "was not taken back")


def _say_stays(left: Stays, what: str) -> None:
    told = (
        (many(left.calls_of_closed_waves, "call"), "of waves that are over: the balance as closed, who entered later"),
        (many(left.waves_opened_since, "wave"), "opened since, by what was known of people then"),
        (many(left.erased_customers, "customer"), "erased since"),
        (many(left.withdrawn_contacts, "contact"), "withdrawn of people whom a call said to leave alone"),
        (many(left.addresses_to_import, "address", "addresses"), "waiting for the next import of customers"),
    )
    for n, (of, text) in zip(astuple(left), told, strict=True):
        if n:
            say(f"{what}: {of} {text}")
