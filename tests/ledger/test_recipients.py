"""What a message knows of its recipients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.recipients import recipients
from tests.builders import T0, TYPES, World, make_world, plan_text, put, reachable

WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    put(made.ledger, [reachable(n, ["sms"], age=30 + n, tier="gold") for n in range(2)])
    made.start(plan_text(WAVE))
    made.advance(T0)
    yield made
    made.ledger.close()


@pytest.mark.parametrize(
    ("named", "attributes"),
    [
        ({"age", "tier", "name"}, [{"age": 30, "tier": "gold"}, {"age": 31, "tier": "gold"}]),
        ({"name"}, [{}, {}]),
        (None, [{"age": 30, "tier": "gold", "value": 1.0}, {"age": 31, "tier": "gold", "value": 1.0}]),
    ],
)
def test_only_what_is_named_is_read(world: World, named: set[str] | None, attributes: list[dict[str, object]]) -> None:
    touches = [row.id for row in world.touches("notice")]
    with world.ledger.read() as connection:
        found = recipients(connection, touches, TYPES, named)
    assert set(found) == set(touches)
    shown = sorted((one.attributes for one in found.values()), key=lambda one: str(one.get("age")))
    assert shown == attributes
    assert all(one.address.startswith("+") for one in found.values())
