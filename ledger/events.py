"""Record what came back: each report once, in any order; the outcome of a touch only climbs; consent acts at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import gt, le
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Row,
    ScalarSelect,
    Select,
    Text,
    Update,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from ledger import tables as t
from ledger.addresses import FROM_EVENT, burial, by_event, dialled, yields_to_denial
from ledger.doubts import queued_again, since
from ledger.erasure import forget_late
from ledger.event_rows import EventRow, add_events, stored
from ledger.sql import among, named_ids
from ledger.store import record_alone
from ledger.suppressions import suppress_since
from waves.dispositions import SAYING
from waves.message import AddressState, Consent, Event
from waves.outcomes import DEFAULT_ACTIONS, Action, Outcome, Side, State, word

DENIALS = (int(Side.UNSUBSCRIBED), int(Side.COMPLAINED))
ACTING = frozenset({int(Outcome.BOUNCED_SOFT), *DENIALS, int(Side.RESUBSCRIBED)})
DROPS = frozenset({int(Action.DROP_ADDRESS), int(Action.DROP_CONSENT)})
"""Outcomes and actions that speak of an address or of consent, beyond the touch."""
OWN_REASONS = (int(State.REFUSED), int(State.EXPIRED), int(State.WITHDRAWN))
"""States whose reason is ours, not a report's."""
CHUNK = 10_000
RAW = json.JSONEncoder(sort_keys=True, default=lambda value: dict(value) if isinstance(value, Mapping) else str(value))
NEW = tuple(of(t.event.c.id, bindparam(name, type_=t.event.c.id.type)) for of, name in ((gt, "mark"), (le, "last")))
"""The events after a mark. Of a range with two ends PostgreSQL expects few, with a single end a third of the table."""
IDS = named_ids("ids")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a file or a batch of reports."""

    new: int
    known: int
    unknown_touch: int
    late: int = 0
    """Calls made after their list was over, given back or recalled."""
    early: int = 0
    """Calls made before their list was pulled, as nobody can."""
    other: int = 0
    """What was said of calls that were known with another result, which counts."""
    notes: tuple[str, ...] = ()
    """What a person should know of what was recorded otherwise than it was said."""


def insert_events(connection: Connection, rows: Sequence[EventRow]) -> int:
    """Insert events, each once by (provider, provider_event_id); returns the id before the first new one.

    Until the transaction ends nobody else records any.
    """
    record_alone(connection)
    mark = connection.scalar(select(func.coalesce(func.max(t.event.c.id), 0))) or 0
    add_events(connection, rows)
    return int(mark)


def event_row(event: Event, touch: int | None, received_at: int) -> EventRow:
    """The ledger's row for one report, received at a moment given in microseconds."""
    action = event.action
    if action is None:
        action = DEFAULT_ACTIONS.get(event.outcome, Action.OK)
    reason = int(event.reason) if event.reason else None
    raw, at = RAW.encode(event.raw) if event.raw else "{}", stored(event.at)
    return EventRow(
        event.provider, event.provider_event_id, touch, int(event.outcome), reason, int(action), at, received_at, raw
    )


