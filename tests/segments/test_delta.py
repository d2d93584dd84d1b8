"""Deltas and customers who have left: what a file does not say stays, and what it half says is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from ledger import tables as t
from ledger.suppressions import customer_id, suppress
from segments.customers import ImportSummary
from segments.delta import groups
from tests.import_desk import HEADER, NOW, Desk, person
from waves.errors import InputError
from waves.message import AddressState, Consent

DAY = timedelta(days=1)
PLACED = person(1, home="+12125550102", push="https://push.example.com/1", zip="78701", country="US", worth="5")


def delta(desk: Desk, rows: Sequence[dict[str, Any]], later: timedelta = DAY) -> ImportSummary:
    """Import rows whose keys are the only columns of the file."""
    desk.now += later
    return desk.load(desk.write(rows, list(dict.fromkeys(name for row in rows for name in row))), delta=True)


def test_a_column_that_is_not_there_keeps_what_the_ledger_has(desk: Desk) -> None:
    desk.put(PLACED, person(2))
    before, others = desk.people()[0], desk.people()[1]
    addresses = desk.addresses()
    summary = delta(desk, [{"id": "c1", "age": "90", "worth": ""}])
    assert (summary.rows, summary.added, summary.updated, summary.unchanged) == (1, 0, 1, 0)
    after = desk.people()[0]
    changed = {place: cell for place, (cell, old) in enumerate(zip(after, before, strict=True)) if cell != old}
    assert list(changed.values()) == [NOW + DAY, 90, None]
    assert desk.people()[1] == others
    assert desk.addresses() == addresses
    again = delta(desk, [{"id": "c1", "age": "90", "worth": ""}])
    assert (again.updated, again.unchanged) == (0, 1)


def test_a_delta_with_every_column_is_a_whole_import(desk: Desk) -> None:
    rows = [person(1, full_name="New", email="new@example.com", home=""), person(3)]
    desk.put(PLACED)
    desk.put(*rows, later=DAY)
    whole = desk.content()
    desk.clear()
    desk.now = NOW
    desk.put(PLACED)
    desk.now += DAY
    desk.load(desk.write(rows), delta=True)
    assert desk.content() == whole


def test_the_same_changes_column_by_column_or_at_once(desk: Desk) -> None:
    changed = person(1, full_name="New", lang="uk", age="50", email="new@example.com", email_ok="no", zip="10001")
    desk.put(PLACED)
    desk.put(changed, later=DAY)
    at_once = desk.content()
    desk.clear()
    desk.now = NOW
    desk.put(PLACED)
    desk.now += DAY
    parts: list[list[str]] = []
    for group in groups(desk.meaning):
        if not any(set(group) <= set(part) for part in parts):
            parts.append(list(group))
    grouped = {name for part in parts for name in part}
    parts += [[name] for name in HEADER if name not in grouped | {"id"}]
    for part in parts:
        delta(desk, [{name: changed.get(name, "") for name in ["id", *part]}], timedelta(0))
    assert desk.content() == at_once


def test_a_new_customer_has_what_the_delta_says(desk: Desk) -> None:
    summary = delta(desk, [{"id": "c7", "age": "20", "email": "c7@example.com", "email_ok": "yes"}])
    assert (summary.added, summary.zones_unknown) == (1, 1)
    assert [row[2:4] for row in desk.addresses("c7")] == [("c7@example.com", "GRANTED")]


def test_a_consent_reaches_the_addresses_that_the_delta_does_not_name(desk: Desk) -> None:
    desk.put(person(1, sms_ok="", sms_at="", email_ok=""))
    desk.change("c1", "email", state=int(AddressState.SOFT))
    delta(desk, [{"id": "c1", "sms_ok": "yes", "sms_at": "2026-06-01T00:00Z", "email_ok": "no"}])
    assert [row[3] for row in desk.addresses("c1")] == ["GRANTED", "DENIED", "GRANTED"]
    assert [row[6] for row in desk.addresses("c1")] == ["OK", "SOFT", "OK"]
    stop = NOW + 2 * DAY
    desk.change("c1", "sms", consent=int(Consent.DENIED), consent_source="event", consent_at=stop)
    delta(desk, [{"id": "c1", "sms_ok": "yes", "sms_at": "2026-06-01T00:00Z"}])
    assert desk.consent("c1", "sms") == {"+15125550101": ("DENIED", "event", stop)}


def test_a_replaced_address_stays_replaced(desk: Desk) -> None:
    desk.put(person(1))
    desk.put(person(1, email="new@example.com"))
    delta(desk, [{"id": "c1", "email_ok": "yes"}])
    assert {row[2]: row[6] for row in desk.addresses("c1") if row[1] == "email"} == {
        "c1@example.com": "REPLACED",
        "new@example.com": "OK",
    }


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (["age"], "there is no column id"),
        (["id", "mobile"], "a delta that has mobile needs home, tz, zip, country too"),
        (["id", "zip"], "a delta that has zip needs mobile, home, tz, country too"),
        (["id", "sms_ok"], "a delta that has sms_ok needs sms_at too"),
        (["id", "age", "age"], "the header names age twice"),
    ],
)
def test_half_of_what_goes_together_is_refused(lite_desk: Desk, columns: list[str], says: str) -> None:
    lite_desk.put(PLACED)
    before = lite_desk.content()
    path = lite_desk.folder / "delta.csv"
    path.write_text(",".join(columns) + "\n" + ",".join("c1" for _ in columns) + "\n")
    with pytest.raises(InputError) as caught:
        lite_desk.load(path, delta=True)
    assert f"{path}:1: {says}" in str(caught.value)
    assert lite_desk.content() == before


def test_every_address_column_of_a_channel_comes_along(lite_desk: Desk) -> None:
    two = [{"column": "email", "channels": ["email"]}, {"column": "push", "channels": ["email"]}]
    lite_desk.schema = {**lite_desk.schema, "addresses": two}
    with pytest.raises(InputError, match="has email needs push too"):
        delta(lite_desk, [{"id": "c1", "email": "c1@example.com"}])


GONE = {"column": "status", "values": ["Closed", True]}


def suppressions(desk: Desk) -> list[tuple[Any, ...]]:
    s = t.suppression.c
    with desk.ledger.read() as connection:
        rows = connection.execute(
            select(t.customer.c.key, s.channel, s.reason, s.source, s.since, s.until)
            .join(t.customer, t.customer.c.id == s.customer)
            .order_by(s.id)
        )
        return [tuple(row) for row in rows]


def test_who_has_left_is_suppressed_until_a_file_has_them_back(desk: Desk) -> None:
    desk.schema = {**desk.schema, "gone": GONE}
    header = [*HEADER, "status"]
    everyone = [person(1, status="open"), person(2), person(3)]
    desk.load(desk.write(everyone, header))
    before = desk.content()
    for _ in range(2):
        desk.now += DAY
        left = [{"id": "c1", "status": "CLOSED", "age": "never read"}, {"id": "c9", "status": "true"}, everyone[1]]
        summary = desk.load(desk.write(left, header))
        assert (summary.rows, summary.gone, summary.unchanged, summary.rejected) == (3, 2, 1, 0)
        assert suppressions(desk) == [("c1", 0, "gone", "import", NOW + DAY, None)]
    assert desk.content() == before
    with desk.ledger.write() as connection:
        suppress(connection, customer_id(connection, "c1"), None, 0, "complaint", "staff", NOW)
    assert delta(desk, [{"id": "c1", "age": "31"}]).unchanged == 1
    assert [row[-1] for row in suppressions(desk)] == [None, None]
    summary = delta(desk, [{"id": "c1", "status": ""}])
    assert (summary.updated, summary.gone) == (1, 0)
    back = [("c1", 0, "gone", "import", NOW + DAY, desk.now), ("c1", 0, "complaint", "staff", NOW, None)]
    assert suppressions(desk) == back
    assert delta(desk, [{"id": "c1", "status": ""}]).unchanged == 1
    delta(desk, [{"id": "c1", "status": "closed"}])
    assert [row[-1] for row in suppressions(desk)] == [back[0][-1], None, None]


def test_who_has_left_needs_a_key_too(lite_desk: Desk) -> None:
    lite_desk.schema = {**lite_desk.schema, "gone": GONE}
    summary = delta(lite_desk, [{"id": "", "status": "closed"}])
    assert (summary.gone, summary.rejected) == (0, 1)
