"""Importing customers: what is stored, what a second import changes, and what no import brings back."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from ledger import tables as t
from tests.import_desk import NOW, Desk, person
from waves.draw import bucket_of
from waves.errors import LedgerError
from waves.message import AddressState

DAY = timedelta(days=1)
SAID = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_row_is_stored_in_its_types(desk: Desk) -> None:
    summary = desk.put(
        {
            "id": "c1",
            "full_name": "Zoë Example",
            "lang": "pt_BR",
            "age": "41",
            "worth": "-1.5e3",
            "plan_name": "50 % off",
            "vip": "Yes",
            "due": "2026-12-31",
            "seen": "2026-05-01T10:00:00+03:00",
            "mobile": "(512) 555-0101",
            "home": "+1 212 555 0102",
            "email": "Zoe@EXAMPLE.com",
            "push": "https://push.example.com/abc",
            "sms_ok": "yes",
            "sms_at": "2026-01-01T00:00:00Z",
            "email_ok": "no",
            "zip": "78701",
            "country": "US",
        },
        {"id": "c2"},
    )
    seen = datetime(2026, 5, 1, 7, 0, tzinfo=UTC)
    where = "America/Chicago America/New_York", "US US-TX"
    profile = 41, date(2026, 12, 31), "50 % off", seen, True, -1500.0
    assert desk.people() == [
        ("c1", "Zoë Example", "pt-br", None, bucket_of("c1"), NOW, *where, *profile),
        ("c2", None, None, None, bucket_of("c2"), NOW, "", "", None, None, None, None, None, None),
    ]
    granted = ("GRANTED", "contract", NOW, "OK")
    assert desk.addresses() == [
        ("c1", "call_list", "+12125550102", *granted, 2, False),
        ("c1", "call_list", "+15125550101", *granted, 1, False),
        ("c1", "email", "Zoe@example.com", "DENIED", "crm", NOW, "OK", 1, False),
        ("c1", "sms", "+15125550101", "GRANTED", "crm", SAID, "OK", 1, False),
        ("c1", "web_push", "https://push.example.com/abc", "UNKNOWN", None, None, "OK", 1, False),
    ]
    assert (summary.rows, summary.added, summary.rejected, summary.zones_unknown) == (2, 2, 0, 1)


def test_a_second_import_changes_nothing(desk: Desk) -> None:
    rows = [
        person(1),
        person(2, worth="0.1", vip="no", tz="Europe/Kyiv", country="UA"),
        person(3, email="c1@example.com"),
    ]
    desk.put(*rows)
    before = desk.content()
    summary = desk.put(*rows, later=DAY)
    assert desk.content() == before
    assert (summary.rows, summary.added, summary.updated, summary.unchanged) == (3, 0, 0, 3)


def some_rows() -> list[dict[str, Any]]:
    rows = [person(n, country=("US", "GB", "")[n % 3], sms_ok=("yes", "no", "")[n % 3]) for n in range(40)]
    shared = [person(n, email="all@example.com", mobile="+15125550100") for n in range(40, 60)]
    twice = [person(n, full_name="Earlier", mobile="+15125550199", sms_ok="no") for n in range(5)]
    return [*twice, *rows, *shared, {"id": "bad", "age": "x"}]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_size_of_the_chunks_does_not_matter(desk: Desk, chunk: int) -> None:
    summary = desk.put(*some_rows(), chunk=chunk)
    assert (summary.rows, summary.added, summary.superseded, summary.rejected) == (66, 60, 5, 1)
    assert dict(summary.shared) == {"sms": 1, "email": 1, "call_list": 1}
    assert not [row for row in desk.addresses() if row[2] == "+15125550199"]  # of a row that was superseded
    assert [row[0] for row in desk.addresses() if row[-1] and row[1] == "email"] == [f"c{n}" for n in range(40, 60)]
    assert [row[1] for row in desk.people() if row[0] == "c0"] == ["Name 0"]
    again = desk.put(*some_rows(), later=DAY, chunk=13)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 60)


def test_the_order_of_the_rows_does_not_matter(desk: Desk) -> None:
    rows = some_rows()[5:]
    desk.put(*rows)
    before = desk.content()
    with desk.ledger.write() as connection:
        for table in ("customer", "profile", "address", "zone_set"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    random.Random(1).shuffle(rows)
    desk.put(*rows, chunk=9)
    assert desk.content() == before


def test_a_changed_row_is_updated_and_an_empty_cell_empties(desk: Desk) -> None:
    desk.put(person(1, worth="5"), person(2))
    summary = desk.put(person(1, full_name="New Name", age=""), person(2), person(3), later=DAY)
    assert (summary.added, summary.updated, summary.unchanged) == (1, 1, 1)
    first = desk.people()[0]
    assert first[1] == "New Name"
    assert first[5] == NOW + DAY
    assert first[8:] == (None,) * 6


def test_customers_who_are_not_in_the_file_are_left_alone(desk: Desk) -> None:
    desk.put(person(1), person(2))
    before = desk.people()[0], desk.addresses("c1")
    desk.put(person(2, age="90"), later=DAY)
    assert (desk.people()[0], desk.addresses("c1")) == before


def test_an_attribute_is_added_and_never_changes_its_type(desk: Desk) -> None:
    desk.put(person(1))
    desk.schema = {**desk.schema, "columns": {"age": "integer", "zip": "text"}}
    desk.put(person(1, zip="78701"))
    assert desk.people()[0][-1] == "78701"
    desk.schema = {**desk.schema, "columns": {"age": "text"}}
    with pytest.raises(LedgerError, match="'age' is integer in the ledger and text"):
        desk.put(person(2))
    assert len(desk.people()) == 1


def test_an_erased_customer_stays_erased(desk: Desk) -> None:
    desk.put(person(1), person(2))
    c = t.customer.c
    with desk.ledger.write() as connection:
        erased = connection.scalar(select(c.id).where(c.key == "c1"))
        connection.execute(update(t.customer).where(c.id == erased).values(erased_at=NOW, name=None))
        for table in (t.profile, t.address):
            connection.execute(table.delete().where(table.c.customer == erased))
    summary = desk.put(person(1), person(2), later=DAY)
    assert (summary.erased, summary.added, summary.updated, summary.unchanged) == (1, 0, 0, 1)
    assert desk.people()[0][1] is None
    assert desk.people()[0][8:] == (None,) * 6
    assert desk.addresses("c1") == []


def test_a_suppression_survives_every_import(desk: Desk) -> None:
    desk.put(person(1))
    with desk.ledger.write() as connection:
        values = {"customer": 1, "channel": 0, "reason": "complaint", "source": "staff", "since": NOW}
        connection.execute(insert(t.suppression).values(values))
    desk.put(person(1, full_name="Other"), later=DAY)
    with desk.ledger.read() as connection:
        assert connection.execute(select(t.suppression.c.customer, t.suppression.c.until)).all() == [(1, None)]


@pytest.mark.parametrize(
    ("state", "while_absent", "back"),
    [("OK", "REPLACED", "OK"), ("SOFT", "REPLACED", "OK"), ("DEAD", "DEAD", "DEAD")],
)
def test_an_address_that_goes_and_comes_back(desk: Desk, state: str, while_absent: str, back: str) -> None:
    desk.put(person(1))
    desk.change("c1", "email", state=int(AddressState[state]))

    def states() -> dict[str, str]:
        return {row[2]: row[6] for row in desk.addresses("c1") if row[1] == "email"}

    desk.put(person(1), later=DAY)
    assert states() == {"c1@example.com": state}
    desk.put(person(1, email="new@example.com"), later=DAY)
    assert states() == {"c1@example.com": while_absent, "new@example.com": "OK"}
    desk.put(person(1), later=DAY)
    assert states() == {"c1@example.com": back, "new@example.com": "REPLACED"}


def test_a_channel_outside_the_schema_keeps_its_addresses(desk: Desk) -> None:
    desk.put(person(1))
    desk.schema = {**desk.schema, "addresses": desk.schema["addresses"][:2]}
    desk.put(person(1), later=DAY)
    assert [row[6] for row in desk.addresses("c1")] == ["OK", "OK", "OK"]


def test_an_address_is_shared_as_long_as_two_hold_it(desk: Desk) -> None:
    both = person(1, email="home@example.com"), person(2, email="home@example.com")
    assert dict(desk.put(*both).shared) == {"email": 1}
    assert [row[-1] for row in desk.addresses() if row[1] == "email"] == [True, True]
    summary = desk.put(person(2), later=DAY)
    assert dict(summary.shared) == {}
    assert not any(row[-1] for row in desk.addresses())
    desk.put(person(3, email="home@example.com"), both[1], later=DAY, chunk=1)
    assert [row[0] for row in desk.addresses() if row[-1]] == ["c1", "c2", "c3"]


def test_one_number_in_two_columns_is_one_address(desk: Desk) -> None:
    desk.put(person(1, home="+15125550101"))
    assert [row[7] for row in desk.addresses("c1") if row[1] == "call_list"] == [1]


def test_zone_sets_are_stored_once(desk: Desk) -> None:
    desk.put(*[person(n) for n in range(30)], chunk=4)
    with desk.ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.zone_set)) == 1


def test_progress_hears_of_every_chunk(desk: Desk) -> None:
    from config.schema import CustomersSchema
    from segments.customers import import_customers

    heard: list[int] = []
    path, schema = desk.write([person(n) for n in range(5)]), CustomersSchema.model_validate(desk.schema)
    import_customers(desk.ledger, schema, path, desk.rejects, NOW, heard.append, chunk=2)
    assert heard == [2, 4, 5]
