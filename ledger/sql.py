"""What SQLite and PostgreSQL spell differently."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

T = TypeVar("T")


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


def inline(code: int) -> ColumnElement[int]:
    """A number of ours written into the statement: with 40 parameters fewer SQLite claims a twentieth faster."""
    return literal_column(str(int(code)), Integer())


class Ids(TypeDecorator[Collection[Any]]):
    """Any number of ids as one parameter: an array, or on SQLite a JSON text."""

    impl = Text
    cache_ok = True
    each: type[TypeEngine[Any]] = BigInteger

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An array where there are arrays."""
        return dialect.type_descriptor(ARRAY(self.each) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> object:
        """A list, or its JSON."""
        given = list(value or ())
        return given if dialect.name == "postgresql" else json.dumps(given)


class Words(Ids):
    """Any number of texts as one parameter."""

    cache_ok = True
    each = Text


Given = Collection[int] | BindParameter[Collection[int]]


class among(FunctionElement[bool]):
    """Whether a column holds one of the ids or words given; the statement is the same for any number of them."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], given: Collection[Any] | BindParameter[Any]) -> None:
        kind = Words() if isinstance(column.type, Text) else Ids()
        named = given if isinstance(given, BindParameter) else bindparam(None, given, type_=kind, unique=True)
        super().__init__(column, named)

    def self_group(self, against: Any = None) -> Any:
        """Itself."""
        return self  # SQLAlchemy would append `= 1` on SQLite, and SQLite then reads the whole table


@compiles(among, "postgresql")
def _any(element: among, compiler: Any, **kw: Any) -> str:
    column, ids = element.clauses
    return f"({compiler.process(column, **kw)} = ANY ({compiler.process(ids, **kw)}))"


@compiles(among, "sqlite")
def _each(element: among, compiler: Any, **kw: Any) -> str:
    column, ids = element.clauses
    return f"({compiler.process(column, **kw)} IN (SELECT value FROM json_each({compiler.process(ids, **kw)})))"


def named_ids(name: str) -> BindParameter[Collection[int]]:
    """A parameter for `among` in a statement that is kept."""
    return bindparam(name, type_=Ids())


def named_words(name: str) -> BindParameter[Collection[str]]:
    """The same for a column of texts."""
    return bindparam(name, type_=Words())


def told(dialect: str, name: str) -> TableValuedAlias:
    """A parameter that is a JSON object, as rows with `key` and `value`; both are to be cast."""
    named = bindparam(name, type_=Text())
    if dialect == "postgresql":
        return func.json_each_text(cast(named, JSON(none_as_null=True))).table_valued("key", "value", name="told")
    return func.json_each(named).table_valued("key", "value", name="told")


def once(built: dict[Any, Any], key: Hashable, build: Callable[[], T]) -> T:
    """What was built under this key, or is now: building a statement takes longer than looking at its rows."""
    if key not in built:
        built[key] = build()
    return built[key]  # type: ignore[no-any-return]


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