def record_events(connection: Connection, events: Sequence[tuple[Event, int | None]], now: datetime) -> Recorded:
    """Store reports with the touch each belongs to (None: unknown, kept all the same) and let them act."""
    if not events:
        return Recorded(0, 0, 0)
    named = {touch for _, touch in events if touch is not None}
    found, received = standing(connection, named), stored(now)
    known = found.known
    rows = [event_row(event, touch if touch in known else None, received) for event, touch in events]
    mark = insert_events(connection, rows)
    new = connection.scalar(select(func.count()).where(t.event.c.id > mark)) or 0
    fold(connection, mark, rows, found.unsettled)
    scoped = sorted({event.provider_event_id for event, _ in events if event.raw.get("scope") == "all"})
    for start in range(0, len(scoped), CHUNK):
        _fold_everywhere(connection, mark, scoped[start : start + CHUNK])
    forget_late(connection, t.touch.c.id.in_(select(t.event.c.touch).where(t.event.c.id > mark)))  # pk_event
    return Recorded(new, len(rows) - new, sum(row.touch is None for row in rows))


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the ids that reports named: those that are touches of this ledger, and of these the ones maybe in doubt."""

    known: set[int]
    unsettled: list[int]


def standing(connection: Connection, touches: set[int]) -> Standing:
    """Which of the ids are touches, and which touches a report can still settle (pk_touch).

    They are counted first: hardly ever is one unknown or unsettled, and then nothing comes over the wire.
    """
    if not touches:
        return Standing(set(), [])
    ids, unsettled = {"ids": touches}, list[int]()
    known, open_yet = connection.execute(_counted(), ids).one()
    if open_yet:
        unsettled += connection.scalars(_those().where(_unsettled()), ids)
    return Standing(touches if known == len(touches) else set(connection.scalars(_those(), ids)), unsettled)


def _those() -> Select[tuple[int]]:
    return select(t.touch.c.id).where(among(t.touch.c.id, IDS))


def _unsettled() -> ColumnElement[bool]:
    """Nothing comes in doubt but from these states: whatever else a touch is when it is looked up, it is settled."""
    return t.touch.c.state.in_([int(State.QUEUED), int(State.CLAIMED), int(State.IN_DOUBT)])


@cache
def _counted() -> Select[tuple[int, int]]:
    return select(func.count(), func.count(case((_unsettled(), 1)))).where(among(t.touch.c.id, IDS))


def fold(connection: Connection, mark: int, rows: Sequence[EventRow], unsettled: Collection[int]) -> None:
    """Bring touches, addresses and consent up to the events after `mark`; repeating it changes nothing.

    `rows` are what was to be inserted, those that were known among them; `unsettled` as `standing` found it.
    """
    new = {"mark": mark, "last": connection.scalar(select(func.max(t.event.c.id)))}
    touches = {row.touch for row in rows if row.touch is not None}
    if touches:
        climb(connection, touches)
    if unsettled:
        connection.execute(_states(), new | {"ids": unsettled})
    if any(outcome in ACTING or action in DROPS for outcome, action in {(row.outcome, row.action) for row in rows}):
        act(connection, connection.execute(_acting(), new).all())


def climb(connection: Connection, touches: Collection[int]) -> None:
    """Give these touches the highest outcome reported, but for those that calls speak for."""
    connection.execute(_outcomes(), {"ids": touches})


def _affected() -> Select[tuple[int]]:
    return select(t.event.c.touch).where(*NEW, t.event.c.touch.is_not(None))


@cache
def _outcomes() -> Update:
    ev, c = t.event.c, t.touch.c
    k = t.call.c
    called = select(k.event).where(k.touch == ev.touch, k.disposition.in_([int(d) for d in SAYING])).exists()
    order = (ev.outcome.desc(), ev.action.desc(), ev.at, ev.provider, ev.provider_event_id)
    ranked = (
        select(
            ev.touch,
            ev.outcome,
            ev.reason,
            ev.action,
            func.row_number().over(partition_by=ev.touch, order_by=order).label("place"),
        )
        # Named, not looked up among the new events: PostgreSQL would keep a plan for that which reads every event.
        .where(among(ev.touch, IDS), ev.outcome <= max(Outcome), ~called)  # ix_event_touch
        .subquery("ranked")
    )
    return (
        update(t.touch)
        .where(c.id == ranked.c.touch, ranked.c.place == 1)
        .values(
            outcome=ranked.c.outcome,
            # Why we did not send stays; else the report that counts says why, or that there is no why any more.
            reason=case((c.state.in_(OWN_REASONS), c.reason), else_=ranked.c.reason),
            action=ranked.c.action,
        )
    )


@cache
def _states() -> Update:
    """A report with our token proves that the provider has the message: in doubt, or about to be sent again."""
    c = t.touch.c
    return (
        update(t.touch)
        .where(among(c.id, IDS), c.id.in_(_affected()), or_(c.state == int(State.IN_DOUBT), queued_again()))
        .values(
            state=int(State.SENT),
            sent_at=func.coalesce(c.sent_at, since()),
            reason=case((c.outcome.is_not(None), c.reason), else_=null()),
        )
    )


def act(connection: Connection, rows: Sequence[Row[tuple[int, int, int]]]) -> None:
    """Let events, as rows of id, outcome and action, act on addresses and consent; again changes nothing."""
    soft = [event for event, outcome, _ in rows if outcome == Outcome.BOUNCED_SOFT]
    dead = [event for event, _, action in rows if action == Action.DROP_ADDRESS]
    no = [event for event, outcome, action in rows if outcome in DENIALS or action == Action.DROP_CONSENT]
    yes = [event for event, outcome, _ in rows if outcome == Side.RESUBSCRIBED]
    if soft:
        connection.execute(_softened(), {"ids": soft})
    if dead:
        connection.execute(_buried(), {"ids": dead})
    for statement in _denied() if no else ():
        connection.execute(statement, {"ids": no})
    if yes:
        connection.execute(_granted(), {"ids": yes})


@cache
def _acting() -> Select[tuple[int, int, int]]:
    return speaking().where(*NEW, t.event.c.touch.is_not(None))


def speaking() -> Select[tuple[int, int, int]]:
    """The events that speak of an address or of consent, as `act` takes them: few of all."""
    ev = t.event.c
    speaks = or_(ev.outcome.in_(sorted(ACTING)), ev.action.in_(sorted(DROPS)))
    return select(ev.id, ev.outcome, ev.action).where(speaks)


def _told() -> Select[tuple[int]]:
    """The addresses of these events' touches; a call speaks of the number that was dialled: ledger.calls."""
    ev, c = t.event.c, t.touch.c
    called = select(t.call.c.event).where(t.call.c.event == ev.id).exists()
    return select(c.address).join_from(t.event, t.touch, c.id == ev.touch).where(among(ev.id, IDS), ~called)


