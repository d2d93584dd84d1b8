"""The laws as plain Python over the ledger's rows: nothing here asks the gates, so that it may disagree with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, select

from ledger import tables as t
from ledger.engine_tables import doubt
from tests.builders import T0
from waves.dispositions import Disposition
from waves.draw import Draw, threshold
from waves.message import CHANNEL_CODES, CHANNEL_NAMES, AddressState, Consent
from waves.outcomes import Reason, State, Verdict

CALL = CHANNEL_CODES["call_list"]
Row = Any
ENDED = (State.REFUSED, State.EXPIRED, State.WITHDRAWN)
LIVE = ("running", "paused")
COUNTRY = {"Europe/London": "GB", "Europe/Paris": "FR", "Asia/Tokyo": "JP"}
"""Of the zones of these tests; every other one is of the United States."""
D = Disposition
SILENT = (D.WRONG_TIME, D.SUPPRESSED_DNC, D.SUPPRESSED_RULE, D.NOT_ATTEMPTED)


def permitted(rows: list[dict[str, Any]], call: bool, zones: str, jurisdictions: str, at: datetime) -> bool:
    """Whether every row that binds allows a contact at this instant on the clock of every zone."""
    places = {"everywhere"} | {COUNTRY.get(zone, "US") for zone in zones.split()}
    places |= {place for whole in jurisdictions.split() for place in (whole, whole.split("-")[0])}
    binding = [row for row in rows if row["for"] in places]
    if not zones or any(row["reviewed"] == "no" for row in binding):
        return False
    for local in (at.astimezone(ZoneInfo(zone)) for zone in zones.split()):
        day = {5: "sat", 6: "sun"}.get(local.weekday(), "mon_fri")
        for row in binding:
            windows = row["calls" if call else "messages"][day] or []
            windows = [windows] if windows and isinstance(windows[0], str) else windows
            if not any(opens <= f"{local:%H:%M}" < closes for opens, closes in windows):
                return False
    return True


@dataclass
class Known:
    """What is known of the plans and the hours outside of the ledger, and what the channels received."""

    hours: dict[str, list[list[dict[str, Any]]]] = field(default_factory=dict)
    """By campaign the rows of hours that bind it: those that it was started with, and those of today."""
    hold: timedelta = timedelta(0)
    ramps: dict[str, float] = field(default_factory=dict)
    """`campaign wave` to the first share."""
    received: list[tuple[int, datetime]] = field(default_factory=list)
    """(touch, when) of every message that may have reached its customer."""
    policies: dict[str, Callable[[str], str]] = field(default_factory=dict)
    """By campaign what its plan says of a channel's sends in doubt."""


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
    calls: list[Row]
    zone_sets: dict[int, Row]
    doubts: dict[int, Row]

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
            rows(t.call),
            {row.id: row for row in rows(t.zone_set)},
            {row.touch: row for row in rows(doubt)},
        )

    def running(self, state: str) -> set[int]:
        """The waves in this state whose campaign runs."""
        return {w.id for w in self.waves.values() if w.state == state and self.campaigns[w.campaign].state == "running"}

    def due(self, now: datetime) -> list[Row]:
        """The batches that a worker may try, those of a stopped wave and of a ramp's waiting rest among them."""
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
        return [self.waves[n] for n in sorted(self.running("open") & calls) if self.waves[n].stopped_at is None]

    def hindrances(self, touch: int, now: datetime, known: Known) -> list[str]:
        """Law 5 and 6, limits, hours and ramps: every fact of this moment that forbids this touch to leave."""
        row = self.touches[touch]
        wave = self.waves[row.wave]
        campaign, place = self.campaigns[wave.campaign], self.addresses[row.address]
        member = self.members[campaign.id, row.customer]
        found = {
            "its campaign is not running": campaign.state != "running",
            "its wave is not open": wave.state != "open",
            "its wave was stopped": wave.stopped_at is not None,
            "outside of its hours": not self.hours_allow(touch, now, known),
            "of a ramp's rest, too early": self._of_rest(touch, known)
            and (wave.ramp_passed is None or wave.ramp_passed > now or now < wave.opened + known.hold),
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
        return [reason for reason, true in found.items() if true] + list(self._too_many(row.customer, now, known))

    def hours_allow(self, touch: int, now: datetime, known: Known) -> bool:
        """Whether every set of hours that binds the campaign allows this touch at this instant."""
        row = self.touches[touch]
        home = self.zone_sets[self.customers[row.customer].zone_set]
        sets = known.hours.get(self.campaigns[self.waves[row.wave].campaign].name, [])
        return all(permitted(rows, row.channel == CALL, home.zones, home.jurisdictions, now) for rows in sets)

    def _of_rest(self, touch: int, known: Known) -> bool:
        row = self.touches[touch]
        wave = self.waves[row.wave]
        campaign = self.campaigns[wave.campaign].name
        share = known.ramps.get(f"{campaign} {wave.name}")
        bucket = self.customers[row.customer].bucket
        return share is not None and Draw.named("wave", campaign, wave.name, "ramp").ticket(bucket) >= threshold(share)

    def _too_many(self, customer: int, now: datetime, known: Known) -> Iterator[str]:
        """Each limit that binds the customer now and is broken by all that went or is on its way."""
        for campaign in self.campaigns.values():
            if campaign.limit_contacts is None or campaign.state not in LIVE:
                continue
            if (campaign.id, customer) in self.members:
                since = now - timedelta(microseconds=campaign.limit_within_us)
                counted = self._contacts(customer, since, known)
                if counted > campaign.limit_contacts:
                    yield f"{counted} contacts, where {campaign.name} allows {campaign.limit_contacts}"

    def _contacts(self, customer: int, since: datetime, known: Known) -> int:
        mine = {number: row for number, row in self.touches.items() if row.customer == customer}
        found = {touch for touch, at in known.received if touch in mine and at > since}
        active = {entry.touch for entry in self.entries if entry.active}
        rang = [call for call in self.calls if call.touch in mine and call.disposition not in SILENT]
        called = {call.touch for call in rang}
        for number, row in mine.items():
            at = row.sent_at or row.claimed_at
            if row.state == State.CLAIMED or (row.state in (State.SENT, State.IN_DOUBT) and at > since):
                found.add(number)
            listed = row.state == State.LISTED and number not in called
            if listed and (number in active or (row.claimed_at is not None and row.claimed_at > since)):
                found.add(number)
        return len(found) + sum(call.at > since for call in rang)

    @staticmethod
    def _stops(row: Row, customer: int, channel: int, value: str, now: datetime) -> bool:
        if row.until is not None and row.until <= now:
            return False
        return row.channel in (0, channel) and (row.value == value or (row.value is None and row.customer == customer))

    def broken(self) -> Iterator[str]:
        """Every breach of what must hold at every commit."""
        for wave in self.waves.values():
            if wave.state in ("open", "closing", "closed"):
                yield from self._unbalanced(wave)
            if wave.state == "closed":
                yield from self._badly_closed(wave)
        stopped = self._stopped()
        for touch in self.touches.values():
            yield from self._misplaced(touch)
            if self.waves[touch.wave].seq > stopped.get((self.waves[touch.wave].campaign, touch.customer), 99):
                yield f"touch {touch.id} is of a member whom the holdout of an earlier wave stopped"
        yield from self._dialled_twice()
        yield from self._doubted_too_much()

    def _doubted_too_much(self) -> Iterator[str]:
        """Law 3: of one lost worker's touches no more than one chunk is in doubt."""
        chunks: dict[str, set[tuple[Any, ...]]] = {}
        for touch in self.touches.values():
            if touch.state == State.IN_DOUBT and touch.reason == Reason.WORKER_LOST:
                chunks.setdefault(touch.claimed_by, set()).add((touch.batch, touch.claimed_at))
        yield from (f"{owner} left {len(of)} chunks in doubt" for owner, of in chunks.items() if len(of) > 1)

    def resends(self) -> dict[int, int]:
        """How often each touch was queued again by its plan."""
        return {touch: row.resends for touch, row in self.doubts.items() if row.resends}

    def held(self) -> list[Row]:
        """The touches that wait for a person."""
        held = {touch for touch, row in self.doubts.items() if row.decided == "hold"}
        return [row for row in self.touches.values() if row.id in held and row.state == State.IN_DOUBT]

    def undecided(self) -> list[int]:
        """The touches in doubt of which nothing was decided."""
        unsure = [row.id for row in self.touches.values() if row.state == State.IN_DOUBT]
        return [touch for touch in unsure if self.doubts[touch].decided is None]

    def ill_doubted(self, known: Known) -> Iterator[str]:
        """Law 3: every doubt is a row; who is queued again by the plan is so once, and by a plan that says it."""
        for touch in self.touches.values():
            row = self.doubts.get(touch.id)
            policy = known.policies[self.campaigns[self.waves[touch.wave].campaign].name]
            if touch.state == State.IN_DOUBT and row is None:
                yield f"touch {touch.id} is in doubt and nobody noted it"
            if row is not None and row.resends > (policy(CHANNEL_NAMES[touch.channel]) == "resend"):
                yield f"touch {touch.id} was queued again {row.resends} times"
            if touch.state == State.QUEUED and (touch.sent_at is not None) != bool(row is not None and row.resends):
                yield f"touch {touch.id} waits, sent at {touch.sent_at}"

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
