"""Take a restored ledger into use: what it cannot know since its backup counts as done, and everything stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Integer, delete, func, insert, literal, null, select, text, update

from ledger import campaigns
from ledger import tables as t
from ledger.audit import record
from ledger.channel_tables import api_key
from ledger.doubts import note_doubts
from ledger.engine_tables import sender_slot, worker
from ledger.owners import claimed_by_sender
from ledger.store import BACKUP_OF, read_meta
from waves.errors import LedgerError
from waves.message import CHANNEL_CODES
from waves.outcomes import Reason, State

GAP = 1 << 32
"""Numbers left free for what was made after the backup: its tokens must not come to name somebody else."""
CALLS = (CHANNEL_CODES["call_list"],)


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What was done: since when nothing is known, messages in doubt, campaigns paused, waves that may have opened."""

    since: datetime
    in_doubt: int
    paused: tuple[str, ...]
    may_have_opened: tuple[tuple[str, str], ...]
    """(campaign, wave) that was not open yet at the backup, or was being enrolled, in a campaign not ended."""
    keys_revoked: int = 0
    """API keys: nobody knows which of them were taken back since."""


def take_up(connection: Connection, since: datetime | None, by: str, now: datetime) -> TakenUp:
    """Make a restored ledger safe in one transaction; `since` is the backup's time where it does not say it.

    What may have been sent since is in doubt, and never sent again by itself. Every campaign that ran is paused.
    """
    stamp = read_meta(connection, BACKUP_OF)
    if stamp is None and since is None:
        raise LedgerError("this ledger is no backup; of one that pg_dump made say when: --since 2026-12-01T03:00Z")
    began = datetime.fromisoformat(stamp) if stamp else since
    if began is None or began > now:
        raise LedgerError(
            "the backup's time lies ahead of the ledger's clock; set the clock, or give the right --since"
        )
    running = connection.scalars(select(t.campaign.c.name).where(t.campaign.c.state == "running")).all()
    for name in running:
        campaigns.set_state(connection, name, "paused", ("running",), by, now)
    doubted = _doubt(connection, began, now)
    connection.execute(
        update(t.batch).where(t.batch.c.lease_owner.is_not(None)).values(lease_owner=None, lease_until=None)
    )
    connection.execute(delete(worker))
    connection.execute(update(sender_slot).values(owner=None, until=None))
    for table in ("touch", "dial_entry", "dial_list", "seed_touch"):
        _leave_gap(connection, table, now)
    connection.execute(delete(t.meta).where(t.meta.c.key == BACKUP_OF))
    live = api_key.c.revoked_at.is_(None)
    keys = connection.execute(update(api_key).where(live).values(revoked_at=now)).rowcount
    record(connection, now, by, "restored", "the ledger", before=began.isoformat(), after=f"{doubted} in doubt")
    return TakenUp(began, doubted, tuple(running), tuple(_may_have_opened(connection)), keys)


def _doubt(connection: Connection, began: datetime, now: datetime) -> int:
    c = t.touch.c
    waiting = [int(State.QUEUED), int(State.CLAIMED)]
    doubted: Sequence[int] = connection.scalars(
        update(t.touch)
        .where(c.state.in_(waiting), c.not_before <= now, c.channel.not_in(CALLS))
        .values(
            state=int(State.IN_DOUBT),
            reason=literal(int(Reason.WORKER_LOST), Integer),
            sent_at=func.coalesce(c.claimed_at, literal(began, c.sent_at.type)),
            provider=claimed_by_sender(),
            claimed_by=null(),
        )
        .returning(c.id)
    ).all()
    for start in range(0, len(doubted), 10_000):
        note_doubts(connection, doubted[start : start + 10_000], now)
    return len(doubted)


def _may_have_opened(connection: Connection) -> list[tuple[str, str]]:
    w, c = t.wave.c, t.campaign.c
    query = select(c.name, w.name).join(t.wave, w.campaign == c.id).order_by(c.name, w.seq)
    live = (c.state.in_(["running", "paused"]), w.state.in_(["pending", "enrolling"]))
    return [(row[0], row[1]) for row in connection.execute(query.where(*live))]


def _leave_gap(connection: Connection, name: str, now: datetime) -> None:
    """The next id of a table is GAP further on; SQLite counts on from the highest row, so it gets one of nobody's."""
    top = connection.scalar(text(f"SELECT coalesce(max(id), 0) FROM {name}")) or 0
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :to)"), {"name": name, "to": top + GAP}
        )
        return
    nobody = {"customer": -top - 1, "address": 0, "channel": 0, "variant": 0, "state": int(State.WITHDRAWN)}
    rows: dict[str, dict[str, object]] = {
        "touch": {"wave": 0, "not_before": now, "not_after": now, **nobody},
        "dial_entry": {"list": 0, "touch": 0, "rank": 0, "tier": "", "customer": 0, "number": "", "active": False},
        "dial_list": {"wave": 0, "team": "", "shift": "", "format": "", "pulled_at": now, "pulled_by": "restored"}
        | {"lease_until": now, "returned_at": now},
        "seed_touch": {"run": "restored", "campaign": "", "wave": "", "seed": "", "channel": 0, "variant": top}
        | {"state": int(State.WITHDRAWN), "claimed_at": now},
    }
    connection.execute(insert(t.metadata.tables[name]).values(id=top + GAP, **rows[name]))
