"""What a dialler is told of people besides their numbers, on both databases."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from config.dialling import load_dialling
from ledger import dial_details
from ledger.dial_details import Detail, details, known_attributes
from ledger.dial_lists import Entry
from ledger.past_calls import PastCall, record_past_calls
from tests.builders import DAY, HOUR, T0, World, phone, put, reachable
from waves.dial_tries import Tries
from waves.dispositions import Disposition as D
from waves.recycling import Tried

NEVER = Tries(0, 0, 2, None, None)


def entries(customers: Sequence[int]) -> list[Entry]:
    """A list of these, their numbers by place from 1."""
    return [Entry(n, one, phone(n), None, None, n, "normal", None, T0 + HOUR) for n, one in enumerate(customers, 1)]


def test_zone_and_attributes_as_they_are_now(world: World) -> None:
    people = [
        reachable(1, age=61, value=2.5, tier="gold"),
        reachable(2, age=None, zones="America/Chicago America/New_York", jurisdictions="US"),
        reachable(3, zones="", jurisdictions=""),
    ]
    ids, rules = list(put(world.ledger, people).values()), load_dialling(world.config)
    with world.ledger.read() as connection:
        types = known_attributes(connection, ["tier", "age", "shift", "agee"])
        assert types == {"tier": "text", "age": "integer"}
        assert details(connection, entries(ids), types, None, rules, T0) == {
            ids[0]: Detail("Europe/London", {"tier": "gold", "age": 61}, NEVER),
            ids[1]: Detail(None, {"tier": None, "age": None}, NEVER),
            ids[2]: Detail(None, {"tier": None, "age": 40}, NEVER),
        }
        only = details(connection, entries(ids[:1]), {}, "tier", rules, T0)
        assert only == {ids[0]: Detail("Europe/London", {}, NEVER, "gold")}
        assert details(connection, [], types, None, rules, T0) == {}


def test_a_long_list_is_asked_for_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = list(put(world.ledger, [reachable(n, age=n) for n in range(7)]).values())
    monkeypatch.setattr(dial_details, "TOGETHER", 3)
    with world.ledger.read() as connection:
        found = details(connection, entries(ids), {"age": "integer"}, None, load_dialling(world.config), T0)
    assert [found[one].attributes["age"] for one in ids] == list(range(7))


def test_calls_so_far_are_counted_as_the_caps_count_them(world: World) -> None:
    """Of a person over all numbers, of a number over all people; a line that failed is no attempt."""
    ids = list(put(world.ledger, [reachable(1), reachable(2)]).values())
    said = [
        ("c1", phone(1), T0 - 40 * HOUR, D.BUSY),
        ("c1", phone(9), T0 - 10 * HOUR, D.NO_ANSWER),
        ("c1", phone(1), T0 - HOUR, D.TEMPORARY_FAILURE),
        *[("c1", phone(2), T0 - n * DAY, D.NO_ANSWER) for n in (2, 3, 4, 5, 6)],
    ]
    with world.ledger.write() as connection:
        record_past_calls(connection, [PastCall(*call, "crm", str(n), None, "ann") for n, call in enumerate(said)])
    with world.ledger.read() as connection:
        found = details(connection, entries(ids), {}, None, load_dialling(world.config), T0)
    last = Tried(T0 - 10 * HOUR, D.NO_ANSWER, "1", phone(9), "ann")
    assert found[ids[0]].tries == Tries(7, 0, 0, last, None), "7 in 7 days are made; 23:00 in London was yesterday"
    assert found[ids[1]].tries == Tries(0, 0, 1, None, None), "of the number 6 in 7 days, less the other's 5"
