"""Record calls: the disposition that counts is a maximum over a touch's calls, so the order of files is nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Integer, Text, case, cast, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.call_files import keep_spares
from ledger.called_addresses import drop_numbers, remember_addresses, told_by_calls
from ledger.dial_tables import spare_call
from ledger.erasure import forget_late
from ledger.event_rows import EventRow, stored
from ledger.events import CHUNK, Recorded, fold, insert_events, standing
from ledger.recycling import hold_lists, keep_waves_open, wait_again
from ledger.sql import among
from ledger.suppressions import FROM_CALL, suppress_since
from waves.dispositions import EFFECTS, ENDS_ALL_CONTACT, ENDS_NUMBER, HEARD, Disposition, finality, strength
from waves.outcomes import Action, Side, word
from waves.recycling import DialRules

CLOCKS_DIFFER = timedelta(minutes=5)
"""By so much a dialler's clock may be wrong without a word."""
FEWEST_DIGITS = 6
"""Of a telephone number, as a dialler writes it."""


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
    raw_code: str | None = None
    """The dialler's own code of how it ended."""
    late: bool = False
    """Made after its list was over or given back, or its entry recalled."""
    early: bool = False
    """Made before its list was pulled, as nobody can."""


def entry_touches(connection: Connection, entries: set[int]) -> dict[int, int]:
    """The touch behind each dial entry that exists."""
    e = t.dial_entry.c
    wanted, found = sorted(entries), dict[int, int]()
    for start in range(0, len(wanted), CHUNK):
        rows = connection.execute(select(e.id, e.touch).where(e.id.in_(wanted[start : start + CHUNK])))
        found.update((row.id, row.touch) for row in rows)
    return found


def record_calls(
    connection: Connection, calls: Sequence[Call], rules: DialRules | None, now: datetime, file: int | None = None
) -> Recorded:
    """Store calls, each once by (provider, call id), and let their dispositions act; who may be dialled again waits.

    Without rules nobody does, until their list is given back. With a `file` they can be undone (ledger.call_undo).
    """
    if not calls:
        return Recorded(0, 0, 0)
    hold_lists(connection)
    touches = {call.touch for call in calls if call.touch is not None}
    keep_waves_open(connection, touches)
    said, calls = calls, _placed(connection, _one_each(calls))
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
            rows[event] = _call_row(call, event) | {"file": file}
    if rows:
        connection.execute(insert(t.call), list(rows.values()))
    noes = _further_noes(connection, calls, new, file)
    if file is not None:
        keep_spares(connection, file, calls, new, noes)
        wrong = {call.touch for call in calls if call.touch is not None and call.disposition in ENDS_NUMBER}
        remember_addresses(connection, file, mark, wrong, now)
    fold_dispositions(connection, touches)
    fold(connection, mark, reports, found.unsettled)
    drop_numbers(connection, told_by_calls(t.call.c.event > mark))
    _drop_further(connection, noes)
    wait_again(connection, touches, rules)
    _suppress(connection, mark, noes)
    _convert(connection, mark)
    forget_late(connection, among(t.touch.c.id, touches))
    late = sum(row["late"] is True for row in rows.values())
    early = sum(call.early and (call.provider, call.call_id) in new for call in calls)
    unknown, known = sum(call.touch is None for call in calls), len(said) - len(new)
    other = _otherwise(connection, said) if known else 0
    return Recorded(len(new), known, unknown, late, early, other)


def _one_each(calls: Sequence[Call]) -> list[Call]:
    """Of what is said of one call the first, but for a word that is HEARD and more final: a no is never lost."""
    found: dict[tuple[str, str], Call] = {}
    for call in calls:
        first = found.setdefault((call.provider, call.call_id), call)
        if call.disposition in HEARD and finality(call.disposition) > finality(first.disposition):
            found[call.provider, call.call_id] = call
    return list(found.values())


