"""PostgreSQL: who counts contacts keeps new touches out until it has committed, or the two would not see each other."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url, select, text

from flows.running import gates_of, load_running
from ledger import dial_lists, touches
from ledger import tables as t
from tests.builders import HOUR, RULES, T0, World, plan_text, put, reachable
from tests.steps import hold_back, verdict_words
from waves.errors import LedgerError

pytestmark = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)

FIRST = "  - {wave: first, channels: [CHANNEL], message: hello, release: 2h, listen: 2d}\n"
CALLS = "  - {wave: first, channels: [call_list], listen: 3d}\n"
SECOND = "  - {wave: second, channels: [email], message: hello, release: 2h, listen: 2d}\n"


def start(world: World, name: str, wave: str, priority: int) -> None:
    head = f"priority: {priority}\nlimits: {{contacts: 1, within: 7d}}\nwaves:\n"
    world.start(plan_text(wave, name=name).replace("waves:\n", head, 1))


def wait_briefly_for_locks(world: World) -> None:
    name = make_url(str(world.ledger.engine.url)).database
    with world.ledger.write() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET lock_timeout = 100"))
    world.ledger.close()


def test_a_wave_waits_for_a_claim_under_way_and_then_counts_it(world: World) -> None:
    put(world.ledger, [reachable(1)])
    start(world, "minor", FIRST.replace("CHANNEL", "sms"), 10)
    hold_back(world, "first", "minor")
    running = load_running(world.ledger, "minor")
    with world.ledger.write() as connection:
        batch = connection.scalar(select(t.batch.c.id))
        leased = touches.lease(connection, batch, "worker", T0, world.room.settings.lease)
    wait_briefly_for_locks(world)
    start(world, "major", SECOND, 90)
    with world.ledger.write() as claiming:
        gates = gates_of(running, running.plan.wave("first"), T0)
        assert len(touches.claim(claiming, leased, gates, running.types, 10, T0) or []) == 1
        with pytest.raises(LedgerError, match="lock timeout"):
            hold_back(world, "second", "major")
    hold_back(world, "second", "major")
    assert verdict_words(world, "second") == {"c1": "over_limit"}


def test_a_wave_waits_for_a_dial_list_under_way_and_then_counts_it(world: World) -> None:
    put(world.ledger, [reachable(1)])
    start(world, "calls", CALLS, 50)
    hold_back(world, "first", "calls")
    running = load_running(world.ledger, "calls")
    ask = dial_lists.Pull(
        running.row("first").id, "north", "today", "generic_csv", 10, "a lead", T0 + HOUR, T0 + 2 * HOUR
    )
    wait_briefly_for_locks(world)
    start(world, "letter", SECOND, 50)
    with world.ledger.write() as pulling:
        gates = gates_of(running, running.plan.wave("first"), T0)
        entries = dial_lists.pull(pulling, ask, dial_lists.Terms(gates, running.types, RULES), T0).entries
        assert len(entries) == 1
        with pytest.raises(LedgerError, match="lock timeout"):
            hold_back(world, "second", "letter")
    hold_back(world, "second", "letter")
    assert verdict_words(world, "second") == {"c1": "over_limit"}
