"""One customer's whole story in a campaign, read back from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select, type_coerce

from ledger import tables as t
from ledger.dial_tables import reversed_call
from ledger.doubts import doubt_of
from waves.outcomes import Outcome, Part, State, Verdict, part_of


@dataclass(frozen=True, slots=True)
class TouchStory:
    """One touch with everything that came back for it."""

    row: Row[Any]
    events: Sequence[Row[Any]]
    calls: Sequence[Row[Any]]
    doubt: Row[Any] | None = None
    """How it was in doubt, and what was decided; None: it never was."""
    reversed: Sequence[Row[Any]] = ()
    """Calls of a file that was undone."""

    def outcome_by(self, mark: int | None) -> int | None:
        """The highest outcome among the reports known when a wave with this event mark opened; None: known now."""
        if mark is None:
            latest: int | None = self.row.outcome
            return latest
        said = {e.id: int(e.outcome) for e in self.events if e.id <= mark and e.outcome <= max(Outcome)}
        if self.calls:
            telling = [call for call in self.calls if call.event in said]
            best = max(telling, key=lambda call: (call.strength, call.at, call.call_id), default=None)
            return None if best is None else said[best.event]
        return max(said.values(), default=None)


@dataclass(frozen=True, slots=True)
class WaveStory:
    """What a wave decided about the customer, and what became of it."""

    row: Row[Any]
    verdict: Verdict | None
    touches: Sequence[TouchStory]

    def part(self, mark: int | None = None) -> Part | None:
        """The part the customer fell into by the reports known at an event mark; None: not a `go` member."""
        if self.verdict is not Verdict.GO:
            return None
        outcomes = [found for touch in self.touches if (found := touch.outcome_by(mark)) is not None]
        return part_of(max(outcomes, default=None), {State(touch.row.state) for touch in self.touches})


@dataclass(frozen=True, slots=True)
class Story:
    """A member's story: arm, frozen columns, waves in order, conversions, suppressions."""

    customer: Row[Any]
    arm: int | None
    columns: Mapping[str, object]
    waves: Sequence[WaveStory]
    conversions: Sequence[Row[Any]]
    suppressions: Sequence[Row[Any]]
    contacts: Sequence[Row[Any]]
    """Every touch over all campaigns that was or may yet be a contact: campaign, wave, channel, state, at."""


def story(connection: Connection, campaign: int, customer: int, types: Mapping[str, str]) -> Story:
    """Everything the ledger knows of one customer in one campaign; arm is None for somebody who is no member."""
    member = t.member_table(types)
    found = connection.execute(
        select(member).where(member.c.campaign == campaign, member.c.customer == customer)
    ).one_or_none()
    waves = connection.execute(select(t.wave).where(t.wave.c.campaign == campaign).order_by(t.wave.c.seq)).all()
    v, s = t.conversion.c, t.suppression.c
    return Story(
        customer=connection.execute(select(t.customer).where(t.customer.c.id == customer)).one(),
        arm=None if found is None else found.arm,
        columns={} if found is None else {name: getattr(found, name) for name in types},
        waves=[_wave_story(connection, row, customer) for row in waves],
        conversions=connection.execute(select(t.conversion).where(v.customer == customer).order_by(v.at, v.id)).all(),
        suppressions=connection.execute(
            select(t.suppression).where(s.customer == customer).order_by(s.since, s.id)
        ).all(),
        contacts=_contacts(connection, customer),
    )


def _contacts(connection: Connection, customer: int) -> Sequence[Row[Any]]:
    c, w = t.touch.c, t.wave.c
    made = [int(state) for state in (State.QUEUED, State.CLAIMED, State.SENT, State.IN_DOUBT, State.LISTED)]
    at = type_coerce(func.coalesce(c.sent_at, c.claimed_at), c.sent_at.type).label("at")
    return connection.execute(
        select(t.campaign.c.name.label("campaign"), w.name.label("wave"), c.channel, c.state, at, c.not_before)
        .join(t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .where(c.customer == customer, c.state.in_(made))  # ix_touch_customer
        .order_by(func.coalesce(c.sent_at, c.claimed_at, c.not_before), c.id)
    ).all()


def _wave_story(connection: Connection, row: Row[Any], customer: int) -> WaveStory:
    e, c = t.enrolment.c, t.touch.c
    verdict = connection.scalar(select(e.verdict).where(e.wave == row.id, e.customer == customer))
    touches = connection.execute(select(t.touch).where(c.wave == row.id, c.customer == customer).order_by(c.id)).all()
    return WaveStory(row, None if verdict is None else Verdict(verdict), [_touch_story(connection, x) for x in touches])


def _touch_story(connection: Connection, row: Row[Any]) -> TouchStory:
    ev, k = t.event.c, t.call.c
    events = connection.execute(select(t.event).where(ev.touch == row.id).order_by(ev.at, ev.id)).all()
    calls = connection.execute(select(t.call).where(k.touch == row.id).order_by(k.at, k.event)).all()
    r = reversed_call.c
    undone = connection.execute(select(reversed_call).where(r.touch == row.id).order_by(r.at, r.event)).all()
    return TouchStory(row, events, calls, doubt_of(connection, row.id), undone)
