"""Undo a file of call results: the ledger is as if it had never come, but for what people did on its word.

Its calls move to `reversed_call`, so that nothing which reads calls need know of them. Their reports stay, belong to no
touch any more and say which file was undone; their ids are free, so that the right file may bring the same calls.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, case, cast, delete, func, insert, literal, null, select, update

from ledger import tables as t
from ledger.audit import record
from ledger.call_files import SAID
from ledger.called_addresses import restore_addresses, waiting_addresses
from ledger.calls import Call, fold_dispositions, record_calls
from ledger.dial_tables import call_file, reversed_call, spare_call
from ledger.events import climb
from ledger.recycling import HELD, hold_lists, keep_waves_open, wait_again
from ledger.retention import EMPTY
from ledger.sql import among
from ledger.store import record_alone
from ledger.suppressions import FROM_CALL
from waves.dispositions import ENDS_ALL_CONTACT, HEARD, Disposition
from waves.errors import CampaignError
from waves.outcomes import Reason, State, word
from waves.recycling import DialRules


@dataclass(frozen=True, slots=True)
class Stays:
    """What undoing a file does not take back: calls of waves that are over, waves that opened since and judged its
    customers, people erased since, contacts withdrawn because a call ended all contact, addresses that wait for the
    next import of customers."""

    calls_of_closed_waves: int
    waves_opened_since: int
    erased_customers: int
    withdrawn_contacts: int
    addresses_to_import: int


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of a file that was undone."""

    came: datetime
    calls: int
    """Reversed, those that belonged to nobody among them."""
    customers: int
    suppressions: int
    addresses: int
    conversions: int
    promises: int
    brought_by_others: int
    """Calls that other files said too, and that count as those say now."""
    stays: Stays


def stays(connection: Connection, number: int) -> Stays:
    """What undoing this file would not take back; CampaignError for an unknown file, or one that is undone."""
    came = _came(connection, number)
    k, c, w, p, e = t.call.c, t.touch.c, t.wave.c, t.customer.c, t.enrolment.c
    mine = select(k.event).join_from(t.call, t.touch, c.id == k.touch).where(k.file == number)
    closed = mine.join(t.wave, w.id == c.wave).where(w.state != "open").subquery()
    counted = select(c.customer).join_from(t.call, t.touch, c.id == k.touch).where(k.file == number)
    s, heard = spare_call.c, [int(d) for d in HEARD]
    further = select(c.customer).join_from(spare_call, t.touch, c.id == s.touch)
    called = counted.union(further.where(s.file == number, s.disposition.in_(heard)))
    judged = select(func.count(w.id.distinct())).join_from(t.wave, t.enrolment, e.wave == w.id)
    judged = judged.where(w.opened >= came, e.customer.in_(called))  # pk_enrolment
    erased = select(func.count()).where(p.id.in_(called), p.erased_at.is_not(None))
    ended = {customer for customer, _ in _ended(connection, number)}
    withdrawn = select(func.count()).where(
        among(c.customer, ended), c.state == int(State.WITHDRAWN), c.reason == int(Reason.SUPPRESSED)
    )
    return Stays(
        connection.scalar(select(func.count()).select_from(closed)) or 0,
        connection.scalar(judged) or 0,
        connection.scalar(erased) or 0,
        connection.scalar(withdrawn) or 0,
        waiting_addresses(connection, number),
    )


