"""The short form of the chaos runs: five blows on each database; `make chaos` has the long one.

On SQLite the workers run plain functions, on PostgreSQL flows over a Prefect server, which is killed as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.chaos.checks import SENT, look, read_record
from tests.chaos.databases import Database, Postgres, Sqlite
from tests.chaos.on_prefect import PrefectServer
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


@pytest.fixture
def prefect(database: Database, tmp_path: Path) -> Iterator[PrefectServer | None]:
    if database.name == "sqlite":
        yield None
        return
    server = PrefectServer(tmp_path / "prefect")
    yield server
    server.kill()


@pytest.mark.acceptance
def test_nobody_twice_and_nobody_lost(database: Database, prefect: PrefectServer | None, tmp_path: Path) -> None:
    ran = play(database, tmp_path, 1, PEOPLE, BLOWS, prefect)
    assert ran.found.wrong == []
    assert sum(ran.struck.values()) == BLOWS
    assert {"worker", "stopped", "all", *(["database", "prefect"] if prefect else [])} <= ran.struck.keys()
    assert (ran.found.duplicates, ran.found.lost) == (0, 0)
    assert ran.found.touches >= 2 * PEOPLE
    assert seen_by_the_checks(database, tmp_path) == (1, 1)


def seen_by_the_checks(database: Database, folder: Path) -> tuple[int, int]:
    """(duplicates, lost) once the record has one message twice and another, which was sent, not at all."""
    record, key = folder / "record.txt", (folder / "home" / "token.key").read_text("ascii").strip().encode()
    lines = record.read_text("utf-8").splitlines(keepends=True)
    sent = {touch for (touch,) in database.rows(f"SELECT id FROM touch WHERE state = {SENT}")}
    missing = next(number for number, one in enumerate(read_record(record, key)) if one.touch in sent)
    del lines[missing]
    record.write_text("".join([*lines, lines[-1]]), "utf-8")
    found = look(database, record, key, one_each=False)
    assert len(found.wrong) == 2
    return found.duplicates, found.lost
