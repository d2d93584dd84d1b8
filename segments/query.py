"""Customers asked of another database by one SQL query, which is let read and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from sqlalchemy import Connection, CursorResult, create_engine, make_url
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

from config.schema import CustomersSchema
from segments.parquet_file import SLICE, parquet_of
from segments.sheet import Source, check_header
from segments.spelling import spell
from waves.errors import InputError

DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}
"""What sqlglot calls a database where SQLAlchemy has another name."""
BEGINNINGS = (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN)
WRITING = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock)
PERSONAL = re.compile(r"[^\s'\"]+@[^\s'\"]+|\+?[0-9][0-9 ()-]{5,}[0-9]")
"""What an address looks like in a database's message, which quotes the values it stumbles over."""


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT and where to ask it; the address may hold a password and is in no message."""

    url: str = field(repr=False)
    text: str
    head: str = "the query"
    """What messages call it."""


@contextmanager
def asked(
    query: Query, schema: CustomersSchema, delta: bool = False, progress: Callable[[int], None] | None = None
) -> Iterator[Source]:
    """What the query finds, asked once and kept in a file without a name until the end.

    An import reads its source twice and takes minutes: asked twice, the other database might answer twice otherwise,
    and asked slowly, it would hold its snapshot for as long. InputError when it may not be asked or does not answer.
    """
    url = _address(query)
    check_reads_only(query, url.get_backend_name())
    engine = _engine(query, url)
    try:
        with TemporaryFile() as spool:
            with _translated(query, url), _reading(engine) as connection:
                _spool(query, connection, spool, schema, delta, progress)
            yield parquet_of(query.head, spool, schema)
    finally:
        engine.dispose()


def check_reads_only(query: Query, backend: str) -> None:
    """InputError unless the text is one SELECT (or WITH ... SELECT) that writes, locks and runs nothing."""
    name = DIALECTS.get(backend, backend)
    dialect = name if sqlglot.Dialect.get(name) else None
    try:
        first = next(iter(sqlglot.tokenize(query.text, read=dialect)), None)
        if first is None:
            raise InputError(f"{query.head}: it is empty; write a SELECT")
        if first.token_type not in BEGINNINGS:
            raise InputError(f"{query.head}: it begins with {first.text}; write a SELECT, nothing else is asked")
        parsed = sqlglot.parse(query.text, read=dialect)
        statements = [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]
    except ParseError as error:
        wrong = error.errors[0]
        where = f"line {wrong['line']}, near {wrong['highlight']!r}"
        raise InputError(f"{query.head}: it cannot be read as a SELECT ({where}); mend it there") from error
    except SqlglotError as error:
        raise InputError(f"{query.head}: it cannot be read as a SELECT; is a quote not closed?") from error
    if len(statements) != 1:
        raise InputError(f"{query.head}: there are {len(statements)} statements; write one SELECT")
    writes = next(iter(statements[0].find_all(*WRITING)), None)
    if writes is not None or not isinstance(statements[0], exp.Query):
        what = type(writes or statements[0]).__name__.upper()
        raise InputError(f"{query.head}: there is {what} in it; write a SELECT that only reads")


def _address(query: Query) -> URL:
    try:
        url = make_url(query.url)
    except (ArgumentError, ValueError):
        raise InputError(
            f"{query.head}: the database's address cannot be read; write postgresql://user:password@host/name"
        ) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    name = url.database or ""
    if url.get_backend_name() == "sqlite" and not name.startswith("file:") and not Path(name).is_file():
        raise InputError(f"{query.head}: there is no SQLite file at {name or 'that address'}")
    return url


def _engine(query: Query, url: URL) -> Engine:
    try:
        engine = create_engine(url, hide_parameters=True)
    except NoSuchModuleError:
        raise InputError(
            f"{query.head}: {url.drivername!r} is no database that SQLAlchemy knows here; if it is one, install its "
            "dialect beside multiwave"
        ) from None
    except ImportError as error:
        raise InputError(
            f"{query.head}: the driver of {url.drivername} is not installed; pip install {error.name}, "
            "or name another driver, such as mysql+pymysql"
        ) from None
    except (SQLAlchemyError, TypeError, ValueError):
        raise InputError(f"{query.head}: the driver of {url.drivername} refuses the address's options") from None
    if engine.dialect.is_async:
        raise InputError(
            f"{query.head}: {url.drivername} is a driver for asynchronous programs; name another, "
            "such as postgresql+psycopg"
        )
    return engine


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    """A connection that cannot write where the database can be told so, and that never commits anywhere."""
    options = {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**options) as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
        yield connection
        connection.rollback()


def _spool(
    query: Query,
    connection: Connection,
    spool: BinaryIO,
    schema: CustomersSchema,
    delta: bool,
    progress: Callable[[int], None] | None,
) -> None:
    """Everything the query finds as columns of text, a slice at a time."""
    options = {"stream_results": True, "yield_per": SLICE, "no_parameters": True}  # no_parameters: % is only a %
    found: CursorResult[tuple[object, ...]] = connection.execution_options(**options).exec_driver_sql(
        query.text.strip().rstrip(";")
    )
    header = tuple(found.keys())
    check_header(query.head, header, schema, delta)
    kinds = pa.schema([(name, pa.string()) for name in header])
    rows = 0
    with pq.ParquetWriter(spool, kinds) as writer:
        for part in found.partitions(SLICE):
            columns = [
                _texts(query.head, name, cells) for name, cells in zip(header, zip(*part, strict=True), strict=True)
            ]
            writer.write_batch(pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=kinds))
            rows += len(part)
            if progress is not None:
                progress(rows)


def _texts(head: str, name: str, cells: Sequence[object]) -> list[str]:
    try:
        return list(map(spell, cells))
    except TypeError as error:
        raise InputError(f"{head}: the column {name} holds {error}; CAST it to text") from None
    except UnicodeDecodeError:
        raise InputError(f"{head}: the column {name} holds bytes that are not UTF-8 text; CAST it to text") from None


@contextmanager
def _translated(query: Query, url: URL) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise InputError(f"{query.head}: the database says: {_message(error, url)}") from None
    except (SQLAlchemyError, TypeError, ValueError) as error:
        raise InputError(
            f"{query.head}: the database cannot be asked ({type(error).__name__}); mend its address"
        ) from None


def _message(error: DBAPIError, url: URL) -> str:
    """The first line of the database's own words, without the password and without anything like an address."""
    said = str(error.orig).strip() or type(error.orig).__name__
    first = said.splitlines()[0]
    if url.password:
        first = first.replace(str(url.password), "***")
    return PERSONAL.sub("***", first)
