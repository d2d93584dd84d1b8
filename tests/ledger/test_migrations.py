"""The migrations make exactly the tables that ledger.tables declares, and take them away again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import SAWarning

from ledger import channel_tables, dial_tables, engine_tables, hours_tables  # noqa: F401 - their tables join the metadata
from ledger.store import create_ledger, make_engine, migrate, open_ledger
from ledger.tables import metadata
from waves.errors import LedgerError

EXPRESSION_INDEX = "uq_suppression_live"


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    engine = make_engine(empty_url)
    yield engine
    engine.dispose()


def differences(engine: Engine) -> list[Any]:
    """What alembic would still change; on SQLite it leaves the index over expressions out and says so."""
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", f"autogenerate skipping .*{EXPRESSION_INDEX}", UserWarning)
        warnings.filterwarnings("ignore", f"Skipped unsupported reflection .*{EXPRESSION_INDEX}", SAWarning)
        # SQLite gives the default `false` back as `0`, which alembic takes for another.
        options = {"compare_type": True, "compare_server_default": engine.dialect.name == "postgresql"}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def index_names(engine: Engine) -> set[str]:
    catalogue = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
    }
    with engine.connect() as connection:
        return set(connection.scalars(text(catalogue[engine.dialect.name])))


def test_up_makes_the_declared_tables(engine: Engine) -> None:
    migrate(engine)
    assert differences(engine) == []
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_every_declared_index_is_there_by_name(engine: Engine) -> None:
    migrate(engine)
    declared = {str(index.name) for table in metadata.tables.values() for index in table.indexes}
    assert EXPRESSION_INDEX in declared
    assert declared <= index_names(engine)


def test_down_leaves_nothing_and_up_works_again(engine: Engine) -> None:
    migrate(engine)
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert differences(engine) == []


def test_up_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)
    assert differences(engine) == []


def test_a_missing_column_would_be_found(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit DROP COLUMN what"))
    [(kind, _schema, table, column)] = differences(engine)
    assert (kind, table, column.name) == ("add_column", "audit", "what")


def test_a_created_ledger_opens_and_an_unmade_one_does_not(empty_url: str) -> None:
    with pytest.raises(LedgerError, match="multiwave init"):
        open_ledger(empty_url)
    create_ledger(empty_url).close()
    open_ledger(empty_url).close()
