"""Record what came back: each report once, in any order; the outcome of a touch only climbs; consent acts at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    ScalarSelect,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    text,
    update,
)

from ledger import tables as t
from ledger.addresses import bury
from ledger.doubts import queued_again, since
from ledger.erasure import forget_late
from ledger.event_rows import EventRow, add_events, stored
from ledger.sql import among
from ledger.suppressions import suppress_since
from waves.message import AddressState, Consent, Event
from waves.outcomes import DEFAULT_ACTIONS, Action, Outcome, Side, State, word

DENIALS = (int(Side.UNSUBSCRIBED), int(Side.COMPLAINED))
OWN_REASONS = (int(State.REFUSED), int(State.EXPIRED), int(State.WITHDRAWN))
"""States whose reason is ours, not a report's."""
FROM_EVENT = "event"
CHUNK = 10_000
RAW = json.JSONEncoder(sort_keys=True, default=lambda value: dict(value) if isinstance(value, Mapping) else str(value))
RECORD_LOCK = 0x6D77_6576  # PostgreSQL advisory lock: who may record reports


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a file or a batch of reports."""

    new: int
    known: int
    unknown_touch: int


def insert_events(connection: Connection, rows: Sequence[EventRow]) -> int:
    """Insert events, each once by (provider, provider_event_id); returns the id before the first new one.

    Until the transaction ends nobody else records any.
    """
    if connection.dialect.name == "postgresql":
        # Two who fold reports of one touch at once would each see their own, and the last would win, not the highest.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RECORD_LOCK})
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
    known = touches_that_exist(connection, {touch for _, touch in events if touch is not None})
    received = stored(now)
    rows = [event_row(event, touch if touch in known else None, received) for event, touch in events]
    mark = insert_events(connection, rows)
    new = connection.scalar(select(func.count()).where(t.event.c.id > mark)) or 0
    fold(connection, mark)
    scoped = sorted({event.provider_event_id for event, _ in events if event.raw.get("scope") == "all"})
    for start in range(0, len(scoped), CHUNK):
        _fold_everywhere(connection, mark, scoped[start : start + CHUNK])
    forget_late(connection, mark)
    return Recorded(new, len(rows) - new, sum(row.touch is None for row in rows))


def touches_that_exist(connection: Connection, touches: set[int]) -> set[int]:
    """Those of the ids that are touches of this ledger."""
    return set(connection.scalars(select(t.touch.c.id).where(among(t.touch.c.id, sorted(touches)))))


def fold(connection: Connection, mark: int) -> None:
    """Bring touches, addresses and consent up to the events after `mark`; repeating it changes nothing."""
    _fold_outcomes(connection, mark)
    _fold_states(connection, mark)
    _fold_addresses(connection, mark)
    fold_consent(connection, mark)


def _affected(mark: int) -> Select[tuple[int]]:
    return select(t.event.c.touch).where(t.event.c.id > mark, t.event.c.touch.is_not(None))


def _fold_outcomes(connection: Connection, mark: int) -> None:
    ev, c = t.event.c, t.touch.c
    called = select(t.call.c.event).where(t.call.c.touch == ev.touch).exists()
    order = (ev.outcome.desc(), ev.action.desc(), ev.at, ev.provider, ev.provider_event_id)
    ranked = (
        select(
            ev.touch,
            ev.outcome,
            ev.reason,
            ev.action,
            func.row_number().over(partition_by=ev.touch, order_by=order).label("place"),
        )
        .where(ev.touch.in_(_affected(mark)), ev.outcome <= max(Outcome), ~called)
        .subquery("ranked")
    )
    connection.execute(
        update(t.touch)
        .where(c.id == ranked.c.touch, ranked.c.place == 1)
        .values(
            outcome=ranked.c.outcome,
            # Why we did not send stays; else the report that counts says why, or that there is no why any more.
            reason=case((c.state.in_(OWN_REASONS), c.reason), else_=ranked.c.reason),
            action=ranked.c.action,
        )
    )


def _fold_states(connection: Connection, mark: int) -> None:
    """A report with our token proves that the provider has the message: in doubt, or about to be sent again."""
    c = t.touch.c
    connection.execute(
        update(t.touch)
        .where(c.id.in_(_affected(mark)), or_(c.state == int(State.IN_DOUBT), queued_again()))
        .values(
            state=int(State.SENT),
            sent_at=func.coalesce(c.sent_at, since()),
            reason=case((c.outcome.is_not(None), c.reason), else_=null()),
        )
    )


def _fold_addresses(connection: Connection, mark: int) -> None:
    ev, c, a = t.event.c, t.touch.c, t.address.c
    # A call speaks of the number that was dialled: ledger.calls.
    called = select(t.call.c.event).where(t.call.c.event == ev.id).exists()
    told = select(c.address).join_from(t.event, t.touch, c.id == ev.touch).where(ev.id > mark, ~called)
    soft = told.where(ev.outcome == int(Outcome.BOUNCED_SOFT))
    connection.execute(
        update(t.address).where(a.id.in_(soft), a.state < int(AddressState.SOFT)).values(state=int(AddressState.SOFT))
    )
    bury(connection, told.where(ev.action == int(Action.DROP_ADDRESS)))


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


def fold_consent(connection: Connection, mark: int) -> None:
    """Apply consent reports: the latest wins, a denial wins a tie and any consent that no later report gave.

    A denial covers every address of the customer on that channel and everybody else's row with the same value.
    """
    ev, c, a = t.event.c, t.touch.c, t.address.c
    base = select(c.customer, c.channel, a.value, func.max(ev.at).label("at")).join_from(
        t.event, t.touch, c.id == ev.touch
    )
    base = base.join(t.address, a.id == c.address).where(ev.id > mark).group_by(c.customer, c.channel, a.value)
    denied = or_(ev.outcome.in_(DENIALS), ev.action == int(Action.DROP_CONSENT))
    by_event = func.coalesce(a.consent_source, "") == FROM_EVENT
    granted = a.consent == int(Consent.GRANTED)
    no = base.where(denied).cte("no")  # a CTE: SQLite would else group anew for every address
    for covered in (
        (a.customer == no.c.customer) & (a.channel == no.c.channel),
        (a.channel == no.c.channel) & (a.value == no.c.value),
    ):
        latest = _latest(no, covered)
        older = case(
            (granted & by_event, a.consent_at <= latest),
            (granted, True),
            else_=func.coalesce(a.consent_at < latest, True),
        )
        _set_consent(connection, no, covered, Consent.DENIED, latest, older)
    yes = base.where(ev.outcome == int(Side.RESUBSCRIBED)).cte("yes")
    covered = (a.customer == yes.c.customer) & (a.channel == yes.c.channel)
    latest = _latest(yes, covered)
    older = case((granted & ~by_event, True), else_=func.coalesce(a.consent_at < latest, True))
    _set_consent(connection, yes, covered, Consent.GRANTED, latest, older)


def _latest(said: CTE, covered: ColumnElement[bool]) -> ScalarSelect[datetime]:
    return select(func.max(said.c.at)).where(covered).correlate(t.address).scalar_subquery()


def _set_consent(
    connection: Connection,
    said: CTE,
    covered: ColumnElement[bool],
    consent: Consent,
    latest: ScalarSelect[datetime],
    older: ColumnElement[bool],
) -> None:
    """One consent to the covered addresses that nothing later has decided."""
    a = t.address.c
    if connection.scalar(select(func.count()).select_from(said)) == 0:
        return
    ids = select(a.id).where(covered, a.id.is_not(None)).select_from(t.address.join(said, covered))
    connection.execute(
        update(t.address)
        .where(a.id.in_(ids), older)
        .values(consent=int(consent), consent_source=literal(FROM_EVENT), consent_at=latest)
    )
