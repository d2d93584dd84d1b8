"""Close a wave and balance its books; the balance is stored as closed, what comes later is shown as late.

A wave that is `closing` takes nothing new: what it has queued expires in ranges, its books are counted in a snapshot
that keeps nobody waiting, and the balance is stored. Whoever finds it so goes on from there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, null, or_, select, update

from ledger import tables as t
from ledger.giving_up import give_up
from ledger.progress import wave_mark
from ledger.sql import set_wise
from ledger.store import keep_out_claims
from ledger.types import Span
from ledger.words import heard, part_column
from waves.message import CHANNEL_CODES
from waves.outcomes import TERMINAL, Outcome, Part, Reason, State, Verdict, word

SPAN = 200_000
EVERYBODY = (1 << 63) - 1
CLOSING = "closing"
"""The state of a wave that is over and whose balance is not stored yet: the next one does not open."""


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
    c = t.touch.c
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
    return not list_out(connection, wave, now)


def list_out(connection: Connection, wave: int, now: datetime) -> bool:
    """Whether a dial list of the wave is out, inside the time its results are waited for (ix_dial_list_wave).

    Its people it holds for longer, whether the wave has closed or not: waves.dial_lease.
    """
    d = t.dial_list.c
    out = select(d.id).where(d.wave == wave, d.returned_at.is_(None), d.lease_until > now).limit(1)
    return connection.scalar(out) is not None


def begin_close(connection: Connection, wave: int, now: datetime, quiet: tuple[str, int, int] | None) -> bool:
    """Move an open wave to `closing`: from this commit on nobody claims of it, lists of it or adds to it.

    The caller found that it `may_close`. Before its end that holds only while its `wave_mark` is still `quiet`, since
    whatever is queued anew adds a batch; past it (None) what was claimed meanwhile is waited for. False when it is not
    to be closed after all.
    """
    keep_out_claims(connection, wave)
    connection.execute(select(t.wave.c.id).where(t.wave.c.id == wave).with_for_update())
    if quiet is not None and wave_mark(connection, wave) != quiet:
        return False
    if list_out(connection, wave, now):
        return False
    begun = connection.execute(
        update(t.wave).where(t.wave.c.id == wave, t.wave.c.state == "open").values(state=CLOSING)
    ).rowcount
    return begun > 0


def any_claimed(connection: Connection, wave: int) -> bool:
    """Whether a worker holds a touch of the wave; of one that is `closing` that only ever ends."""
    c = t.touch.c
    held = select(c.id).where(c.wave == wave, c.state == int(State.CLAIMED)).limit(1)
    return connection.scalar(held) is not None


def expire(connection: Connection, wave: int, customers: Sequence[int]) -> int:
    """What these customers have queued in a wave that is closing is not sent any more; how many touches."""
    c = t.touch.c
    by_hand = c.channel == CHANNEL_CODES["call_list"]
    why = case((by_hand, int(Reason.OVER_CAPACITY)), else_=int(Reason.WAVE_CLOSED))
    return give_up(connection, wave, customers, State.EXPIRED, why)


@dataclass(frozen=True, slots=True)
class Books:
    """The balance of a wave that is closing, and the last report that it knows."""

    balance: Balance
    event_mark: int

    @property
    def settled(self) -> bool:
        """Whether nothing of the wave was queued or in a worker's hands."""
        return not {word(State.QUEUED), word(State.CLAIMED)} & self.balance.states.keys()


def count_books(connection: Connection, wave: int, campaign: int) -> Books:
    """Count a wave's books as of one moment; the connection is that of a snapshot, and nobody waits for it."""
    # A report with a higher id came late; its time alone would not tell when a clock stands still.
    mark = connection.scalar(select(func.coalesce(func.max(t.event.c.id), 0))) or 0
    return Books(balance(connection, wave, campaign), mark)


def store_books(connection: Connection, wave: int, books: Books, now: datetime) -> bool:
    """Store the balance of a wave that is closing, and close it; False when another worker has done so."""
    found = books.balance
    stored = {"members": found.members, "verdicts": found.verdicts, "states": found.states}
    stored |= {"outcomes": found.outcomes, "parts": found.parts, "touched": found.touched, "balanced": found.balanced}
    stored |= {"event_mark": books.event_mark}
    closing = update(t.wave).where(t.wave.c.id == wave, t.wave.c.state == CLOSING)
    if not connection.execute(closing.values(state="closed", closed=now, balance=json.dumps(stored))).rowcount:
        return False
    connection.execute(
        update(t.batch)
        .where(t.batch.c.wave == wave, t.batch.c.done_at.is_(None))
        .values(done_at=now, lease_owner=null(), lease_until=null())
    )
    return True
