"""What `doctor` says of reports that nobody understands: counted by sender, and replies are none of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from console.coming_back import coming_back
from flows.reports import record_came
from tests.builders import T0, World, make_world, put, reachable
from waves.message import Event, Inbound
from waves.outcomes import Side


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    put(made.ledger, [reachable(0)])
    yield made
    made.ledger.close()


def reports(world: World, days: int = 0) -> tuple[str, str]:
    found = [one for one in coming_back(world.room, T0 + timedelta(days=days)) if one.check == "reports"]
    return found[0].verdict, found[0].said


def test_foreign_reports_are_counted_for_a_week(world: World) -> None:
    assert reports(world)[0] == "ok"
    foreign = [Event("", int(Side.UNKNOWN), T0, "mail", f"e{n}", raw={"event": "new"}) for n in range(3)]
    ask_for_help = Inbound("sms", "+15125550100", "HELP", T0, "texts", "m1")
    record_came(world.room, [*foreign, *foreign, ask_for_help], T0)
    assert reports(world) == ("warn", "of kinds that this release does not know, in the last 7 days: mail 3")
    assert reports(world, days=8)[0] == "ok"
