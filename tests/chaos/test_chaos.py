"""The short form of the chaos runs: five blows on each database; `make chaos` has the long one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.chaos.databases import Database, Postgres, Sqlite
from tests.chaos.run import play

PEOPLE, BLOWS = 4000, 5


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of the run's own; the PostgreSQL server as well, since it is killed."""
    if request.param == "sqlite":
        yield Sqlite(tmp_path)
        return
    # Not in pytest's own folder: the server runs as another user.
    with TemporaryDirectory(prefix="mw-chaos-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        yield server.database()
        server.close()


@pytest.mark.acceptance
def test_nobody_twice_and_nobody_lost(database: Database, tmp_path: Path) -> None:
    ran = play(database, tmp_path, 1, PEOPLE, BLOWS)
    assert ran.found.wrong == []
    assert sum(ran.struck.values()) == BLOWS
    assert (ran.found.duplicates, ran.found.lost) == (0, 0)
    assert ran.found.touches >= 2 * PEOPLE
