"""A world on each database, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import World
from tests.conftest import database
from tests.laws.rig import rig


@pytest.fixture
def worlds(tmp_path: Path, sqlite_url: str, pg_url: str, pg_blank: str) -> Iterator[list[World]]:
    """The same world on SQLite and on PostgreSQL, for laws that compare them."""
    with database(pg_url, pg_blank) as url:
        found = [rig(tmp_path / "sqlite", sqlite_url), rig(tmp_path / "postgresql", url)]
        yield found
        for world in found:
            world.ledger.close()
