"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, Float, Integer, Text, bindparam, type_coerce
from sqlalchemy.engine import Dialect
from sqlalchemy.types import Boolean, TypeDecorator, TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_ZERO = date(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
When = datetime | ColumnElement[datetime]
"""A moment that is known, or the column or parameter that will say it."""
Span = tuple[int | BindParameter[int], int | BindParameter[int]]
"""The customers whose id is above the first number and not above the second; RANGE where a statement is kept."""
RANGE: Span = (bindparam("low", type_=BigInteger()), bindparam("high", type_=BigInteger()))
UNITS_PER_MONEY = 10_000


class Moment(TypeDecorator[datetime]):
    """An instant as microseconds since 1970 UTC; a naive datetime is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: every time in the ledger has a zone")
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND


def later(moment: When, length: timedelta) -> When:
    """So much later than a moment, a column's or a parameter's as well as a known one."""
    if isinstance(moment, datetime):
        return moment + length
    return type_coerce(type_coerce(moment, BigInteger) + length // MICROSECOND, Moment)


class Day(TypeDecorator[date]):
    """A calendar day as days since 1970-01-01, so that differences are plain integers."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - DAY_ZERO).days

    def process_result_value(self, value: int | None, dialect: Dialect) -> date | None:
        return None if value is None else DAY_ZERO + timedelta(days=value)


class Money(TypeDecorator[Decimal]):
    """An amount as ten-thousandths of its currency, exact on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int((value * UNITS_PER_MONEY).to_integral_value())

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / UNITS_PER_MONEY


def plain_text() -> Text:
    """Text compared byte by byte on both databases (PostgreSQL's own locale would order and lower it differently)."""
    text = Text()
    return text.with_variant(Text(collation="C"), "postgresql")


ATTRIBUTE_TYPES: dict[str, TypeEngine[Any]] = {
    "integer": BigInteger(),
    "number": Float(53),
    "text": plain_text(),
    "boolean": Boolean(create_constraint=False),
    "date": Day(),
    "datetime": Moment(),
}
"""The types a declared attribute may have, as `config/customers.yaml` spells them."""
