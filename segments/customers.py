"""Bring a file of customers into the ledger chunk by chunk; rows that do not fit are told by line and reason."""

from __future__ import annotations

import csv
import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection

from config.schema import CustomersSchema, attribute_types
from ledger.attributes import declare_attributes
from ledger.store import Ledger
from segments.consent import OWN_SOURCES
from segments.contacts import Contact, Stops, known_contacts, merged, read_stops, write_contacts
from segments.delta import Kept, kept_by, laid_over, with_kept
from segments.erased import ADDRESS_OF_ERASED, erased_among
from segments.gone import lift_gone, suppress_gone
from segments.people import Person, ZoneIds, known_people, write_people, zone_ids
from segments.rows import Issue, Layout, Row, lay_out, read_row
from segments.sheet import Sheet, Source, survey
from segments.sources import open_source
from segments.values import microseconds
from waves.errors import InputError
from waves.message import CHANNEL_CODES, CHANNEL_NAMES
from waves.seals import Seal

CHUNK = 10_000
"""Rows merged in one transaction: large enough for speed, small enough to hold writers up for under a second."""
IMPORT_LOCK = 0x6D77_696D  # PostgreSQL advisory lock: two imports at once would wait for each other's rows in a ring
BY_INDEX_ONLY = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "enable_material", "jit")
"""What PostgreSQL would try on tables it has no statistics of; a chunk's rows are always best looked up by index."""
REJECTS_HEADER = ("line", "column", "reason", "key")


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What became of a file: rows = added + updated + unchanged + rejected + superseded + erased + gone."""

    rows: int
    added: int
    updated: int
    unchanged: int
    rejected: int
    superseded: int
    """Rows whose key came again further down."""
    erased: int
    """Rows of customers who were erased: nothing of them is stored."""
    gone: int
    """Rows that say that the customer has left: suppressed, when the ledger knows them."""
    reasons: Mapping[str, int]
    """Rejected rows and parts left out, by `column: reason`."""
    left_out: int
    """Addresses, zones and other parts that were left out of rows otherwise stored."""
    zones_unknown: int
    """Stored or unchanged customers without a known time zone: channels with legal hours will not reach them."""
    shared: Mapping[str, int]
    """Addresses that more than one customer holds, in the whole ledger, by channel."""
    ignored_columns: tuple[str, ...]


@dataclass(slots=True)
class _Count:
    rows: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    superseded: int = 0
    erased: int = 0
    gone: int = 0
    left_out: int = 0
    zones_unknown: int = 0


@dataclass(frozen=True, slots=True)
class _Import:
    """What stays the same from chunk to chunk, and the caches that grow."""

    types: Mapping[str, str]
    covered: frozenset[int]
    stops: Stops
    zones: ZoneIds
    now: int
    kept: Kept | None
    """What a delta leaves as it is; None when the file says everything."""
    tells_gone: bool
    seal: Seal | None
    rejects: _Rejects


def import_customers(
    ledger: Ledger,
    schema: CustomersSchema,
    source: Path | Source,
    rejects: Path,
    now: datetime,
    progress: Callable[[int], None] | None = None,
    chunk: int = CHUNK,
    delta: bool = False,
    seal: Seal | None = None,
) -> ImportSummary:
    """Import a file by its path, or any source; `progress` hears the rows read so far after each chunk.

    A `delta` may lack columns, and what they would say stays as the ledger has it; an empty cell empties all the same.
    The file is read through once first, and InputError then leaves the ledger and the rejects file as they were.
    An import that was cut short is repeated whole: rows that are stored already are found unchanged. By `seal` it knows
    again who was erased: a row with their key is not stored, nor an address that was theirs alone under another key.
    """
    _check_request(schema, source, rejects)
    sheet = survey(open_source(source, schema) if isinstance(source, Path) else source, schema, delta)
    types = attribute_types(schema)
    with ledger.write() as connection:
        declare_attributes(connection, types)
    with ledger.read() as connection:
        stops = read_stops(connection)
    covered = frozenset(CHANNEL_CODES[channel] for entry in schema.addresses for channel in entry.channels)
    layout = lay_out(schema, sheet.source.header)
    kept = kept_by(schema, sheet.source.header) if delta else None
    if kept is not None:
        covered -= kept.channels
    count, reasons = _Count(), Counter[str]()
    with _opened_for_rejects(rejects) as stream, _without_collector():
        told = _Rejects(stream, count, reasons)
        run = _Import(types, covered, stops, {}, microseconds(now), kept, layout.gone is not None, seal, told)
        for rows in _chunks(sheet, layout, run.now, told, chunk):
            with ledger.write() as connection:
                _merge(connection, rows, run, count)
            if progress is not None:
                progress(count.rows)
    with ledger.read() as connection:
        shared = _shared(connection)
    return ImportSummary(
        **{name: getattr(count, name) for name in _Count.__slots__},
        reasons=dict(reasons),
        shared=shared,
        ignored_columns=sheet.ignored,
    )


def _check_request(schema: CustomersSchema, source: Path | Source, rejects: Path) -> None:
    if isinstance(source, Path) and rejects.resolve() == source.resolve():
        raise InputError(f"{rejects}: the rejects file would overwrite the customers; name another")
    for channel, entry in schema.consent.items():
        if entry.source in OWN_SOURCES:
            raise InputError(
                f"customers.yaml: the consent source of {channel} is {entry.source!r}, a word that multiwave writes "
                "itself; choose another, such as crm"
            )


def _opened_for_rejects(rejects: Path) -> TextIO:
    try:
        return rejects.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"{rejects}: the rejects file cannot be written ({error.strerror}); name another") from error


@contextmanager
def _without_collector() -> Iterator[None]:
    """Rows hold no cycles; the collector would walk a chunk again and again, for a fifth of the time of an import."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Rejects:
    """The rejects file as it grows, and the counts by reason."""

    def __init__(self, stream: TextIO, count: _Count, reasons: Counter[str]) -> None:
        self.count = count
        self.reasons = reasons
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(REJECTS_HEADER)

    def note(self, issues: list[Issue]) -> None:
        """Write down what was wrong with one row."""
        if any(issue.rejects for issue in issues):
            self.count.rejected += 1
        for issue in issues:
            self._writer.writerow((issue.line, issue.column, issue.reason, issue.key))
            self.reasons[f"{issue.column}: {issue.reason}"] += 1
            self.count.left_out += not issue.rejects


