"""Record calls: the disposition that counts is a maximum over a touch's calls, so the order of files is nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Integer, Select, Text, case, cast, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.erasure import forget_late
from ledger.event_rows import EventRow, stored
from ledger.events import CHUNK, Recorded, fold, insert_events, standing
from ledger.recycling import hold_lists, keep_waves_open, wait_again
from ledger.sql import among
from ledger.suppressions import suppress_since
from waves.dispositions import EFFECTS, ENDS_ALL_CONTACT, ENDS_NUMBER, Disposition, strength
from waves.message import AddressState
from waves.outcomes import Action, Side, word
from waves.recycling import DialRules


@dataclass(frozen=True, slots=True)
class Call:
    """One call attempt as a dialler reported it."""

    disposition: Disposition
    at: datetime
    call_id: str
    provider: str
    touch: int | None
    entry: int | None = None
    number: str | None = None
    agent: str | None = None
    ring_s: float | None = None
    talk_s: float | None = None
    wrap_s: float | None = None
    callback_at: datetime | None = None
    """When the customer was promised to be called again."""


def entry_touches(connection: Connection, entries: set[int]) -> dict[int, int]:
    """The touch behind each dial entry that exists."""
    e = t.dial_entry.c
    wanted, found = sorted(entries), dict[int, int]()
    for start in range(0, len(wanted), CHUNK):
        rows = connection.execute(select(e.id, e.touch).where(e.id.in_(wanted[start : start + CHUNK])))
        found.update((row.id, row.touch) for row in rows)
    return found


def record_calls(connection: Connection, calls: Sequence[Call], rules: DialRules | None, now: datetime) -> Recorded:
    """Store calls, each once by (provider, call id), and let their dispositions act; who may be dialled again waits.

    Without rules nobody does, until their list is given back.
    """
    if not calls:
        return Recorded(0, 0, 0)
    hold_lists(connection)
    touches = {call.touch for call in calls if call.touch is not None}
    keep_waves_open(connection, touches)
    calls = _numbered(connection, calls)
    reports = [_event_row(call, now) for call in calls]
    found = standing(connection, touches)
    mark = insert_events(connection, reports)
    new = {
        (row.provider, row.provider_event_id): row.id
        for row in connection.execute(
            select(t.event.c.id, t.event.c.provider, t.event.c.provider_event_id).where(t.event.c.id > mark)
        )
    }
    rows: dict[int, dict[str, object]] = {}
    for call in calls:
        event = new.get((call.provider, call.call_id))
        if event is not None and call.touch is not None and event not in rows:
            rows[event] = _call_row(call, event)
    if rows:
        connection.execute(insert(t.call), list(rows.values()))
    _fold_dispositions(connection, mark)
    fold(connection, mark, reports, found.unsettled)
    _drop_numbers(connection, mark)
    wait_again(connection, touches, rules)
    _suppress(connection, mark, now)
    _convert(connection, mark)
    forget_late(connection, mark)
    return Recorded(len(new), len(calls) - len(new), sum(call.touch is None for call in calls))


def _numbered(connection: Connection, calls: Sequence[Call]) -> list[Call]:
    """The calls with the number dialled, as the ledger spells it; where nobody says, the one that was listed."""
    c, e, a = t.touch.c, t.dial_entry.c, t.address.c
    named = {call.touch for call in calls if call.touch is not None}
    listed = select(c.id, e.id, func.coalesce(e.number, a.value)).join_from(t.touch, t.address, a.id == c.address)
    rows = connection.execute(listed.outerjoin(t.dial_entry, e.touch == c.id).where(among(c.id, named)))
    known = {(touch, entry): number for touch, entry, number in rows}  # ix_dial_entry_touch
    found = []
    for call in calls:
        number = known.get((call.touch, call.entry))
        same = number is not None and (call.number is None or call.number.lstrip("+") == number.lstrip("+"))
        found.append(replace(call, number=number) if same else call)
    return found


def _event_row(call: Call, now: datetime) -> EventRow:
    effect = EFFECTS[call.disposition]
    raw = {"disposition": word(call.disposition)} | ({"agent": call.agent} if call.agent else {})
    return EventRow(
        provider=call.provider,
        provider_event_id=call.call_id,
        touch=call.touch,
        outcome=int(effect.outcome or Side.UNKNOWN),
        reason=None,
        action=int(effect.action),
        at=stored(call.at),
        received_at=stored(now),
        raw=json.dumps(raw, sort_keys=True),
    )


def _call_row(call: Call, event: int) -> dict[str, object]:
    return {
        "event": event,
        "touch": call.touch,
        "entry": call.entry,
        "number": call.number,
        "at": call.at,
        "call_id": call.call_id,
        "disposition": int(call.disposition),
        "strength": strength(call.disposition),
        "agent": call.agent,
        "ring_s": call.ring_s,
        "talk_s": call.talk_s,
        "wrap_s": call.wrap_s,
        "callback_at": call.callback_at if call.disposition is Disposition.CALLBACK_AGREED else None,
    }


def _new_calls(mark: int) -> Select[tuple[int]]:
    return select(t.call.c.touch).where(t.call.c.event > mark)


def _fold_dispositions(connection: Connection, mark: int) -> None:
    k, c = t.call.c, t.touch.c
    says = {int(d): int(effect.outcome) for d, effect in EFFECTS.items() if effect.outcome}
    order = (k.strength.desc(), k.at.desc(), k.call_id.desc())
    ranked = (
        select(
            k.touch,
            k.disposition,
            case(says, value=k.disposition, else_=None).label("outcome"),
            func.row_number().over(partition_by=k.touch, order_by=order).label("place"),
        )
        .where(k.touch.in_(_new_calls(mark)), k.disposition.in_(says))
        .subquery("ranked")
    )
    acts = {int(d): int(effect.action) for d, effect in EFFECTS.items()}
    connection.execute(
        update(t.touch)
        .where(c.id == ranked.c.touch, ranked.c.place == 1)
        .values(
            outcome=ranked.c.outcome,
            disposition=ranked.c.disposition,
            action=case(acts, value=ranked.c.disposition, else_=int(Action.OK)),
        )
    )


def _drop_numbers(connection: Connection, mark: int) -> None:
    """A number that is nobody's or somebody else's is dead for the customer on every channel, a fax for calls alone.

    It is the number that was dialled; when that is none of the customer's, it is the number that the list named.
    """
    k, a, c = t.call.c, t.address.c, t.touch.c
    listed, dialled = t.address.alias("listed"), t.address.alias("dialled")
    same = or_(dialled.c.value == k.number, dialled.c.value == literal("+") + k.number)
    wrong = (
        select(c.customer, c.channel, func.coalesce(dialled.c.value, listed.c.value).label("value"), k.disposition)
        .join_from(t.call, t.touch, c.id == k.touch)
        .join(listed, listed.c.id == c.address)
        .outerjoin(dialled, (dialled.c.customer == c.customer) & same)
        .where(
            k.event > mark, k.disposition.in_([int(d) for d, e in EFFECTS.items() if e.action is Action.DROP_ADDRESS])
        )
        .subquery("wrong")
    )
    covered = or_(a.channel == wrong.c.channel, wrong.c.disposition.in_([int(d) for d in ENDS_NUMBER]))
    connection.execute(
        update(t.address)
        .where(a.customer == wrong.c.customer, a.value == wrong.c.value, covered)
        .values(state=int(AddressState.DEAD))
    )


def _suppress(connection: Connection, mark: int, now: datetime) -> None:
    """Who asked never to be called, or died, is suppressed on every channel in the same commit."""
    k = t.call.c
    reasons = {int(d): word(d) for d in ENDS_ALL_CONTACT}
    rows = (
        select(
            t.touch.c.customer,
            literal(0, Integer).label("channel"),
            cast(case(reasons, value=k.disposition), Text).label("reason"),
            literal("call").label("source"),
            func.min(k.at).label("since"),
        )
        .join_from(t.call, t.touch, t.touch.c.id == k.touch)
        .where(k.event > mark, k.disposition.in_(reasons))
        .group_by(t.touch.c.customer, k.disposition)
    )
    suppress_since(connection, rows)


def _convert(connection: Connection, mark: int) -> None:
    """A disposition that the goal of the touch's campaign names is a conversion."""
    k, v, ev = t.call.c, t.conversion.c, t.event.c
    words = case({int(d): word(d) for d in Disposition}, value=k.disposition)
    named = (literal(" ") + t.campaign.c.goal_dispositions + " ").contains(literal(" ") + words + " ")
    rows = (
        select(t.touch.c.customer, t.campaign.c.goal, k.at, literal("call"), ev.provider + ":" + k.call_id)
        .join_from(t.call, ev.id.table, ev.id == k.event)
        .join(t.touch, t.touch.c.id == k.touch)
        .join(t.wave, t.wave.c.id == t.touch.c.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(k.event > mark, named)
    )
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    columns = [v.customer, v.goal, v.at, v.source, v.source_id]
    connection.execute(make(t.conversion).from_select(columns, rows).on_conflict_do_nothing())
