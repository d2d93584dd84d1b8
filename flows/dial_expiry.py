"""Dial lists that nobody returned: a recall of who is left on them, told once; after a grace they let go of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from channels.call_list.formats import FORMATS
from flows.dial_recall import write_recall
from flows.room import Room
from ledger import dial_expiry
from ledger.dial_lists import list_of
from waves.diallers import Dialler
from waves.errors import InputError, PlanError, SendRefused


def keep_leases(room: Room, now: datetime) -> None:
    """Recall who is left on lists that are over, once each, and let go of those past their grace.

    A list whose file cannot be written is told of, and tried again at the next tick; it stops nothing else, nor does
    it hold its people for longer.
    """
    with room.ledger.read() as connection:
        over, past = dial_expiry.just_over(connection, now), dial_expiry.past_grace(connection, now)
    for number in over:
        try:
            _expire(room, number, now)
        except (InputError, SendRefused) as error:
            room.tell_once(f"dial list {number} is over, and no recall of it can be written: {error}")
    for number in past:
        try:
            _let_go(room, number, now)
        except PlanError as error:
            room.tell_once(f"dial list {number} is past its grace and cannot let go of its people: {error}")


def _expire(room: Room, number: int, now: datetime) -> None:
    file: Path | None = None
    with room.ledger.read() as connection:
        row = list_of(connection, number)
    dialler = room.dialler(row.format)
    # Named by the list alone: one whose commit was cut off is written over, and no second one lies beside it.
    name = f"{row.campaign}-{row.wave_name}-list-{number}-expired{FORMATS[dialler.format].layout.recall_ending}"
    with room.ledger.write() as connection:
        found = dial_expiry.expire(connection, number, name, now)
        if found is not None and found[0]:
            file = room.settings.home / "dial-lists" / name
            write_recall(room, dialler, file, number, found[0], now)
    if found is not None and found[1]:
        room.tell(_over(row.team, number, len(found[0]), found[1], file, dialler))


def _over(team: str, number: int, uncalled: int, held: int, file: Path | None, dialler: Dialler) -> str:
    is_over = f"dial list {number} of {team} is over and not returned, {uncalled:,} of {held:,} without a result"
    back = f"import its results, then: multiwave dial-list return {number}"
    if file is None:
        return f"{is_over}; {back}"
    by_api = f", or run: multiwave dial-list recall {number} --by-api" if dialler.api else ""
    return f"{is_over}; give the dialler {file}{by_api}; {back}"


def _let_go(room: Room, number: int, now: datetime) -> None:
    rules = room.dial_rules()
    with room.ledger.write() as connection:
        freed = dial_expiry.let_go(connection, number, rules, now)
    if freed is not None and freed.entries:
        room.tell(
            f"dial list {number} was not returned within its grace and holds nobody any more: {freed.not_called:,} of "
            f"{freed.entries:,} people had no result; results that still come count, flagged as late"
        )
