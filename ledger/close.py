"""Close a wave and balance its books; the balance is stored as closed, what comes later is shown as late."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, null, or_, select, update

from ledger import tables as t
from ledger.doubts import given_up
from ledger.sql import set_wise
from ledger.store import keep_out_claims
from ledger.types import Span
from ledger.words import heard, part_column
from waves.errors import LedgerError
from waves.message import CHANNEL_CODES
from waves.outcomes import TERMINAL, Outcome, Part, Reason, State, Verdict, word

SPAN = 200_000
EVERYBODY = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Balance:
    """The books of one wave: members = sum of verdicts, `go` members = sum of parts = members with a touch."""

    members: int
    verdicts: dict[str, int]
    states: dict[str, int]
    outcomes: dict[str, int]
    parts: dict[str, int]
    touched: int

    @property
    def balanced(self) -> bool:
        """Whether the books agree: nobody lost, nobody twice."""
        went = self.verdicts.get(word(Verdict.GO), 0)
        return self.members == sum(self.verdicts.values()) and went == self.touched == sum(self.parts.values())


def balance(connection: Connection, wave: int, campaign: int, size: int = SPAN) -> Balance:
    """Count the books of a wave from its rows, span by span of its customers, so that no sort outgrows the memory."""
    m, e = t.member.c, t.enrolment.c
    members = connection.scalar(select(func.count()).select_from(t.member).where(m.campaign == campaign)) or 0
    verdicts, states, outcomes, parts = Counter[int](), Counter[int](), Counter[int](), Counter[int]()
    touched = 0
    for low, high in _spans(connection, wave, size):
        inside = (e.wave == wave, e.customer > low, e.customer <= high)
        for verdict, n in connection.execute(select(e.verdict, func.count()).where(*inside).group_by(e.verdict)):
            verdicts[verdict] += n
        c = t.touch.c
        mine = (c.wave == wave, c.customer > low, c.customer <= high)  # uq_touch_wave_customer_channel
        counted = select(c.state, c.outcome, func.count()).where(*mine).group_by(c.state, c.outcome)
        for state, outcome, n in connection.execute(counted):
            states[state] += n
            if outcome is not None:
                outcomes[outcome] += n
        by_member = (
            select(
                part_column(func.max(heard(c))).label("part"),
                func.max(case((e.verdict == int(Verdict.GO), 1), else_=0)).label("went"),
            )
            .outerjoin_from(t.touch, t.enrolment, and_(e.customer == c.customer, *inside))
            .where(*mine)
            .group_by(c.customer)
            .subquery()
        )
        p = by_member.c
        with set_wise(connection):
            for part, went, n in connection.execute(select(p.part, p.went, func.count()).group_by(p.part, p.went)):
                touched += n
                if went:
                    parts[part] += n
    return Balance(
        members=members,
        verdicts={word(Verdict(code)): n for code, n in sorted(verdicts.items())},
        states={word(State(code)): n for code, n in sorted(states.items())},
        outcomes={word(Outcome(code)): n for code, n in sorted(outcomes.items())},
        parts={word(Part(code)): n for code, n in sorted(parts.items())},
        touched=touched,
    )


def _spans(connection: Connection, wave: int, size: int) -> Iterator[Span]:
    """All customers, cut so that each span holds `size` of the wave's."""
    low, e = -1, t.enrolment.c
    while True:
        ahead = select(e.customer).where(e.wave == wave, e.customer > low).order_by(e.customer)
        high = connection.scalar(ahead.offset(size - 1).limit(1))
        if high is None:
            yield low, EVERYBODY
            return
        yield low, high
        low = high


def may_close(connection: Connection, wave: int, now: datetime, aborted: bool = False) -> bool:
    """Whether an open wave is over: past its end or every outcome final; never with a claim or a live dial list."""
    row = connection.execute(select(t.wave.c.state, t.wave.c.closes).where(t.wave.c.id == wave)).one()
    c, d = t.touch.c, t.dial_list.c
    if row.state != "open":
        return False
    waited_for: ColumnElement[bool] = c.state == int(State.CLAIMED)
    if not aborted and now < row.closes:
        # Asked at every tick: of a wave under way the first rows that are looked at say no.
        unheard: ColumnElement[bool] = c.state.in_([int(State.SENT), int(State.LISTED), int(State.IN_DOUBT)])
        unheard &= c.outcome.is_(None) | c.outcome.not_in(TERMINAL)
        waited_for = or_(waited_for, c.state == int(State.QUEUED), unheard)
    if connection.scalar(select(c.id).where(c.wave == wave, waited_for).limit(1)):
        return False
    return not connection.scalar(
        select(d.id).where(d.wave == wave, d.returned_at.is_(None), d.lease_until > now).limit(1)
    )


def may_close_now(connection: Connection, wave: int, now: datetime, aborted: bool = False) -> bool:
    """The same, and until the transaction ends nobody claims of the wave, lists of it, adds to it or closes it."""
    keep_out_claims(connection, wave)
    connection.execute(select(t.wave.c.id).where(t.wave.c.id == wave).with_for_update())
    return may_close(connection, wave, now, aborted)


def close(connection: Connection, wave: int, now: datetime) -> Balance:
    """Expire what is queued, store the balance, close; the caller `may_close_now` in the same transaction."""
    c = t.touch.c
    row = connection.execute(select(t.wave).where(t.wave.c.id == wave)).one()
    for call in (False, True):
        channel = c.channel == CHANNEL_CODES["call_list"] if call else c.channel != CHANNEL_CODES["call_list"]
        reason = Reason.OVER_CAPACITY if call else Reason.WAVE_CLOSED
        connection.execute(
            update(t.touch)
            .where(c.wave == wave, c.state == int(State.QUEUED), channel)
            .values(state=given_up(State.EXPIRED), reason=int(reason))
        )
    lists = select(t.dial_list.c.id).where(t.dial_list.c.wave == wave)
    connection.execute(
        update(t.dial_entry).where(t.dial_entry.c.list.in_(lists), t.dial_entry.c.active).values(active=False)
    )
    connection.execute(
        update(t.batch)
        .where(t.batch.c.wave == wave, t.batch.c.done_at.is_(None))
        .values(done_at=now, lease_owner=null(), lease_until=null())
    )
    books = balance(connection, wave, row.campaign)
    stored = {"members": books.members, "verdicts": books.verdicts, "states": books.states}
    stored |= {"outcomes": books.outcomes, "parts": books.parts, "touched": books.touched, "balanced": books.balanced}
    # A report with a higher id came late; its time alone would not tell when a clock stands still.
    stored |= {"event_mark": connection.scalar(select(func.coalesce(func.max(t.event.c.id), 0)))}
    closing = update(t.wave).where(t.wave.c.id == wave, t.wave.c.state == "open")
    closed = connection.execute(closing.values(state="closed", closed=now, balance=json.dumps(stored))).rowcount
    if not closed:
        raise LedgerError(f"wave {row.name} was closed by another worker meanwhile; nothing was changed")
    return books
