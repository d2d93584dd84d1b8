"""A world on each database, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.builders import World
from tests.conftest import LOCALE
from tests.laws.rig import rig


@pytest.fixture
def worlds(tmp_path: Path, sqlite_url: str, pg_url: str) -> Iterator[list[World]]:
    """The same world on SQLite and on PostgreSQL, for laws that compare them."""
    server = make_url(pg_url)
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE beside TEMPLATE template0 ENCODING 'UTF8' {LOCALE}")
        url = server.set(database="beside").render_as_string(hide_password=False)
        found = [rig(tmp_path / "sqlite", sqlite_url), rig(tmp_path / "postgresql", url)]
        yield found
        for world in found:
            world.ledger.close()
        connection.execute("DROP DATABASE beside WITH (FORCE)")
