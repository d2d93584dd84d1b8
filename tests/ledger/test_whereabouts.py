"""Where a customer may be, read back from the ledger."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from ledger import tables as t
from ledger.whereabouts import Whereabouts, whereabouts
from tests.builders import World, put, reachable
from waves.errors import LedgerError

PEOPLE = [
    reachable(1, zones="America/Chicago America/New_York", jurisdictions="US US-TX"),
    reachable(2, zones="", jurisdictions="GB"),
    reachable(3),
]


def test_zones_and_jurisdictions_are_read_back(world: World) -> None:
    ids = put(world.ledger, PEOPLE)
    with world.ledger.write() as connection:
        connection.execute(update(t.customer).where(t.customer.c.id == ids["c3"]).values(zone_set=None))
        found = {key: whereabouts(connection, key) for key in ids}
    assert found == {
        "c1": Whereabouts(("America/Chicago", "America/New_York"), ("US", "US-TX")),
        "c2": Whereabouts((), ("GB",)),
        "c3": Whereabouts((), ()),
    }


def test_nobody_is_nowhere(lite: World) -> None:
    with lite.ledger.read() as connection, pytest.raises(LedgerError, match="no customer with this key"):
        whereabouts(connection, "nobody")