def undo(connection: Connection, number: int, rules: DialRules | None, by: str, now: datetime) -> Undone:
    """Reverse every call that this file brought first; CampaignError for an unknown file, or one that is undone.

    Calls that another file said too count as the first of those says.
    """
    hold_lists(connection)
    k, c = t.call.c, t.touch.c
    touches = set(connection.scalars(select(k.touch).where(k.file == number).distinct()))  # ix_call_file
    keep_waves_open(connection, touches)
    record_alone(connection)
    came, left = _came(connection, number), stays(connection, number)
    customers = connection.scalar(select(func.count(c.customer.distinct())).where(among(c.id, touches))) or 0
    promises = select(func.count()).where(k.file == number, k.callback_at.is_not(None))
    promised = connection.scalar(promises) or 0
    ended = _ended(connection, number)
    others = _said_by_others(connection, number)
    conversions = _reverse_conversions(connection, number)
    calls = _reverse_calls(connection, number, now)
    connection.execute(
        update(t.touch).where(among(c.id, touches)).values(outcome=null(), disposition=null(), action=null())
    )
    fold_dispositions(connection, touches)
    climb(connection, touches)
    addresses = restore_addresses(connection, number)
    suppressions = sum(_end_suppression(connection, number, *one, now) for one in ended)
    for file, at in sorted({(row.file, row.came) for row in others}):
        brought = [_call(row) for row in others if row.file == file]
        s, ids = spare_call.c, [call.call_id for call in brought]
        connection.execute(delete(spare_call).where(s.file == file, among(s.call_id, ids)))
        record_calls(connection, brought, rules, at, file)
    _wait_uncalled(connection, touches, now)
    wait_again(connection, touches, rules)
    f = call_file.c
    connection.execute(update(call_file).where(f.id == number).values(undone_at=now, undone_by=by))
    record(connection, now, by, "dispositions undo", f"file {number}", after=f"{calls} calls reversed")
    return Undone(came, calls, customers, suppressions, addresses.back, conversions, promised, len(others), left)


def _came(connection: Connection, number: int) -> datetime:
    """When a file came in that is not undone."""
    f = call_file.c
    row = connection.execute(select(f.at, f.undone_at, f.undone_by).where(f.id == number)).one_or_none()
    if row is None:
        raise CampaignError(f"there is no file {number} of call results; see: multiwave dispositions files")
    if row.undone_at is not None:
        at = f"{row.undone_at:%Y-%m-%d %H:%M} UTC"
        raise CampaignError(f"file {number} was undone by {row.undone_by} at {at} already")
    came: datetime = row.at
    return came


def _ended(connection: Connection, number: int) -> list[tuple[int, int]]:
    """(customer, disposition) of the calls after which nobody contacts the customer."""
    k, s, c = t.call.c, spare_call.c, t.touch.c
    ends = [int(d) for d in ENDS_ALL_CONTACT]
    counted = select(c.customer, k.disposition).join_from(t.call, t.touch, c.id == k.touch)
    spare = select(c.customer, s.disposition).join_from(spare_call, t.touch, c.id == s.touch)
    said = counted.where(k.file == number, k.disposition.in_(ends))
    said_too = said.union(spare.where(s.file == number, s.disposition.in_(ends)))
    return sorted((row.customer, row.disposition) for row in connection.execute(said_too))


def _said_by_others(connection: Connection, number: int) -> Sequence[Row[Any]]:
    """What other files said of the calls that this one brought: of each call the first such file."""
    ev, k, s, f, own = t.event.c, t.call.c, spare_call.c, call_file.c, spare_call.alias("own").c
    strays = select(own.event).where(own.file == number, own.event.is_not(None))
    mine = select(k.event).where(k.file == number).union_all(strays).subquery()
    order = func.row_number().over(partition_by=(s.provider, s.call_id), order_by=s.file)
    ranked = (
        select(spare_call, f.at.label("came"), order.label("place"))
        .join_from(mine, t.event, ev.id == mine.c.event)  # ix_call_file, pk_event
        .join(spare_call, (s.provider == ev.provider) & (s.call_id == ev.provider_event_id))  # ix_spare_call_call_id
        .join(call_file, f.id == s.file)
        .where(s.file != number, s.event.is_(None))
        .subquery()
    )
    return connection.execute(select(ranked).where(ranked.c.place == 1).order_by(ranked.c.file)).all()


def _call(row: Row[Any]) -> Call:
    return Call(disposition=Disposition(row.disposition), **{name: getattr(row, name) for name in SAID})


def _reverse_conversions(connection: Connection, number: int) -> int:
    """The sales of these calls were none, at no time: their reversal is as old as they are, and their id is free."""
    k, ev, v = t.call.c, t.event.c, t.conversion.c
    named = select(ev.provider + ":" + k.call_id).join_from(t.call, t.event, ev.id == k.event).where(k.file == number)
    mine = (v.source == FROM_CALL, v.source_id.in_(named), v.reversed_at.is_(None))  # uq_conversion_source_source_id
    gone = {"reversed_at": v.at, "source_id": v.source_id + _undone(number)}
    return int(connection.execute(update(t.conversion).where(*mine).values(gone)).rowcount)


