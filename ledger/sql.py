"""What SQLite and PostgreSQL spell differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class greatest(FunctionElement[int]):
    """The largest of several numbers; NULL is not expected among them."""

    type = Integer()
    inherit_cache = True


class least(FunctionElement[int]):
    """The smallest of several numbers; NULL is not expected among them."""

    type = Integer()
    inherit_cache = True


def _spelled(name: str) -> Callable[..., str]:
    return lambda element, compiler, **kw: f"{name}({compiler.process(element.clauses, **kw)})"


compiles(greatest, "postgresql")(_spelled("greatest"))
compiles(greatest, "sqlite")(_spelled("max"))
compiles(least, "postgresql")(_spelled("least"))
compiles(least, "sqlite")(_spelled("min"))


class unindexed(FunctionElement[Any]):
    """A column that SQLite is not to look up in an index of its own: by ANALYZE's counts it prefers the wrong one."""

    inherit_cache = True


@compiles(unindexed)
def _column(element: unindexed, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


@compiles(unindexed, "sqlite")
def _plus(element: unindexed, compiler: Any, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"  # https://www.sqlite.org/optoverview.html, section 2


@contextmanager
def set_wise(connection: Connection) -> Iterator[None]:
    """Two big tables are joined in one go, whatever PostgreSQL believes of their size.

    Of a wave enrolled since its last ANALYZE it expects one row, and would go through all of one table for each row of
    the other: 2 s for 20,000 members, 8 s for 50,000.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
    yield
    connection.exec_driver_sql("SET LOCAL enable_nestloop = on")