def _chunks(sheet: Sheet, layout: Layout, now: int, rejects: _Rejects, size: int) -> Iterator[list[Row]]:
    """The sound rows in lists of at most `size`, each key in one row only."""
    rows: list[Row] = []
    count = rejects.count
    for index, (line, cells) in enumerate(sheet.source.rows()):
        count.rows += 1
        if sheet.last and sheet.last.get(cells[layout.key].strip(), index) != index:
            count.superseded += 1
            continue
        row, issues = read_row(layout, line, cells, now)
        if issues:
            rejects.note(issues)
        if row is not None:
            rows.append(row)
        if len(rows) >= size:
            yield rows
            rows = []
    if rows:
        yield rows


def _merge(connection: Connection, rows: list[Row], run: _Import, count: _Count) -> None:
    """One chunk into the ledger: only what is new or differs is written."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({IMPORT_LOCK})")
        for path in BY_INDEX_ONLY:
            connection.exec_driver_sql(f"SET LOCAL {path} = off")
    known = known_people(connection, [row.key for row in rows], run.types)
    rows = [row for row in rows if row.key not in known or not known[row.key].erased] if known else rows
    rows = _without_erased(connection, rows, known, run, count)
    gone = [row for row in rows if row.gone]
    suppress_gone(connection, [known[row.key].id for row in gone if row.key in known], run.now)
    rows = [row for row in rows if not row.gone] if gone else rows
    if run.kept is not None:
        rows = [laid_over(row, known[row.key], run.kept) if row.key in known else row for row in rows]
    zone_ids(connection, rows, run.zones)
    differing = [row for row in rows if _differs(row, known.get(row.key))]
    ids = {key: person.id for key, person in known.items()} | write_people(
        connection, differing, run.zones, run.types, run.now
    )
    contacts = known_contacts(connection, sorted(person.id for person in known.values() if not person.erased))
    changes: list[tuple[int, Contact]] = []
    touched = {row.key for row in differing}
    if run.tells_gone:
        back = set(lift_gone(connection, [known[row.key].id for row in rows if row.key in known], run.now))
        touched.update(row.key for row in rows if ids[row.key] in back)
    for row in rows:
        id_ = ids[row.key]
        held = contacts.get(id_, ())
        named = row.addresses if run.kept is None else with_kept(row.addresses, held, run.kept)
        for contact in merged(held, named, row.said, run.covered, run.stops, run.now):
            changes.append((id_, contact))
            touched.add(row.key)
    write_contacts(connection, changes, run.stops)
    count.erased += sum(person.erased for person in known.values())
    count.gone += len(gone)
    count.added += sum(row.key not in known for row in rows)
    count.updated += sum(row.key in known and row.key in touched for row in rows)
    count.unchanged += sum(row.key not in touched for row in rows)
    count.zones_unknown += sum(not row.zones for row in rows)


def _without_erased(
    connection: Connection, rows: list[Row], known: Mapping[str, Person], run: _Import, count: _Count
) -> list[Row]:
    """The rows less those of people who were erased, and less addresses that were such a person's alone."""
    found = erased_among(connection, rows, known.keys(), run.seal)
    if found is None:
        return rows
    count.erased += len(found.keys)
    kept = []
    for row in rows:
        if row.key in found.keys:
            continue
        places = {place for place in row.addresses if place[1] in found.addresses}
        columns = sorted({CHANNEL_NAMES[channel] for channel, _ in places})
        run.rejects.note([Issue(row.line, column, ADDRESS_OF_ERASED, row.key, False) for column in columns])
        left = {place: n for place, n in row.addresses.items() if place not in places}
        kept.append(replace(row, addresses=left) if places else row)
    return kept


def _differs(row: Row, person: Person | None) -> bool:
    if person is None:
        return True
    return (person.facts, person.where, person.profile) != (row.facts, (row.zones, row.jurisdictions), row.profile)


def _shared(connection: Connection) -> dict[str, int]:
    found = connection.exec_driver_sql(
        "SELECT channel, count(DISTINCT value) FROM address WHERE shared GROUP BY channel ORDER BY channel"
    )
    return {CHANNEL_NAMES[channel]: values for channel, values in found}
