"""Gates on what a wave does to its senders' standing: complaints, and messages that carriers filter.

Mailbox providers refuse senders above 0.3 % of complaints and want them below 0.1 % (Gmail and Yahoo, bulk sender rules
of February 2024), whichever wave they come from; carriers do so with senders whose messages are filtered (Twilio's
error 30007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.channel_tables import wave_gate
from ledger.sql import inline
from waves.message import CHANNEL_CODES
from waves.outcomes import Reason, Side, State

FEWEST = 3
"""A share is judged from so many on: one complaint in a hundred messages says nothing of the wave."""
ROLLING = timedelta(days=7)
"""How far back a sender's own share is counted."""
SENT = (int(State.SENT), int(State.IN_DOUBT))


@dataclass(frozen=True, slots=True)
class Gate:
    """What is counted, among the messages of which channels."""

    name: str
    channels: tuple[str, ...]
    what: str


COMPLAINTS = Gate("complaints", ("email",), "e-mails complained")
STANDING = Gate("standing", ("email",), f"e-mails that its sender sent within {ROLLING.days} days complained")
FILTERED = Gate("filtered", ("sms", "whatsapp"), "texts were filtered by the carrier")
GATES = (COMPLAINTS, STANDING, FILTERED)


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many messages."""

    hits: int
    sent: int

    @property
    def share(self) -> float:
        """Of the messages sent; 0 of none."""
        return self.hits / self.sent if self.sent else 0.0

    def said(self, gate: Gate) -> str:
        """As a sentence."""
        return f"{self.hits:,} of {self.sent:,} {gate.what}"


def counted(connection: Connection, wave: int, gate: Gate, now: datetime) -> Share | None:
    """What this gate counts for a wave; None when there is nothing new to judge since `note`.

    The messages are counted only when the hits have changed: with none, a share only falls.
    """
    c, g = t.touch.c, wave_gate.c
    mine = [c.wave == wave, c.channel.in_([CHANNEL_CODES[name] for name in gate.channels])]
    own = hits = _hits(connection, gate, mine)
    if gate is STANDING and own:
        mine = _of_its_senders(mine, now - ROLLING)
        hits = _hits(connection, gate, mine)
    known = connection.scalar(select(g.hits).where(g.wave == wave, g.gate == gate.name)) or 0
    if hits < FEWEST or hits == known or (gate is STANDING and hits == own):
        return None
    return Share(hits, connection.scalar(select(func.count()).where(*mine, c.state.in_(SENT))) or 0)


def _of_its_senders(wave: Sequence[ColumnElement[bool]], since: datetime) -> list[ColumnElement[bool]]:
    """Everything that the senders of a wave's complaints sent since then (ix_batch_wave, ix_touch_batch)."""
    c, w, b = t.touch.c, t.wave.c, t.batch.c
    senders = select(c.provider).join_from(t.event, t.touch, c.id == t.event.c.touch).where(_hit(STANDING), *wave)
    recent = select(w.id).where(or_(w.closed.is_(None), w.closed >= since))
    batches = select(b.id).where(b.wave.in_(recent), b.channel.in_([CHANNEL_CODES[name] for name in STANDING.channels]))
    return [c.batch.in_(batches), c.provider.in_(senders.distinct()), c.sent_at >= since]


def _hits(connection: Connection, gate: Gate, mine: Sequence[ColumnElement[bool]]) -> int:
    c = t.touch.c
    query = select(func.count(t.event.c.touch.distinct())).join_from(t.event, t.touch, c.id == t.event.c.touch)
    return connection.scalar(query.where(_hit(gate), *mine)) or 0  # ix_event_complained, ix_event_filtered


def _hit(gate: Gate) -> ColumnElement[bool]:
    ev = t.event.c
    return ev.reason == inline(Reason.FILTERED) if gate is FILTERED else ev.outcome == inline(Side.COMPLAINED)


def note(connection: Connection, wave: int, gate: Gate, found: Share, level: str | None, now: datetime) -> bool:
    """Remember what was counted and how far the gate went; False when it had gone that far already.

    Whoever acts does it in the same transaction, so it is done once; a person who lets the wave go on is not overruled.
    """
    g = wave_gate.c
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(make(wave_gate).values(wave=wave, gate=gate.name, hits=0, sent=0).on_conflict_do_nothing())
    mine = (g.wave == wave, g.gate == gate.name)
    before = connection.scalar(select(g.level).where(*mine).with_for_update())
    values: dict[str, object] = {"hits": found.hits, "sent": found.sent}
    new = level is not None and level != before and before != "acted"
    connection.execute(update(wave_gate).where(*mine).values(values | ({"level": level, "since": now} if new else {})))
    return new


@dataclass(frozen=True, slots=True)
class Rung:
    """A gate of a wave that warned or acted, with what was counted last."""

    gate: str
    level: str
    said: str
    since: datetime


def gates_of_wave(connection: Connection, wave: int) -> list[Rung]:
    """The gates of a wave that warned or acted."""
    g = wave_gate.c
    rows = connection.execute(select(wave_gate).where(g.wave == wave, g.level.is_not(None)).order_by(g.gate))
    named = {gate.name: gate for gate in GATES}
    return [Rung(row.gate, row.level, Share(row.hits, row.sent).said(named[row.gate]), row.since) for row in rows]
