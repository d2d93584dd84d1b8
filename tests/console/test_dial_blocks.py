"""A list that is out, by its blocks: what was expected of each and what came, and when it will have nobody left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger import tables as t
from ledger.calls import Call, record_calls
from tests.builders import HOUR, RULES, T0, World, make_world, plan_text, put, reachable
from tests.commands import said
from waves.dispositions import Disposition

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"
MINUTE = timedelta(minutes=1)
PEOPLE = 150


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    put(made.ledger, [reachable(n, value=float(-n)) for n in range(PEOPLE)])
    made.start(plan_text(CALL))
    made.advance()
    made.pull("call")
    yield made
    made.ledger.close()


def dialled(world: World, count: int, ended: Disposition = Disposition.NO_ANSWER, answered: int = 0) -> None:
    """The first of the list, one a minute; the last `answered` of them were not interested."""
    e = t.dial_entry.c
    with world.ledger.write() as connection:
        rows = connection.execute(select(e.id, e.touch).order_by(e.rank).limit(count)).all()
        calls = [
            Call(
                Disposition.NOT_INTERESTED if n >= count - answered else ended,
                T0 + n * MINUTE,
                str(n),
                "test",
                touch,
                entry=entry,
            )
            for n, (entry, touch) in enumerate(rows)
        ]
        record_calls(connection, calls, RULES, T0 + count * MINUTE)
    world.ledger.set_now(T0 + count * MINUTE)


def shown(world: World) -> Any:
    return json.loads(said(world, "dial-list", "show", "1", "--json"))


def test_each_block_says_what_was_expected_and_what_came(desk: World) -> None:
    assert shown(desk)["blocks"] == [
        {"tier": "hot", "entries": 30, "by_lot": 0, "expected_hit_rate": 0.18, "dials": 0, "answers": 0},
        {"tier": "normal", "entries": 120, "by_lot": 0, "expected_hit_rate": 0.18, "dials": 0, "answers": 0},
    ]
    dialled(desk, 40, answered=16)
    hot, normal = shown(desk)["blocks"]
    assert (hot["dials"], hot["answers"], normal["dials"], normal["answers"]) == (30, 6, 10, 10)
    read = said(desk, "dial-list", "show", "1")
    assert "20.0%" in read
    assert "n < 30" in read, "no rate of ten dials"


def test_a_list_says_between_when_it_runs_dry(desk: World) -> None:
    """Sixty an hour: the 110 left keep them busy for two hours, and nobody is due again within four."""
    assert not shown(desk)["runs_dry"]["known"]
    dialled(desk, 29)
    assert "29 dials came back; 30 over 15 minutes tell its pace" in said(desk, "dial-list", "show", "1")
    dialled(desk, 40)
    found = shown(desk)["runs_dry"]
    moments = [datetime.fromisoformat(found[name]) for name in ("p10", "p50", "p90")]
    assert moments == sorted(moments)
    now = T0 + 40 * MINUTE
    assert all(now + 1.25 * HOUR <= at <= now + 2 * HOUR for at in moments)
    assert "it runs dry between 2026-12-01 1" in said(desk, "dial-list", "show", "1")


def test_who_was_recalled_is_not_dialled_and_a_list_that_is_over_forecasts_nothing(desk: World) -> None:
    dialled(desk, 40)
    said(desk, "dial-list", "recall", "1", "--all")
    assert datetime.fromisoformat(shown(desk)["runs_dry"]["p90"]) == T0 + 40 * MINUTE, "at once"
    desk.ledger.set_now(T0 + 8 * HOUR)
    assert shown(desk)["runs_dry"] is None


def test_a_pace_that_leaves_many_does_not_run_dry(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home")
    put(world.ledger, [reachable(n, value=1.0) for n in range(560)])
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    dialled(world, 40)
    assert shown(world)["runs_dry"]["p10"] is None
    assert "it will hardly run dry before its end" in said(world, "dial-list", "show", "1")
    world.ledger.close()


def test_a_mistake_in_the_rules_leaves_the_list_to_be_seen(desk: World) -> None:
    (desk.config / "rules" / "dialling.yaml").write_text("gap: 2\n")
    shown_ = said(desk, "dial-list", "show", "1")
    assert "150 entries, 0 called" in shown_
    assert "when it runs dry is not known yet" in shown_
    assert "dialling.yaml" in shown_
