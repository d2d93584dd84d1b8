"""What a dialler is told of people besides their numbers, on both databases."""

from __future__ import annotations

import pytest

from ledger import dial_details
from ledger.dial_details import Detail, details, known_attributes
from tests.builders import World, put, reachable


def test_zone_and_attributes_as_they_are_now(world: World) -> None:
    people = [
        reachable(1, age=61, value=2.5, tier="gold"),
        reachable(2, age=None, zones="America/Chicago America/New_York", jurisdictions="US"),
        reachable(3, zones="", jurisdictions=""),
    ]
    ids = list(put(world.ledger, people).values())
    with world.ledger.read() as connection:
        types = known_attributes(connection, ["tier", "age", "shift", "agee"])
        assert types == {"tier": "text", "age": "integer"}
        assert details(connection, ids, types) == {
            ids[0]: Detail("Europe/London", {"tier": "gold", "age": 61}),
            ids[1]: Detail(None, {"tier": None, "age": None}),
            ids[2]: Detail(None, {"tier": None, "age": 40}),
        }
        assert details(connection, ids[:1], {}) == {ids[0]: Detail("Europe/London", {})}
        assert details(connection, [], types) == {}


def test_a_long_list_is_asked_for_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = list(put(world.ledger, [reachable(n, age=n) for n in range(7)]).values())
    monkeypatch.setattr(dial_details, "CHUNK", 3)
    with world.ledger.read() as connection:
        found = details(connection, ids, {"age": "integer"})
    assert [found[one].attributes["age"] for one in ids] == list(range(7))
