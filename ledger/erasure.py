"""Erase a customer: every row that says who it was is emptied, every row that is counted stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    case,
    cast,
    delete,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.attributes import attribute_types
from ledger.audit import record
from ledger.channel_tables import reply
from ledger.dial_tables import call_score, past_call, reversed_call, spare_call
from ledger.provider_refs import forget_refs
from ledger.recycling import hold_lists
from ledger.retention import EMPTY
from ledger.store import record_alone
from waves.draw import bucket_of
from waves.errors import LedgerError
from waves.message import AddressState
from waves.outcomes import Reason, State
from waves.seals import AFTER_SEALED, SEALED, Seal

ERASED = "erased"
"""The reason of the suppressions that stay."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer about to be erased: what files outside the ledger know them by."""

    id: int
    values: tuple[str, ...]
    """Addresses."""
    touches: tuple[int, ...]
    entries: tuple[int, ...]
    """Entries of dial lists."""
    in_hand: int
    """Messages that a worker has claimed this moment."""
    lists_out: tuple[int, ...]
    """Dial lists that have not come back, and name the customer."""


def stop_for_good(connection: Connection, key: str, seal: Seal, now: datetime) -> Subject:
    """Nothing more goes to this customer from this commit on, what is queued is withdrawn; LedgerError when unknown."""
    hold_lists(connection)  # a list that is cut this moment would name them, and nobody would know
    c, touch = t.customer.c, t.touch.c
    if key.startswith(SEALED):
        raise LedgerError(f"{key} is what is left of a customer who was erased already")
    query = select(c.id).where(c.key.in_([key, seal("customer", key)]))
    found = connection.scalar(query.with_for_update())
    if found is None:
        raise LedgerError("there is no customer with this key, and none was erased under it")
    connection.execute(update(t.customer).where(c.id == found, c.erased_at.is_(None)).values(erased_at=now))
    connection.execute(
        update(t.touch)
        .where(touch.customer == found, touch.state == int(State.QUEUED))  # ix_touch_customer
        .values(state=int(State.WITHDRAWN), reason=int(Reason.SUPPRESSED), claimed_by=null())
    )
    touches = connection.execute(select(touch.id, touch.state).where(touch.customer == found)).all()
    e, listed = t.dial_entry.c, [row.id for row in touches]
    entries = connection.execute(
        select(e.id, e.list, t.dial_list.c.returned_at)
        .join(t.dial_list, t.dial_list.c.id == e.list)
        .where(e.touch.in_(listed))  # ix_dial_entry_touch
    ).all()
    return Subject(
        id=int(found),
        values=tuple(connection.scalars(select(t.address.c.value).where(t.address.c.customer == found).distinct())),
        touches=tuple(listed),
        entries=tuple(row.id for row in entries),
        in_hand=sum(row.state == int(State.CLAIMED) for row in touches),
        lists_out=tuple(sorted({row.list for row in entries if row.returned_at is None})),
    )


