"""What SQLite and PostgreSQL spell differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class greatest(FunctionElement[int]):
    """The largest of several numbers; NULL is not expected among them."""

    type = Integer()
    inherit_cache = True


@compiles(greatest, "postgresql")
def _greatest(element: greatest, compiler: Any, **kw: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **kw)})"


@compiles(greatest, "sqlite")
def _max(element: greatest, compiler: Any, **kw: Any) -> str:
    return f"max({compiler.process(element.clauses, **kw)})"


class least(FunctionElement[int]):
    """The smallest of several numbers; NULL is not expected among them."""

    type = Integer()
    inherit_cache = True


@compiles(least, "postgresql")
def _least(element: least, compiler: Any, **kw: Any) -> str:
    return f"least({compiler.process(element.clauses, **kw)})"


@compiles(least, "sqlite")
def _min(element: least, compiler: Any, **kw: Any) -> str:
    return f"min({compiler.process(element.clauses, **kw)})"


class unindexed(FunctionElement[Any]):
    """A column that SQLite is not to look up in an index of its own: by ANALYZE's counts it prefers the wrong one."""

    inherit_cache = True


@compiles(unindexed)
def _column(element: unindexed, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


@compiles(unindexed, "sqlite")
def _plus(element: unindexed, compiler: Any, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"  # https://www.sqlite.org/optoverview.html, section 2
