"""Fresh worlds for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import World, make_world


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    """An empty world on each of the two databases."""
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """An empty world on SQLite, for what no dialect can change."""
    made = make_world(tmp_path / "home", sqlite_url)
    yield made
    made.ledger.close()