def erase(connection: Connection, key: str, subject: Subject, seal: Seal, by: str, now: datetime) -> bool:
    """Empty every row of this customer in one transaction; False when that was done before.

    The key becomes its seal, addresses that nobody else has leave theirs as a suppression: an import knows both again.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # overwritten in the file, not only let go
    record_alone(connection)  # what comes in this moment would be missed here, and not know of it there
    c, sealed = t.customer.c, seal("customer", key)
    # The zone set stays, which names nobody: abandoned calls are counted by place, and all by the customer's hour.
    gone = dict.fromkeys(("name", "language", "household", "owner", "branch"))
    values = {"key": sealed, "bucket": bucket_of(sealed), **gone}
    if not connection.execute(update(t.customer).where(c.id == subject.id, c.key == key).values(values)).rowcount:
        return False
    _suppress(connection, subject, seal, now)
    _empty_addresses(connection, subject.id)
    connection.execute(delete(t.profile).where(t.profile.c.customer == subject.id))
    member = t.member_table(attribute_types(connection))
    empty = {column.name: None for column in member.c if column.name not in t.member.c}
    if empty:
        connection.execute(update(member).where(member.c.customer == subject.id).values(empty))  # ix_member_customer
    forget_reports(connection, select(t.touch.c.id).where(t.touch.c.customer == subject.id))
    forget_past_calls(connection, subject.id)
    connection.execute(delete(call_score).where(call_score.c.customer == subject.id))
    forget_replies(connection, subject.id, [seal("address", value) for value in subject.values])
    record(connection, now, by, "erase", f"customer {subject.id}")
    return True


def _suppress(connection: Connection, subject: Subject, seal: Seal, now: datetime) -> None:
    """One instruction for the customer, and one for each address under its seal; none of them names it in clear."""
    s, a, c = t.suppression.c, t.address.c, t.customer.c
    others = select(a.value).join(t.customer, c.id == a.customer)
    others = others.where(a.value.in_(subject.values), a.customer != subject.id, c.erased_at.is_(None))
    shared = set(connection.scalars(others))
    own = [value for value in subject.values if value not in shared]
    # What stood against an address of this customer alone is covered by its seal.
    connection.execute(
        delete(t.suppression).where(or_(s.customer == subject.id, s.customer.is_(None) & s.value.in_(own)))
    )
    alike = {"channel": 0, "reason": ERASED, "source": "erase", "since": now}
    rows = [{"customer": subject.id, "value": None, **alike}]
    rows += [{"customer": None, "value": seal("address", value), **alike} for value in own]
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(make(t.suppression).on_conflict_do_nothing(), rows)


def _empty_addresses(connection: Connection, customer: int) -> None:
    """The rows stay, for the touches that name them; they hold no address and nobody is contacted there."""
    a = t.address.c
    gone = case((a.state < int(AddressState.REPLACED), int(AddressState.REPLACED)), else_=a.state)
    opaque = literal(SEALED) + cast(a.id, Text)
    connection.execute(
        update(t.address)
        .where(a.customer == customer)
        .values(value=opaque, state=gone, consent_source=None, shared=False)
    )


def forget_reports(connection: Connection, touches: Select[tuple[int]]) -> None:
    """Empty what came back for these touches, and what was dialled for them, of all that names a person."""
    ev, k, e, c = t.event.c, t.call.c, t.dial_entry.c, t.touch.c
    # ix_event_touch, ix_call_touch, ix_dial_entry_touch
    connection.execute(update(t.event).where(ev.touch.in_(touches), ev.raw != EMPTY).values(raw=EMPTY))
    connection.execute(update(t.call).where(k.touch.in_(touches), k.number.is_not(None)).values(number=None))
    for kept in (reversed_call, spare_call):  # ix_reversed_call_touch, ix_spare_call_touch
        connection.execute(update(kept).where(kept.c.touch.in_(touches)).values(number=None))
    opaque = literal(SEALED) + cast(e.id, Text)
    connection.execute(
        update(t.dial_entry)
        .where(e.touch.in_(touches))
        .values(number=opaque, household=None, score=None, p_answer=None)
    )
    connection.execute(update(t.touch).where(c.id.in_(touches), c.provider_ref.is_not(None)).values(provider_ref=None))
    forget_refs(connection, touches)


def forget_past_calls(connection: Connection, customer: int) -> None:
    """Empty imported calls of the number and of what their source calls them (ix_past_call_customer)."""
    p = past_call.c
    opaque = literal(SEALED) + cast(p.id, Text)
    connection.execute(
        update(past_call).where(p.customer == customer).values(number=None, agent=None, source_id=opaque)
    )


def forget_replies(connection: Connection, customer: int, sealed: Sequence[str]) -> None:
    """Empty what this customer wrote, or what came from their addresses before anybody knew whose those were."""
    ev, r = t.event.c, reply.c
    strangers = r.customer.is_(None) & r.sealed.in_(sealed)
    theirs = select(r.event).where(or_(r.customer == customer, strangers))
    connection.execute(update(t.event).where(ev.id.in_(theirs), ev.raw != EMPTY).values(raw=EMPTY))
    connection.execute(update(reply).where(r.customer == customer).values(suppression=None))


def anyone_erased(connection: Connection) -> bool:
    """Whether any customer was ever erased: one look into the index of keys."""
    c = t.customer.c
    return connection.scalar(select(c.id).where(c.key >= SEALED, c.key < AFTER_SEALED).limit(1)) is not None


def forget_late(connection: Connection, named: ColumnElement[bool]) -> None:
    """Empty what has come for these touches of people who were erased before it came."""
    if not anyone_erased(connection):
        return
    c, touch = t.customer.c, t.touch.c
    late = select(touch.id).join(t.customer, c.id == touch.customer).where(named, c.erased_at.is_not(None))
    forget_reports(connection, late)


def known_again(connection: Connection, sealed: Sequence[str]) -> set[str]:
    """Those of these seals under which a customer was erased (uq_customer_key) or an address is suppressed."""
    c, s = t.customer.c, t.suppression.c
    found: set[str] = set()
    for start in range(0, len(sealed), 10_000):
        part = sealed[start : start + 10_000]
        found.update(connection.scalars(select(c.key).where(c.key.in_(part), c.erased_at.is_not(None))))
        standing = (s.until.is_(None), s.reason == ERASED)
        found.update(v for v in connection.scalars(select(s.value).where(s.value.in_(part), *standing)) if v)
    return found