def _undone(number: int) -> str:
    return f" undone with file {number}"


def _reverse_calls(connection: Connection, number: int, now: datetime) -> int:
    """Move the calls out of everybody's sight, and say so in their reports; how many."""
    k, ev, s, r = t.call.c, t.event.c, spare_call.c, reversed_call.c
    kept = [each.name for each in t.call.c]
    moved = select(*(k[name] for name in kept), literal(now, r.reversed_at.type)).where(k.file == number)
    connection.execute(insert(reversed_call).from_select([*kept, "reversed_at"], moved))
    strays = select(s.event).where(s.file == number, s.event.is_not(None))
    reports = select(k.event).where(k.file == number).union_all(strays)
    says = f'{{"undone_with_file": {number}'
    raw = case((ev.raw == EMPTY, literal(says + "}")), else_=literal(says + ", ") + func.substr(ev.raw, 2))
    gone = {"touch": null(), "provider_event_id": ev.provider_event_id + _undone(number), "raw": cast(raw, Text)}
    calls = connection.execute(update(t.event).where(ev.id.in_(reports)).values(gone)).rowcount
    connection.execute(delete(t.call).where(k.file == number))
    connection.execute(delete(spare_call).where(s.file == number))
    return int(calls)


def _end_suppression(connection: Connection, number: int, customer: int, said: int, now: datetime) -> bool:
    """End what these calls alone caused; what other calls ask for stands since the first of them.

    Calls that came before somebody lifted such an instruction were answered by that.
    """
    s, k, c, ev, p, f = t.suppression.c, t.call.c, t.touch.c, t.event.c, spare_call.c, call_file.c
    reason = word(Disposition(said))
    alike = (s.customer == customer, s.channel == 0, s.value.is_(None), s.source == FROM_CALL, s.reason == reason)
    lifted = connection.scalar(select(func.max(s.until)).where(*alike))  # ix_suppression_customer
    counted = select(k.at, ev.received_at.label("came")).join_from(t.touch, t.call, k.touch == c.id)
    counted = counted.join(t.event, ev.id == k.event).where(c.customer == customer, k.disposition == said)
    spare = select(p.at, f.at).join_from(t.touch, spare_call, p.touch == c.id).join(call_file, f.id == p.file)
    told = counted.union_all(spare.where(c.customer == customer, p.disposition == said)).subquery()
    others = select(func.min(told.c.at))
    since = connection.scalar(others if lifted is None else others.where(told.c.came >= lifted))
    ended_here = {"until": now, "source": FROM_CALL + _undone(number)}  # not to be taken for lifted by somebody
    change = ended_here if since is None else {"since": since}
    ended = connection.execute(update(t.suppression).where(*alike, s.until.is_(None)).values(change)).rowcount
    return bool(ended) and since is None


def _wait_uncalled(connection: Connection, touches: Collection[int], now: datetime) -> None:
    """Who was, without those calls, never dialled waits for a list at once, unless one is out or the wave is over."""
    c, e, k = t.touch.c, t.dial_entry.c, t.call.c
    live = select(e.id).where(e.touch == c.id, e.active).correlate(t.touch).exists()  # ix_dial_entry_touch
    tried = select(k.event).where(k.touch == c.id, k.disposition != int(Disposition.NOT_ATTEMPTED))
    waves = select(t.wave.c.id).where(t.wave.c.state == "open")
    mine = (among(c.id, touches), c.state.in_(HELD), c.wave.in_(waves), ~live, ~tried.correlate(t.touch).exists())
    soon = case((c.not_before > now, literal(now, c.not_before.type)), else_=c.not_before)
    values = {"state": int(State.QUEUED), "claimed_at": null(), "claimed_by": null(), "not_before": soon}
    connection.execute(update(t.touch).where(*mine).values(values))
