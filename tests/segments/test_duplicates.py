"""One person under two keys, and one address under two people: every pair is found, none is told twice."""

from __future__ import annotations

import csv
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.duplicates import masked, report_duplicates
from tests.import_desk import Desk, person
from waves.errors import InputError


def found(desk: Desk) -> list[list[str]]:
    """The rows of the report."""
    path = desk.folder / "customers.duplicates.csv"
    counts = report_duplicates(desk.ledger, path)
    with path.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["finding", "key_a", "key_b", "they_share"]
    findings = [row[0] for row in rows]
    assert (counts.same_person, counts.shared_address) == (
        findings.count("same_person"),
        findings.count("shared_address"),
    )
    return rows


def test_what_makes_one_person_of_two_keys(desk: Desk) -> None:
    desk.put(
        person(1, full_name="Ada Example"),
        person(2, full_name=" ada EXAMPLE ", mobile="+15125550101"),  # name and telephone
        person(3, mobile="", home="+15125550101", email="c1@example.com"),  # telephone and e-mail, on other channels
        person(4, full_name="Bo", email="home@example.com"),
        person(5, full_name="Cy", email="home@example.com"),  # an address alone
        person(6, full_name="", push="https://push.example.com/x"),
        person(7, full_name="", push="https://push.example.com/x"),  # a push alone, and no names
        person(8, full_name="Ada Example"),  # a name alone
    )
    assert found(desk) == [
        ["same_person", "c1", "c2", "phone ***01; name"],
        ["same_person", "c1", "c3", "email c***@example.com; phone ***01"],
        ["shared_address", "c4", "c5", "email h***@example.com"],
        ["shared_address", "c6", "c7", "push ***"],
    ]


def test_a_widely_shared_address_is_a_star_and_hides_nobody(desk: Desk) -> None:
    desk.put(*[person(n, email="none@example.com") for n in range(1, 7)], person(9, full_name="Name 4", mobile=""))
    desk.put(person(7, full_name="Name 5", email="none@example.com"))
    rows = found(desk)
    assert [row[:3] for row in rows if row[0] == "shared_address"] == [
        ["shared_address", "c1", f"c{n}"] for n in range(2, 8)
    ]
    assert [row[:3] for row in rows if row[0] == "same_person"] == [["same_person", "c5", "c7"]]


def test_an_address_that_moved_on_is_shared_no_more(desk: Desk) -> None:
    desk.put(person(1), person(2, email="c1@example.com", mobile="+15125550101"))
    assert [row[0] for row in found(desk)] == ["same_person"]
    desk.put(person(2))
    assert found(desk) == []


people = st.lists(
    st.tuples(st.sampled_from("ab "), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=9
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people)
def test_everybody_with_a_double_is_in_a_pair(lite_desk: Desk, drawn: list[tuple[str, int, int, int]]) -> None:
    lite_desk.clear()
    cells: list[dict[str, Any]] = [
        {
            "id": f"c{n}",
            "full_name": name,
            "mobile": f"+1512555010{mobile}" if mobile else "",
            "home": f"+1512555010{home}" if home else "",
            "email": f"e{email}@example.com" if email else "",
        }
        for n, (name, mobile, home, email) in enumerate(drawn)
    ]
    lite_desk.put(*cells)
    doubles, sharers = set(), set()
    for a, b in combinations(cells, 2):
        phones = {a["mobile"], a["home"]} & {b["mobile"], b["home"]} - {""}
        email = a["email"] == b["email"] != ""
        named = a["full_name"] == b["full_name"] != " "
        sharers.update({a["id"], b["id"]} if phones or email else ())
        doubles.update({a["id"], b["id"]} if (phones and email) or (named and (phones or email)) else ())
    rows = found(lite_desk)
    assert {key for row in rows for key in row[1:3]} == sharers
    assert {key for row in rows if row[0] == "same_person" for key in row[1:3]} == doubles
    assert len({frozenset(row[1:3]) for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("phone", "+15125550101", "***01"),
        ("email", "ada@example.com", "a***@example.com"),
        ("push", '{"endpoint": 1}', "***"),
        ("text", "1 Main Street", "***"),
    ],
)
def test_no_address_is_told_whole(kind: str, value: str, shown: str) -> None:
    assert masked(kind, value) == shown


def test_a_place_that_cannot_be_written(lite_desk: Desk) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        report_duplicates(lite_desk.ledger, lite_desk.folder / "absent" / "x.csv")
