"""The laws as plain Python over the ledger's rows: nothing here asks the gates, so that it may disagree with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from ledger import tables as t
from tests.builders import T0
from waves.message import CHANNEL_CODES, AddressState, Consent
from waves.outcomes import State, Verdict

CALL = CHANNEL_CODES["call_list"]
Row = Any
ENDED = (State.REFUSED, State.EXPIRED, State.WITHDRAWN)


@dataclass(frozen=True)
class Books:
    """Every row that the laws speak of, read in one transaction."""

    campaigns: dict[int, Row]
    waves: dict[int, Row]
    members: dict[tuple[int, int], Row]
    enrolments: dict[tuple[int, int], Row]
    touches: dict[int, Row]
    addresses: dict[int, Row]
    customers: dict[int, Row]
    suppressions: list[Row]
    conversions: list[Row]
    entries: list[Row]
    batches: list[Row]

    @classmethod
    def read(cls, connection: Connection) -> Books:
        def rows(table: Table) -> list[Row]:
            return list(connection.execute(select(table).order_by(*table.primary_key)))

        return cls(
            {row.id: row for row in rows(t.campaign)},
            {row.id: row for row in rows(t.wave)},
            {(row.campaign, row.customer): row for row in rows(t.member)},
            {(row.wave, row.customer): row for row in rows(t.enrolment)},
            {row.id: row for row in rows(t.touch)},
            {row.id: row for row in rows(t.address)},
            {row.id: row for row in rows(t.customer)},
            rows(t.suppression),
            rows(t.conversion),
            rows(t.dial_entry),
            rows(t.batch),
        )

    def running(self, state: str) -> set[int]:
        """The waves in this state whose campaign runs."""
        return {w.id for w in self.waves.values() if w.state == state and self.campaigns[w.campaign].state == "running"}

    def due(self, now: datetime) -> list[Row]:
        """The batches that a worker may lease."""
        waves = self.running("open")
        return [
            b
            for b in self.batches
            if b.wave in waves
            and b.done_at is None
            and b.due <= now
            and (b.lease_until is None or b.lease_until <= now)
        ]

    def callable_waves(self) -> list[Row]:
        """The open waves with somebody to call."""
        calls = {x.wave for x in self.touches.values() if x.channel == CALL and x.state == State.QUEUED}
        return [self.waves[number] for number in sorted(self.running("open") & calls)]

    def hindrances(self, touch: int, now: datetime) -> list[str]:
        """Law 5: every fact of this moment that forbids this touch to leave."""
        row = self.touches[touch]
        wave = self.waves[row.wave]
        campaign, place = self.campaigns[wave.campaign], self.addresses[row.address]
        member = self.members[campaign.id, row.customer]
        found = {
            "its campaign is not running": campaign.state != "running",
            "its wave is not open": wave.state != "open",
            "before its time": row.not_before > now,
            "after its time": row.not_after <= now,
            "held out": member.arm != 0,
            "erased": self.customers[row.customer].erased_at is not None,
            "suppressed": any(self._stops(s, row.customer, row.channel, place.value, now) for s in self.suppressions),
            "no consent": place.consent != Consent.GRANTED,
            "no living address": place.state >= AddressState.REPLACED,
            "another's address": (place.customer, place.channel) != (row.customer, row.channel),
            "converted": any(
                c.customer == row.customer
                and c.goal == campaign.goal
                and c.at >= min(T0, campaign.started_at)  # every plan of these tests starts at T0
                and c.reversed_at is None
                for c in self.conversions
            ),
        }
        return [reason for reason, true in found.items() if true]

    @staticmethod
    def _stops(row: Row, customer: int, channel: int, value: str, now: datetime) -> bool:
        if row.until is not None and row.until <= now:
            return False
        return row.channel in (0, channel) and (row.value == value or (row.value is None and row.customer == customer))

    def broken(self) -> Iterator[str]:
        """Every breach of what must hold at every commit."""
        for wave in self.waves.values():
            if wave.state in ("open", "closed"):
                yield from self._unbalanced(wave)
            if wave.state == "closed":
                yield from self._badly_closed(wave)
        stopped = self._stopped()
        for touch in self.touches.values():
            yield from self._misplaced(touch)
            if self.waves[touch.wave].seq > stopped.get((self.waves[touch.wave].campaign, touch.customer), 99):
                yield f"touch {touch.id} is of a member whom the holdout of an earlier wave stopped"
        yield from self._dialled_twice()

    def _stopped(self) -> dict[tuple[int, int], int]:
        """(campaign, customer) to the number of the wave whose holdout stopped them."""
        return {
            (self.waves[wave].campaign, customer): self.waves[wave].seq
            for (wave, customer), row in self.enrolments.items()
            if row.verdict == Verdict.WAVE_HELD_OUT and self.waves[wave].holdout_stops
        }

    def _unbalanced(self, wave: Row) -> Iterator[str]:
        """Law 2: every member has one verdict; exactly the `go` ones have touches."""
        members = {customer for campaign, customer in self.members if campaign == wave.campaign}
        enrolled = {customer for number, customer in self.enrolments if number == wave.id}
        went = {c for (w, c), row in self.enrolments.items() if w == wave.id and row.verdict == Verdict.GO}
        touched = {row.customer for row in self.touches.values() if row.wave == wave.id}
        if members != enrolled:
            yield f"wave {wave.name}: members {sorted(members)}, with a verdict {sorted(enrolled)}"
        if went != touched:
            yield f"wave {wave.name}: go {sorted(went)}, with a touch {sorted(touched)}"

    def _badly_closed(self, wave: Row) -> Iterator[str]:
        states = Counter(State(row.state) for row in self.touches.values() if row.wave == wave.id)
        if states[State.QUEUED] or states[State.CLAIMED]:
            yield f"the closed wave {wave.name} has touches {dict(states)}"
        balance = json.loads(wave.balance)
        members = sum(1 for campaign, _ in self.members if campaign == wave.campaign)
        if not balance["balanced"] or sum(balance["verdicts"].values()) != members:
            yield f"the closed wave {wave.name} is not balanced: {balance}"

    def _misplaced(self, touch: Row) -> Iterator[str]:
        wave = self.waves[touch.wave]
        enrolment = self.enrolments.get((touch.wave, touch.customer))
        if self.members[wave.campaign, touch.customer].arm:
            yield f"touch {touch.id} is of a held-out member"
        if enrolment is None or not enrolment.channels & 1 << touch.channel:
            yield f"touch {touch.id} is on a channel that its member did not pass"
        if touch.state == State.LISTED and touch.id not in {entry.touch for entry in self.entries}:
            yield f"touch {touch.id} is listed on no list"

    def _dialled_twice(self) -> Iterator[str]:
        for name in ("customer", "number", "household"):
            active = [value for e in self.entries if e.active and (value := getattr(e, name)) is not None]
            yield from (f"{name} {value} is in {n} active entries" for value, n in Counter(active).items() if n > 1)
