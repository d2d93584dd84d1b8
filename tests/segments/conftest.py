"""A ledger and a folder to import customers from, on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store import create_ledger
from tests.import_desk import Desk


@pytest.fixture
def desk(ledger_url: str, tmp_path: Path) -> Iterator[Desk]:
    """A desk over an empty ledger."""
    ledger = create_ledger(ledger_url)
    yield Desk(ledger, tmp_path)
    ledger.close()


@pytest.fixture
def lite_desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    """A desk over SQLite alone, for what is decided before any database."""
    ledger = create_ledger(sqlite_url)
    yield Desk(ledger, tmp_path)
    ledger.close()