def _otherwise(connection: Connection, said: Sequence[Call]) -> int:
    """How many of what was said of calls is not what counts of them, a no aside: it is heard all the same."""
    ev, k = t.event.c, t.call.c
    counts = select(ev.provider, ev.provider_event_id, k.disposition).join(t.call, k.event == ev.id)
    counts = counts.where(ev.provider.in_({call.provider for call in said}))
    rows = connection.execute(counts.where(among(ev.provider_event_id, {call.call_id for call in said})))
    stands = {(row.provider, row.provider_event_id): row.disposition for row in rows}
    open_to = [call for call in said if call.disposition not in HEARD]
    return sum(stands.get((call.provider, call.call_id), call.disposition) != call.disposition for call in open_to)


def _further_noes(
    connection: Connection, calls: Sequence[Call], new: Collection[tuple[str, str]], file: int | None
) -> list[Call]:
    """What is HEARD of calls that were known (another word counts there), and is said now for the first time.

    A dialler's report of the middle of a call, and an agent's word after it, come under one id. Of a call that a file
    has said a no to all contact of already, no further one of it is heard: they are left alone anyway.
    """
    noes = [call for call in calls if call.disposition in HEARD and (call.provider, call.call_id) not in new]
    if not noes:
        return []
    k, ev, s, ids = t.call.c, t.event.c, spare_call.c, {call.call_id for call in noes}
    counted = select(ev.provider, ev.provider_event_id, k.disposition).join(t.call, k.event == ev.id)
    counted = counted.where(ev.provider.in_({call.provider for call in noes}), among(ev.provider_event_id, ids))
    known = {tuple(row) for row in connection.execute(counted)}
    spare = select(s.provider, s.call_id, s.disposition, s.file).where(among(s.call_id, ids), s.touch.is_not(None))
    ended = set[tuple[str, str]]()
    for provider, ident, disposition, by in connection.execute(spare):
        known.add((provider, ident, disposition))
        if by == file and disposition in ENDS_ALL_CONTACT:
            ended.add((provider, ident))
    return [
        call
        for call in noes
        if call.touch is not None
        and (call.provider, call.call_id) not in ended
        and (call.provider, call.call_id, int(call.disposition)) not in known
    ]


def _placed(connection: Connection, calls: Sequence[Call]) -> list[Call]:
    """The calls with the number dialled, as the ledger spells it (where nobody says, the one listed); late, early."""
    c, e, a, d = t.touch.c, t.dial_entry.c, t.address.c, t.dial_list.c
    named = {call.touch for call in calls if call.touch is not None}
    listed = select(
        *(c.id.label("touch"), e.id.label("entry"), func.coalesce(e.number, a.value).label("number")),
        *(func.coalesce(d.valid_until, d.lease_until).label("over_at"), d.returned_at, e.recalled_at, d.pulled_at),
    ).join_from(t.touch, t.address, a.id == c.address)
    listed = listed.outerjoin(t.dial_entry, e.touch == c.id).outerjoin(t.dial_list, d.id == e.list)
    known = {  # ix_dial_entry_touch
        (row.touch, row.entry): row for row in connection.execute(listed.where(among(c.id, named)))
    }
    listed_as = {place: row.number for place, row in known.items()}
    others = {call.touch for call in calls if call.number not in (None, listed_as.get((call.touch, call.entry)))}
    own = _own_numbers(connection, [touch for touch in others if touch is not None])
    found = []
    for call in calls:
        row = known.get((call.touch, call.entry))
        on_list = row.number if row else None
        numbers = [number for number in (on_list, *own.get(call.touch or 0, ())) if number is not None]
        ends = [at for at in (row.over_at, row.returned_at, row.recalled_at) if at is not None] if row else []
        late = call.disposition is not Disposition.NOT_ATTEMPTED and any(call.at > at for at in ends)
        early = row is not None and row.pulled_at is not None and call.at < row.pulled_at - CLOCKS_DIFFER
        found.append(replace(call, number=_meant(call.number, numbers, on_list), late=late, early=early))
    return found


