"""Messages to seeds: claimed once each before they are sent, and what came back; no count of a campaign reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.addresses import by_event
from ledger.channel_tables import seed_touch as table
from ledger.gates import OPEN_CASE
from ledger.provider_refs import give_up_refs, touches_of
from waves.message import Consent, Receipt
from waves.outcomes import FAILURES, Outcome, State

TRIED_EVERY = timedelta(minutes=5)
"""A provider that takes nothing is not tried for its seeds more often."""
REPORTED_WITHIN = timedelta(days=7)
"""A report that comes later does not speak of a seed's message by a reference."""
STATES: Mapping[str, State] = {
    "accepted": State.SENT,
    "refused": State.REFUSED,
    "not_sent": State.QUEUED,
    "in_doubt": State.IN_DOUBT,
}
"""What a receipt makes of it; queued again it is claimed anew."""


@dataclass(frozen=True, slots=True)
class SeedMessage:
    """One wording to one seed, in a run: a wave, or a test."""

    run: str
    campaign: str
    wave: str
    seed: str
    channel: int
    variant: int


def claim(connection: Connection, wanted: Sequence[SeedMessage], now: datetime) -> dict[SeedMessage, int]:
    """Those that nobody claimed before, or whose claim provably sent nothing a while ago, with their ids."""
    c, claimed = table.c, int(State.CLAIMED)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    found = dict[SeedMessage, int]()
    for one in wanted:
        key = {name: getattr(one, name) for name in SeedMessage.__slots__}
        new = make(table).values(**key, state=claimed, claimed_at=now).on_conflict_do_nothing().returning(c.id)
        mine = [c[name] == value for name, value in key.items()]
        again = update(table).where(*mine, *_may_go_again(now)).values(state=claimed, claimed_at=now)
        ident = connection.scalar(new) or connection.scalar(again.returning(c.id))
        if ident is not None:
            found[one] = ident
    return found


def unclaimed(connection: Connection, wanted: Sequence[SeedMessage], now: datetime) -> list[SeedMessage]:
    """Those that may be claimed now: one look, so that a wave under way writes nothing for its seeds."""
    runs = {one.run for one in wanted}
    c = table.c
    rows = connection.execute(
        select(c.run, c.campaign, c.wave, c.seed, c.channel, c.variant).where(
            c.run.in_(runs), ~and_(*_may_go_again(now))
        )
    )
    taken = {SeedMessage(*row) for row in rows}
    return [one for one in wanted if one not in taken]


def any_waits(connection: Connection, run: str, now: datetime) -> bool:
    """Whether some of a run did not go and may go now (uq_seed_touch_run_wave_seed_channel_variant)."""
    c = table.c
    return connection.scalar(select(c.id).where(c.run == run, *_may_go_again(now)).limit(1)) is not None


