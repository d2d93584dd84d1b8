"""New ledgers that nobody has used yet, as copies of one that the migrations made: a twentieth of the work."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL

from ledger.store import make_engine, migrate


def lay_tables(url: URL) -> None:
    """The tables of a ledger in an empty database, and nothing in them."""
    engine = make_engine(url.render_as_string(hide_password=False))
    migrate(engine)
    engine.dispose()


@cache
def blank_sqlite() -> bytes:
    """The file of a new SQLite ledger."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        lay_tables(URL.create("sqlite", database=str(path)))
        return path.read_bytes()
