"""What a campaign's calls came to, counted by how they ended, and by the first, second ... dial of each customer."""

from __future__ import annotations

import pytest

from ledger.answer_counts import CallCount, Measured, count_calls, first_call, measured
from ledger.calls import Call, record_calls
from tests.builders import DAY, HOUR, T0, World, plan_text, put, reachable
from waves.dispositions import Disposition as D

CALL = "  - {wave: call, channels: [call_list], release: 1h, listen: 9d}\n"


def calling(world: World, name: str = "test") -> int:
    world.start(plan_text(CALL, name=name))
    world.advance()
    with world.ledger.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT id FROM campaign WHERE name = '{name}'").scalar_one())


def call(world: World, key: str, said: D, hour: float, talk_s: float | None = None, **more: object) -> None:
    [touch] = [row.id for row in world.touches("call") if row.key == key]
    at = T0 + hour * HOUR
    one = Call(said, at, f"{key} {said} {hour}", "test", touch, talk_s=talk_s, **more)  # type: ignore[arg-type]
    with world.ledger.write() as connection:
        record_calls(connection, [one], None, world.now)


@pytest.fixture
def campaign(world: World) -> int:
    put(world.ledger, [reachable(n, jurisdictions="US US-TX" if n else "") for n in range(3)])
    return calling(world)


def test_nothing_called_is_nothing(world: World, campaign: int) -> None:
    with world.ledger.read() as connection:
        assert first_call(connection, campaign) is None
        assert count_calls(connection, campaign, D, T0, T0 + DAY) == []
        assert measured(connection, campaign) == Measured((), (), None, 0)


def test_calls_are_counted_within_their_window_by_place_and_end(world: World, campaign: int) -> None:
    call(world, "c0", D.SALE, 2, agent="a1")
    call(world, "c1", D.SALE, 2, agent="a1")
    call(world, "c2", D.SALE, 3, agent="a2")
    call(world, "c2", D.ABANDONED, 4)
    call(world, "c2", D.NO_ANSWER, 4)
    call(world, "c1", D.SALE, 5)
    with world.ledger.read() as connection:
        assert first_call(connection, campaign) == T0 + 2 * HOUR
        found = count_calls(connection, campaign, {D.SALE, D.ABANDONED}, T0 + 2 * HOUR, T0 + 5 * HOUR)
        assert count_calls(connection, campaign + 1, D, T0, T0 + DAY) == []
    assert sorted(found, key=lambda one: (one.places, one.disposition)) == [
        CallCount((), D.SALE, True, 1),
        CallCount(("US", "US-TX"), D.SALE, True, 2),
        CallCount(("US", "US-TX"), D.ABANDONED, False, 1),
    ]


def test_dials_are_numbered_by_customer_whatever_order_they_came_back_in(world: World, campaign: int) -> None:
    call(world, "c1", D.HUNG_UP, 9, talk_s=100.0, wrap_s=20.0)
    call(world, "c1", D.NO_ANSWER, 2)
    call(world, "c1", D.MACHINE, 5, talk_s=30.0)
    call(world, "c2", D.ABANDONED, 3)
    call(world, "c2", D.TEMPORARY_FAILURE, 1)
    call(world, "c2", D.NOT_ATTEMPTED, 1.5)  # no dial
    call(world, "c0", D.NOT_INTERESTED, 4, talk_s=60.0)
    with world.ledger.read() as connection:
        assert measured(connection, campaign) == Measured((3, 2, 1), (1, 1, 1), 90.0, 2)
