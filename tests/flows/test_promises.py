"""A promised call outside the customer's permitted hours: the call counts, the promise stands for when they begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from channels.call_list.rows import DispositionRow
from flows.reports import record_dispositions
from ledger import tables as t
from ledger.events import Recorded
from tests.builders import HOUR, T0, World, make_world, plan_text, put, reachable
from tests.commands import said
from tests.hours_rows import hours_yaml
from tests.steps import touch_words
from waves.dispositions import Disposition
from waves.tokens import Kind, make_token

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 35h}\n"
NINE_TO_EIGHT = '{mon_fri: ["09:00", "20:00"], sat: ["09:00", "20:00"], sun: null, holiday: inherit}'
NEXT_DAY = datetime.fromisoformat("2026-12-02T09:00Z")
"""T0 is nine in the morning in London; the wave closes at nine the evening after."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    (made.config / "rules" / "hours.yaml").write_text(hours_yaml(calls=NINE_TO_EIGHT))
    put(made.ledger, [reachable(n, value=float(-n)) for n in range(4)])
    made.start(plan_text(CALL))
    made.advance()
    made.pull("call")
    yield made
    made.ledger.close()


def promised(world: World, *times: datetime) -> Recorded:
    """The n-th customer is promised a call at the n-th time, all of them at ten."""
    e = t.dial_entry.c
    with world.ledger.read() as connection:
        entries = connection.scalars(select(e.id).order_by(e.number)).all()
    tokens = [make_token(world.room.token_key, Kind.DIAL_ENTRY, entry) for entry in entries]
    at, agreed = T0 + HOUR, Disposition.CALLBACK_AGREED
    rows = [
        DispositionRow(2, tokens[n], agreed, at, f"k{n}", None, "ann", None, None, None, asked)
        for n, asked in enumerate(times)
    ]
    world.ledger.set_now(at)
    return record_dispositions(world.room, rows, at)


def callbacks(world: World) -> dict[str, str]:
    found = json.loads(said(world, "dial-list", "callbacks", "--hours", "48", "--json"))["callbacks"]
    return {one["customer"]: one["at"] for one in found}


def test_it_stands_for_the_first_permitted_moment_and_that_is_said(world: World) -> None:
    evening, night = T0 + 10 * HOUR, T0 + 13 * HOUR
    found = promised(world, evening, night)
    assert (found.new, callbacks(world)) == (2, {"c0": evening.isoformat(), "c1": NEXT_DAY.isoformat()})
    assert found.notes == (
        "customer c1 was promised a call at 2026-12-01 22:00 UTC, outside their hours: it is promised for "
        "2026-12-02 09:00 UTC, when they begin again",
    )
    said(world, "dial-list", "return", "1")
    world.now = NEXT_DAY
    owed = [(one.number[-2:], one.callback_at) for one in world.pull("call").entries if one.tier == "callback"]
    assert owed == [("00", evening), ("01", NEXT_DAY)]


def test_the_last_minute_of_the_hours_is_one_and_their_end_is_none(world: World) -> None:
    end = T0 + 11 * HOUR
    promised(world, end - timedelta(minutes=1), end)
    assert callbacks(world) == {"c0": (end - timedelta(minutes=1)).isoformat(), "c1": NEXT_DAY.isoformat()}


def test_nothing_is_promised_where_no_hours_are_left_and_the_call_counts(world: World) -> None:
    (note,) = promised(world, T0 + 35.5 * HOUR).notes
    assert "may not be called from then until the wave closes: nothing is promised" in note
    assert callbacks(world) == {}
    assert touch_words(world, "call")["c0"][0][2] == "callback_requested"


def test_what_was_promised_for_before_now_is_history(world: World) -> None:
    assert promised(world, T0 - 13 * HOUR).notes == ()
