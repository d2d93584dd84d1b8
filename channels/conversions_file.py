"""Conversions in a CSV file: who met which goal, when, and what it was worth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from channels.findings import Findings, read_twice, shown
from channels.table_file import read_table
from waves.plan import NAME

REQUIRED = ("customer", "goal", "at", "value", "currency", "source", "source_id")
VALUE = re.compile(r"-?[0-9]{1,14}(?:\.[0-9]{1,4})?")
"""What the ledger keeps exactly: ten-thousandths in 64 bits."""


@dataclass(frozen=True, slots=True)
class ConversionRow:
    """One conversion; `source` and `source_id` name it once and for all, `value` is None when the file does not say.

    With `reversed_at` it was taken back then, as by a refund.
    """

    line: int
    customer: str
    goal: str
    at: datetime
    value: Decimal | None
    currency: str | None
    source: str
    source_id: str
    product: str | None = None
    reversed_at: datetime | None = None


def read_conversions(path: Path) -> Iterator[ConversionRow]:
    """Every row, in file order, as it is asked for; InputError lists every problem, before the first row."""
    return read_twice(path, _rows)


def _rows(found: Findings) -> Iterator[ConversionRow]:
    for line, cells in read_table(found, REQUIRED, ("product", "reversed_at")):
        row = _row(found, line, cells)
        if row is not None:
            yield row


def _row(found: Findings, line: int, cells: dict[str, str]) -> ConversionRow | None:
    before = found.count
    customer, source, source_id = (found.filled(line, key, cells[key]) for key in ("customer", "source", "source_id"))
    goal, value, currency = cells["goal"].strip(), cells["value"].strip(), cells["currency"].strip().upper()
    if not re.fullmatch(NAME, goal):
        found.add(line, f"goal {shown(goal)} is no name; write the plan's goal.event, such as renewed")
    if value and not VALUE.fullmatch(value):
        found.add(line, f"value {shown(value)} is no amount; write 1250 or 1250.50 (at most 4 decimals, no separators)")
    if not re.fullmatch("[A-Z]{3}", currency) and (value or currency):
        found.add(line, f"currency {shown(currency)} is no code of 3 letters; write USD")
    at, undone = found.moment(line, "at", cells["at"]), cells.get("reversed_at", "").strip()
    reversed_at = found.moment(line, "reversed_at", undone) if undone else None
    if at is not None and reversed_at is not None and reversed_at < at:
        found.add(line, "reversed_at is before at; a conversion cannot be taken back before it happened")
    if found.count > before or at is None:
        return None
    amount = Decimal(value) if value else None
    product = cells.get("product", "").strip() or None
    return ConversionRow(line, customer, goal, at, amount, currency or None, source, source_id, product, reversed_at)