def _may_go_again(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return table.c.state == int(State.QUEUED), table.c.claimed_at <= now - TRIED_EVERY


def is_sending(connection: Connection, wave: int) -> bool:
    """Whether a wave is open and its campaign running, so that it may send at all."""
    w, c = t.wave.c, t.campaign.c
    query = select(w.id).join(t.campaign, c.id == w.campaign).where(w.id == wave, w.state == "open")
    return connection.scalar(query.where(w.stopped_at.is_(None), c.state == "running")) is not None


def settle(connection: Connection, receipts: Sequence[tuple[int, Receipt]], provider: str, now: datetime) -> None:
    """Write what the provider said of each, and the reference, of several the last, that its report will name it by."""
    for ident, receipt in receipts:
        state = STATES[receipt.result]
        values: dict[str, Any] = {"state": int(state), "reason": receipt.reason, "provider": provider}
        if state is not State.QUEUED:
            ref = receipt.refs[-1] if receipt.refs else receipt.provider_ref
            values |= {"provider_ref": ref, "sent_at": now}
            give_up_refs(connection, provider, receipt.refs)
        mine = (table.c.id == ident, table.c.state == int(State.CLAIMED))
        connection.execute(update(table).where(*mine).values(values))


def suppressed_addresses(connection: Connection, channel: int, values: Collection[str], now: datetime) -> set[str]:
    """Those of these addresses that a standing instruction names (gates.address_suppressed), or whose owner said stop.

    ix_suppression_value, ix_suppression_customer, ix_address_channel_value.
    """
    s, a = t.suppression.c, t.address.c
    standing = (s.channel.in_([0, channel]), s.until.is_(None) | (s.until > now))
    said = (a.consent == int(Consent.DENIED)) & by_event()
    named = select(s.id).where(s.customer == a.customer, s.value.is_(None), s.reason != OPEN_CASE, *standing)
    owned = (a.channel == channel, a.value.in_(list(values)))
    spellings = {spelling for value in values for spelling in (value, value.lower())}
    listed = set(connection.scalars(select(s.value).where(s.value.in_(spellings), *standing)))
    found = {value for value in values if listed & {value, value.lower()}}
    return found | set(connection.scalars(select(a.value).where(*owned, said | named.exists())))


def ids_by_ref(connection: Connection, refs: Collection[tuple[str, str]], came: datetime) -> dict[tuple[str, str], int]:
    """(sender, its reference) to the latest message to a seed that has it (ix_seed_touch_provider_ref).

    An old one does not, nor one whose reference went to a customer since: some providers count theirs anew.
    """
    c = table.c
    mine = (c.provider_ref.in_([ref for _, ref in refs]), c.claimed_at > came - REPORTED_WITHIN)
    rows = connection.execute(select(c.provider, c.provider_ref, c.id).where(*mine).order_by(c.id))
    found = {(row.provider, row.provider_ref): row.id for row in rows}
    customers = touches_of(connection, found) if found else {}
    return {ref: ident for ref, ident in found.items() if ref not in customers}


def heard(connection: Connection, ident: int, outcome: int, at: datetime, by: str) -> bool | None:
    """One report about a message to a seed: whether it says more than was known; None: there is no such message.

    Whatever says that it is there, or more, is its arrival; the earliest counts, in whichever order they come.
    """
    c = table.c
    row = connection.execute(select(table).where(c.id == ident).with_for_update()).one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = {}
    if outcome <= max(Outcome) and outcome > (row.outcome or 0):
        values["outcome"] = outcome
    arrives = Outcome.DELIVERED <= outcome <= max(Outcome) and outcome not in FAILURES
    if arrives and (row.arrived_at is None or at < row.arrived_at):
        values |= {"arrived_at": at, "arrived_by": by}
    if values and row.state in (int(State.CLAIMED), int(State.IN_DOUBT)):
        values |= {"state": int(State.SENT), "sent_at": row.sent_at or row.claimed_at}
    if values:
        connection.execute(update(table).where(c.id == ident).values(values))
    return bool(values)


def seed_messages(connection: Connection, campaign: str) -> Sequence[Row[Any]]:
    """Every message of a campaign, tests among them, to a seed (ix_seed_touch_campaign)."""
    c = table.c
    return connection.execute(select(table).where(c.campaign == campaign).order_by(c.claimed_at, c.id)).all()


def seed_message(connection: Connection, ident: int) -> Row[Any] | None:
    """One message to a seed."""
    return connection.execute(select(table).where(table.c.id == ident)).one_or_none()


def awaited(connection: Connection, seed: str) -> Sequence[Row[Any]]:
    """A seed's messages that went out and were not seen to arrive, the newest first."""
    c = table.c
    out = [int(State.SENT), int(State.IN_DOUBT), int(State.CLAIMED)]
    query = select(table).where(c.seed == seed, c.state.in_(out), c.arrived_at.is_(None))
    return connection.execute(query.order_by(c.claimed_at.desc(), c.id.desc())).all()
