"""A typed value spelled as a cell is read back as the very same value."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments.consent import DENIED, GRANTED, read_word
from segments.parquet_file import texts
from segments.spelling import spell
from segments.values import READERS, microseconds

unhurried = settings(deadline=None, max_examples=60)
WHOLE = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(timezones=st.timezones()).filter(lambda value: 1 < value.year < 9999)


@unhurried
@given(WHOLE)
def test_whole_numbers(value: int) -> None:
    assert READERS["integer"](spell(value)) == value
    assert texts("", "", pa.array([value], pa.int64())) == [spell(value)]


@unhurried
@given(FINITE)
def test_numbers(value: float) -> None:
    assert READERS["number"](spell(value)) == value
    if value.is_integer() and abs(value) < 1e15:
        assert READERS["integer"](spell(value)) == value


@unhurried
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_short_numbers_keep_their_own_precision(value: float) -> None:
    (cell,) = texts("", "", pa.array([value], pa.float32()))
    assert pa.scalar(float(cell), pa.float32()).as_py() == value
    assert len(cell.strip("-").replace(".", "").split("e")[0].strip("0")) <= 9


@unhurried
@given(st.decimals(-(10**12), 10**12, places=4))
def test_decimals(value: Decimal) -> None:
    assert READERS["number"](spell(value)) == float(value)


@unhurried
@given(MOMENTS)
def test_instants(value: datetime) -> None:
    assert READERS["datetime"](spell(value)) == microseconds(value.astimezone(UTC))


@unhurried
@given(st.dates())
def test_days(value: date) -> None:
    expected = (value - date(1970, 1, 1)).days
    assert READERS["date"](spell(value)) == expected
    assert READERS["date"](spell(datetime.combine(value, time()))) == expected


@unhurried
@given(st.booleans())
def test_truths(value: bool) -> None:
    assert READERS["boolean"](spell(value)) is value
    assert read_word(spell(value)) == (GRANTED if value else DENIED)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (" as it is ", " as it is "),
        (b"caf\xc3\xa9", "café"),
        (memoryview(b"x"), "x"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12.50"), "12.50"),
        (math.nan, "nan"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_spelling(value: object, cell: str) -> None:
    assert spell(value) == cell


@pytest.mark.parametrize("value", [[1], {"a": 1}, time(9), timedelta(1), 1j])
def test_what_no_cell_holds(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        spell(value)