def _meant(said: str | None, known: Sequence[str], listed: str | None) -> str | None:
    """The first of the known numbers that a dialler's spelling (national, with brackets, no plus) can mean, else that.

    What has not the digits of a number, such as `anonymous`, says as little as nothing: it was the listed one.
    """
    digits = "".join(sign for sign in said or "" if sign.isdecimal())
    if said is None or len(digits) < FEWEST_DIGITS:
        return listed
    whole = said.strip().startswith("+")
    return next((e164 for e164 in known if (e164[1:] == digits if whole else e164.endswith(digits.lstrip("0")))), said)


def _own_numbers(connection: Connection, touches: Collection[int]) -> dict[int, list[str]]:
    """The numbers for calls of each of these touches' customers, the preferred first (ix_address)."""
    c, a, found = t.touch.c, t.address.c, dict[int, list[str]]()
    own = select(c.id, a.value).join_from(t.touch, t.address, (a.customer == c.customer) & (a.channel == c.channel))
    for row in connection.execute(own.where(among(c.id, touches)).order_by(a.preference, a.id)):
        found.setdefault(row.id, []).append(row.value)
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
        "callback_at": call.callback_at if _promises(call) else None,
        "raw_code": call.raw_code,
        "late": call.late,
    }


def _promises(call: Call) -> bool:
    """Whether the next call was promised for a time after this one."""
    agreed = call.disposition is Disposition.CALLBACK_AGREED
    return agreed and call.callback_at is not None and call.callback_at > call.at


def fold_dispositions(connection: Connection, touches: Collection[int]) -> None:
    """Give these touches what the call that counts says, where any of their calls says anything."""
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
        .where(among(k.touch, touches), k.disposition.in_(says))  # ix_call_touch
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


def _suppress(connection: Connection, mark: int, noes: Sequence[Call]) -> None:
    """Who asked never to be called, or died, is suppressed on every channel in the same commit."""
    k, c = t.call.c, t.touch.c
    reasons = {int(d): word(d) for d in ENDS_ALL_CONTACT}
    rows = (
        select(
            c.customer,
            literal(0, Integer).label("channel"),
            cast(case(reasons, value=k.disposition), Text).label("reason"),
            literal(FROM_CALL).label("source"),
            func.min(k.at).label("since"),
        )
        .join_from(t.call, t.touch, c.id == k.touch)
        .where(k.event > mark, k.disposition.in_(reasons))
        .group_by(c.customer, k.disposition)
    )
    suppress_since(connection, rows)
    for call in (one for one in noes if one.disposition in ENDS_ALL_CONTACT):
        row = (
            literal(0, Integer).label("channel"),
            literal(word(call.disposition), Text).label("reason"),
            literal(FROM_CALL).label("source"),
            literal(call.at, k.at.type).label("since"),
        )
        suppress_since(connection, select(c.customer, *row).where(c.id == call.touch))


def _drop_further(connection: Connection, noes: Sequence[Call]) -> None:
    """The numbers that noes of known calls found nobody's or somebody else's are dead."""
    k = t.call.c
    for call in (one for one in noes if one.disposition in ENDS_NUMBER):
        told = {"touch": call.touch, "number": call.number, "disposition": int(call.disposition)}
        drop_numbers(connection, select(*[literal(value, k[name].type).label(name) for name, value in told.items()]))


def _convert(connection: Connection, mark: int) -> None:
    """A disposition that the goal of the touch's campaign names is a conversion."""
    k, v, ev = t.call.c, t.conversion.c, t.event.c
    words = case({int(d): word(d) for d in Disposition}, value=k.disposition)
    named = (literal(" ") + t.campaign.c.goal_dispositions + " ").contains(literal(" ") + words + " ")
    rows = (
        select(t.touch.c.customer, t.campaign.c.goal, k.at, literal(FROM_CALL), ev.provider + ":" + k.call_id)
        .join_from(t.call, ev.id.table, ev.id == k.event)
        .join(t.touch, t.touch.c.id == k.touch)
        .join(t.wave, t.wave.c.id == t.touch.c.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(k.event > mark, named)
    )
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    columns = [v.customer, v.goal, v.at, v.source, v.source_id]
    connection.execute(make(t.conversion).from_select(columns, rows).on_conflict_do_nothing())