@cache
def _softened() -> Update:
    a = t.address.c
    soft = int(AddressState.SOFT)
    return update(t.address).where(a.id.in_(_told()), a.state < soft).values(state=soft)


@cache
def _buried() -> Update:
    return burial(_told())


def _fold_everywhere(connection: Connection, mark: int, scoped: Sequence[str]) -> None:
    """Who unsubscribed from everything is suppressed on every channel; a person lifts that, no later report."""
    ev, c = t.event.c, t.touch.c
    reasons = {int(side): word(side) for side in Side}
    rows = (
        select(
            c.customer,
            literal(0, Integer).label("channel"),
            cast(case(reasons, value=ev.outcome), Text).label("reason"),
            literal(FROM_EVENT).label("source"),
            func.min(ev.at).label("since"),
        )
        .join_from(t.event, t.touch, c.id == ev.touch)
        .where(ev.id > mark, ev.outcome.in_(DENIALS), ev.provider_event_id.in_(scoped))
        .group_by(c.customer, ev.outcome)
    )
    suppress_since(connection, rows)


@cache
def _denied() -> tuple[Update, Update]:
    """The latest consent report wins, a denial wins a tie and any consent that no later report gave.

    A denial covers every address of the customer on that channel and everybody else's row with the same value.
    """
    a = t.address.c
    no = _said().cte("no")  # a CTE: SQLite would else group anew for every address
    both = (
        (a.customer == no.c.customer) & (a.channel == no.c.channel),
        (a.channel == no.c.channel) & (a.value == no.c.value),
    )

    def denial(covered: ColumnElement[bool]) -> Update:
        latest = _latest(no, covered)
        return _consent(no, covered, Consent.DENIED, latest, yields_to_denial(latest))

    return denial(both[0]), denial(both[1])


@cache
def _granted() -> Update:
    """A yes covers the customer's own addresses on that channel."""
    a = t.address.c
    yes = _said().cte("yes")
    covered = (a.customer == yes.c.customer) & (a.channel == yes.c.channel)
    latest = _latest(yes, covered)
    granted = a.consent == int(Consent.GRANTED)
    older = case((granted & ~by_event(), True), else_=func.coalesce(a.consent_at < latest, True))
    return _consent(yes, covered, Consent.GRANTED, latest, older)


def _said() -> Select[Any]:
    """Who said it, on which address: a call's is the number that was dialled, if it is one of theirs."""
    ev, c, a, of_call = t.event.c, t.touch.c, t.address.c, t.address.alias("of_call")
    value = func.coalesce(of_call.c.value, a.value).label("value")
    said = select(c.customer, c.channel, value, func.max(ev.at).label("at"))
    said = said.join_from(t.event, t.touch, c.id == ev.touch).join(t.address, a.id == c.address)
    said = said.outerjoin(t.call, t.call.c.event == ev.id)
    theirs = dialled(of_call, c.customer, t.call.c.number) & (of_call.c.channel == c.channel)
    said = said.outerjoin(of_call, theirs)
    return said.where(among(ev.id, IDS)).group_by(c.customer, c.channel, value)


def _latest(said: CTE, covered: ColumnElement[bool]) -> ScalarSelect[datetime]:
    return select(func.max(said.c.at)).where(covered).correlate(t.address).scalar_subquery()


def _consent(
    said: CTE,
    covered: ColumnElement[bool],
    consent: Consent,
    latest: ScalarSelect[datetime],
    older: ColumnElement[bool],
) -> Update:
    """One consent to the covered addresses that nothing later has decided."""
    a = t.address.c
    ids = select(a.id).where(covered, a.id.is_not(None)).select_from(t.address.join(said, covered))
    return (
        update(t.address)
        .where(a.id.in_(ids), older)
        .values(consent=int(consent), consent_source=literal(FROM_EVENT), consent_at=latest)
    )
