"""Files of call results: which came in, what each brought, and what else they said of calls that were known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.audit import record
from ledger.dial_tables import call_file, spare_call
from ledger.recycling import hold_lists
from ledger.sql import among
from waves.errors import CampaignError

if TYPE_CHECKING:
    from ledger.calls import Call

SAID = (
    *("call_id", "provider", "touch", "entry", "number", "at", "agent"),
    *("ring_s", "talk_s", "wrap_s", "callback_at", "raw_code"),
)


def note_file(
    connection: Connection, name: str, digest: str, dialler: str, by: str, now: datetime, again: bool = False
) -> tuple[int, datetime | None]:
    """The number of a file that comes in, and when it was imported before (None: never).

    The same file has the same number, until it was undone: then CampaignError, or a number of its own with `again`.
    """
    hold_lists(connection)  # two who bring it at once would both take it for new
    f = call_file.c
    same = select(f.id, f.at, f.undone_at, f.undone_by).where(f.digest == digest, f.dialler == dialler)
    known = connection.execute(same.order_by(f.id.desc()).limit(1)).one_or_none()  # ix_call_file_digest
    if known is not None and known.undone_at is None:
        return known.id, known.at
    if known is not None and not again:
        raise CampaignError(
            f"this very file was imported as file {known.id}, and undone by {known.undone_by} at "
            f"{known.undone_at:%Y-%m-%d %H:%M} UTC; if it is right after all: --again"
        )
    values = {"name": name, "digest": digest, "dialler": dialler, "at": now, "by": by, "calls": 0}
    number: int = connection.execute(insert(call_file).values(values).returning(f.id)).scalar_one()
    record(connection, now, by, "dispositions import", f"file {number}", after=digest)
    return number, None


def call_files(connection: Connection) -> Sequence[Row[Any]]:
    """Every file of call results, the last one first, with how many of its calls count and were late."""
    f, k = call_file.c, t.call.c
    counted = select(func.count()).where(k.file == f.id).correlate(call_file).scalar_subquery()  # ix_call_file
    late = select(func.count()).where(k.file == f.id, k.late).correlate(call_file).scalar_subquery()
    query = select(call_file, counted.label("counted"), late.label("late"))
    return connection.execute(query.order_by(f.id.desc())).all()


def keep_spares(
    connection: Connection, file: int, calls: Sequence[Call], new: Mapping[tuple[str, str], int], noes: Sequence[Call]
) -> None:
    """Keep what a file says of calls that others had brought before, and of calls of nobody we know.

    `new` is the event of each call, by provider and id, that came in just now. `noes`, the news of known calls that act
    all the same, are kept of the file's own calls too, and in place of what it said of them before. CampaignError for a
    file undone since.
    """
    f = call_file.c
    counts = update(call_file).where(f.id == file, f.undone_at.is_(None)).values(calls=f.calls + len(new))
    if not connection.execute(counts).rowcount:
        raise CampaignError(f"file {file} was undone while it came in; what was left of it is not recorded")
    first = {(call.provider, call.call_id): call for call in reversed(calls)}
    further = {(call.provider, call.call_id) for call in noes}
    own = _own(connection, file, [key for key in first if key not in new]) - further
    rows = {
        key: {name: value for name, value in asdict(call).items() if name in SAID}
        | {"file": file, "event": new.get(key), "disposition": int(call.disposition)}
        for key, call in first.items()
        if key not in own and (key not in new or call.touch is None)
    }
    keep = postgresql.insert(spare_call) if connection.dialect.name == "postgresql" else sqlite.insert(spare_call)
    no = {name: keep.excluded[name] for name in (*SAID, "disposition")}
    replaced = keep.on_conflict_do_update(index_elements=spare_call.primary_key, set_=no)
    for statement, is_no in ((keep.on_conflict_do_nothing(), False), (replaced, True)):
        said = [row for key, row in rows.items() if (key in further) is is_no]
        if said:
            connection.execute(statement, said)


def _own(connection: Connection, file: int, known: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these calls that this file itself brought when it came in before."""
    ev, k = t.event.c, t.call.c
    found: set[tuple[str, str]] = set()
    for provider in {provider for provider, _ in known}:
        idents = [ident for of, ident in known if of == provider]
        query = select(ev.provider_event_id).join_from(t.event, t.call, k.event == ev.id)
        query = query.where(ev.provider == provider, among(ev.provider_event_id, idents), k.file == file)
        found.update((provider, ident) for ident in connection.scalars(query))
    return found
