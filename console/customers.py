"""`customers import`: from a file or from another database, whole or as a delta."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from console.context import HomeOption, JsonOption, config_dir, existing, open_home
from console.show import counts, print_json, progress, say
from waves.errors import InputError

if TYPE_CHECKING:
    from config.schema import CustomersSchema
    from segments.customers import ImportSummary
    from segments.duplicates import Duplicates
    from segments.query import Query
    from segments.sheet import Source

EPILOG = "\n\n".join(
    (
        "Columns are named as in config/customers.yaml, in any order. A typed value of Parquet or SQL means what the "
        "same text means in a CSV: a timestamp without a zone is no time, and at midnight it is a day.",
        "With --delta the file may hold only some columns; what it lacks stays as it is. An empty cell empties, as "
        "ever. Columns that say one thing together come together: every address column of a channel, the phones with "
        "all that tells the place, a consent with its time. Who is not known yet is added with what there is.",
        "A query is asked once and may only read: one SELECT, in a read-only transaction on PostgreSQL and SQLite; "
        "elsewhere give a user who cannot write. Example: customers import --sql-env CRM_URL --query-file crm.sql",
        "Afterwards FILE.duplicates.csv lists keys that look like one person, and people who share an address.",
    )
)
FileArgument = Annotated[
    Path | None, typer.Argument(help="CSV or TSV (also .gz) or Parquet file; none with --sql.", show_default=False)
]
SqlOption = Annotated[
    str | None,
    typer.Option(help="Ask this database: postgresql://user:password@host/name, or what SQLAlchemy has a driver for."),
]
SqlEnvOption = Annotated[
    str | None,
    typer.Option(help="Environment variable with that address: its password is then in no list of commands."),
]
QueryOption = Annotated[str | None, typer.Option(help="The SELECT to ask.")]
QueryFileOption = Annotated[Path | None, typer.Option(help="File with the SELECT to ask.")]
DeltaOption = Annotated[
    bool, typer.Option("--delta", help="Columns that are not there keep what the ledger has; see below.")
]
RejectsOption = Annotated[
    Path | None,
    typer.Option(help="Where rejected rows are listed (default: beside the file, .rejects.csv; of --query, the home)."),
]


def import_customers_file(
    file: FileArgument = None,
    home: HomeOption = None,
    sql: SqlOption = None,
    sql_env: SqlEnvOption = None,
    query: QueryOption = None,
    query_file: QueryFileOption = None,
    delta: DeltaOption = False,
    rejects: RejectsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import customers (CSV, Parquet, SQL) by config/customers.yaml; again to update them: nobody is ever doubled."""
    from config.schema import load_schema
    from segments.customers import import_customers
    from segments.duplicates import report_duplicates
    from waves.seals import sealer

    asks = _query(sql, sql_env, query, query_file)
    if (file is None) == (asks is None):
        raise InputError("name either a file, or a database with --sql (or --sql-env) and --query (or --query-file)")
    for given in (file, rejects):
        if given is not None and not given.name:  # as of an empty variable
            raise InputError(f"{given}: this is a folder; name a file in it")
    room = open_home(home)
    schema = load_schema(config_dir(room.settings))
    beside = file or query_file or room.settings.home / "customers"
    rejected = rejects or beside.with_name(f"{beside.name.split('.')[0]}.rejects.csv")
    twice = rejected.with_name(f"{rejected.name.removesuffix('.csv').removesuffix('.rejects')}.duplicates.csv")
    if file is not None and twice.resolve() == file.resolve():
        raise InputError(f"{twice}: the list of duplicates would overwrite the customers; name another --rejects")
    with progress() as bar, _source(file, asks, schema, delta, bar) as source:
        task = bar.add_task("customers", total=None)
        summary = import_customers(
            room.ledger,
            schema,
            source,
            rejected,
            room.ledger.now(),
            lambda rows: bar.update(task, completed=rows),
            delta=delta,
            seal=sealer(room.token_key),
        )
        bar.add_task("duplicates", total=None)
        duplicates = report_duplicates(room.ledger, twice)
    if as_json:
        files = {"rejects_file": str(rejected), "duplicates_file": str(twice)}
        print_json(asdict(summary) | {"duplicates": asdict(duplicates)} | files)
        return
    _show(summary, rejected)
    _show_duplicates(duplicates, twice)


def _query(sql: str | None, sql_env: str | None, text: str | None, file: Path | None) -> Query | None:
    """What is to be asked where; None when none of the four options is there."""
    if sql is None and sql_env is None and text is None and file is None:
        return None
    from segments.query import Query

    if (sql is None) == (sql_env is None):
        raise InputError("say where to ask with --sql URL, or with --sql-env and the name of a variable that holds it")
    if (text is None) == (file is None):
        raise InputError("say what to ask with --query, or with --query-file")
    url = sql if sql_env is None else os.environ.get(sql_env)
    if not url:
        raise InputError(f"{sql_env or '--sql'}: it is empty or not there; it should hold the database's address")
    if file is None:
        return Query(url, str(text))
    try:
        return Query(url, existing(file).read_text("utf-8-sig"), str(file))
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text; save the query as UTF-8") from None


@contextmanager
def _source(
    file: Path | None, asks: Query | None, schema: CustomersSchema, delta: bool, bar: Progress
) -> Iterator[Path | Source]:
    if asks is None:
        assert file is not None
        yield existing(file)
        return
    from segments.query import asked

    task = bar.add_task("query", total=None)
    with asked(asks, schema, delta, lambda rows: bar.update(task, completed=rows)) as source:
        yield source


def _show(summary: ImportSummary, rejected: Path) -> None:
    became = {"added": summary.added, "updated": summary.updated, "unchanged": summary.unchanged}
    became |= {"rejected": summary.rejected, "named again below": summary.superseded, "erased": summary.erased}
    say(f"{summary.rows:,} rows: {counts(became | {'gone': summary.gone})}")
    if summary.reasons:
        say(f"what did not fit, each with its line in {rejected}:")
        for reason, rows in sorted(summary.reasons.items(), key=lambda item: (-item[1], item[0])):
            say(f"  {rows:,} x {reason}")
    if any(summary.shared.values()):
        say(f"addresses shared by several customers: {counts(summary.shared)}; each is contacted once")
    if summary.zones_unknown:
        say(f"{summary.zones_unknown:,} customers without a known time zone")
    if summary.ignored_columns:
        say(f"columns that customers.yaml does not name, left alone: {', '.join(summary.ignored_columns)}")


def _show_duplicates(found: Duplicates, path: Path) -> None:
    if found.same_person or found.shared_address:
        say(
            f"pairs of keys in the whole ledger: {found.same_person:,} look like one person, "
            f"{found.shared_address:,} more share an address; they are listed in {path}"
        )
