"""A desk whose list is out, the files of its calls, and what of the ledger they decide."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from flows.dial_results import import_results
from ledger import tables as t
from ledger.callbacks import promises
from tests.builders import HOUR, T0, World, plan_text, put, reachable
from tests.steps import address_words
from waves.dispositions import Disposition as D
from waves.outcomes import word
from waves.tokens import Kind, make_token

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"
LATER = "  - {wave: later, channels: [email], message: hello, release: 2h, listen: 2d}\n"
Line = tuple[int, D, datetime, str]
"""Whose entry of the list (by number), how the call ended, when, and its id."""


def staged(world: World) -> World:
    """Four customers on one list, an hour after it was pulled."""
    put(world.ledger, [reachable(n, value=float(-n)) for n in range(4)])
    world.start(plan_text(CALL + LATER))
    world.advance()
    world.pull("call")
    at(world, HOUR)
    return world


def at(world: World, after: timedelta) -> None:
    world.now = T0 + after
    world.ledger.set_now(world.now)


def results(world: World, name: str, lines: Sequence[Line], tokens: bool = True, **more: str) -> Path:
    """A dialler's file of these calls."""
    path = world.room.settings.home / name
    with world.ledger.read() as connection:
        e = t.dial_entry.c
        entries = list(connection.scalars(select(e.id).order_by(e.list, e.number)))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["token", "disposition", "at", "call_id", *more])
        for who, disposition, when, ident in lines:
            token = make_token(world.room.token_key, Kind.DIAL_ENTRY, entries[who]) if tokens else f"x{who}"
            writer.writerow([token, word(disposition), when.isoformat(), ident, *more.values()])
    return path


def bring(world: World, name: str, lines: Sequence[Line], **more: Any) -> int:
    found = import_results(world.room, results(world, name, lines, **more), None, "lead", world.now)
    assert found.file is not None
    return found.file


def live(world: World) -> dict[str, Any]:
    """What of the ledger decides about anybody."""
    s, v = t.suppression.c, t.conversion.c
    with world.ledger.read() as connection:
        standing = connection.execute(select(s.customer, s.reason, s.since).where(s.until.is_(None)))
        sales = connection.execute(select(v.customer, v.at, v.source_id).where(v.reversed_at.is_(None)))
        kept = {"suppressions": sorted(standing.tuples(), key=repr), "sales": sorted(sales.tuples())}
        promised = promises(connection, world.now, 48, 48)
    places = {name: address_words(world, name) for name in ("call_list", "sms")}
    touches = [
        (row.key, row.state, row.outcome, row.disposition, max(row.not_before, world.now))
        for row in world.touches("call")
    ]
    return {**kept, **places, "promises": promised, "touches": touches}
