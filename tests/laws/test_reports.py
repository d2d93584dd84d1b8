"""Law 4: any reports in any order, cut anyhow, any number of times, end in the same ledger.

More: raise EXAMPLES, or set derandomize to False, and let it run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert, select, update

from ledger import tables as t
from ledger.calls import Call, record_calls
from ledger.events import record_events
from tests.builders import HOUR, RULES, T0, Person, phone, plan_text, put
from tests.laws.cases import ACTIONS, REASONS, REPORTS, SIDES
from tests.laws.model import CALL
from tests.laws.rig import begin, rig
from waves.dispositions import ABSORBING, ENDS_NUMBER, Disposition
from waves.message import CHANNEL_CODES, Consent, Event
from waves.outcomes import Reason, State

EXAMPLES = 80
SMS = CHANNEL_CODES["sms"]
PEOPLE = (
    Person("c0", (("sms", phone(0)), ("sms", phone(1)), ("call_list", phone(0)), ("call_list", phone(3)))),
    Person("c1", (("sms", phone(1)), ("call_list", phone(1)))),
    Person("c2", (("sms", phone(2)), ("call_list", phone(0)), ("call_list", phone(3)))),
)
WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
WAVE += "  - {wave: call, channels: [call_list], listen: 3d}\n"
TIMES = st.sampled_from([T0 + n * HOUR for n in range(4)])
STATES = st.sampled_from([State.SENT, State.SENT, State.IN_DOUBT, State.CLAIMED, State.REFUSED, State.EXPIRED])
STANDINGS = st.sampled_from(
    [
        (Consent.GRANTED, "crm", T0 - HOUR),
        (Consent.GRANTED, "crm", T0 + 2 * HOUR),
        (Consent.GRANTED, "event", T0 + HOUR),
        (Consent.UNKNOWN, None, None),
        (Consent.DENIED, "crm", T0 + HOUR),
        (Consent.DENIED, "inherited", T0 + 2 * HOUR),
        (Consent.DENIED, "event", T0),
    ]
)


@dataclass(frozen=True)
class Said:
    """One report before it is known which touch it names; a call when it has a disposition."""

    who: int
    outcome: int
    at: Any
    action: Any = None
    reason: Any = None
    disposition: Disposition | None = None
    number: str | None = None
    scope: str = ""


WHO = st.sampled_from([0, 0, 0, 1, 2])
REPORTED = st.builds(Said, WHO, REPORTS | SIDES, TIMES, ACTIONS, REASONS, scope=st.sampled_from(["", "all"]))
NUMBERS = st.none() | st.sampled_from([phone(0), phone(3), phone(9)])
CALLED = st.builds(Said, WHO, st.just(0), TIMES, disposition=st.sampled_from(list(Disposition)), number=NUMBERS)
ENDED = st.builds(
    Said, st.just(0), st.just(0), TIMES, disposition=st.sampled_from([*ABSORBING, *ENDS_NUMBER]), number=NUMBERS
)
Ground = tuple[Connection, dict[int, list[int]], list[int]]


@pytest.fixture
def ground(ledger_url: str, tmp_path: Path) -> Iterator[Ground]:
    """A connection whose every example is rolled back: three people, a message and a call to each."""
    world = rig(tmp_path / "home", ledger_url)
    ids = put(world.ledger, PEOPLE)
    begin(world, world.bundle(plan_text(WAVE)))
    touches: dict[int, list[int]] = {SMS: [], CALL: []}
    with world.ledger.write() as connection:
        waves = list(connection.scalars(select(t.wave.c.id).order_by(t.wave.c.seq)))
        for channel, wave in zip(touches, waves, strict=True):
            for customer in ids.values():
                touches[channel].append(_touch(connection, wave, customer, channel))
    engine = world.ledger.engine.execution_options(writes=True)
    with engine.connect() as connection:
        yield connection, touches, list(ids.values())
    world.ledger.close()


def _touch(connection: Connection, wave: int, customer: int, channel: int) -> int:
    a = t.address.c
    place = connection.scalar(select(a.id).where(a.customer == customer, a.channel == channel).order_by(a.id).limit(1))
    row = {"wave": wave, "customer": customer, "channel": channel, "address": place, "variant": 0}
    row |= {"state": int(State.SENT), "not_before": T0, "not_after": T0 + HOUR, "claimed_by": "w", "claimed_at": T0}
    return connection.execute(insert(t.touch).values(row).returning(t.touch.c.id)).scalar_one()


def rows(connection: Connection, table: Table, *names: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, connection.execute(select(*[table.c[name] for name in names]))), key=repr)


def ledger_of(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All that reports may change, without the order and the time of their arrival."""
    return {
        "touches": rows(connection, t.touch, "id", "state", "outcome", "disposition", "reason", "action"),
        "addresses": rows(connection, t.address, "id", "state", "consent", "consent_source", "consent_at"),
        "suppressions": rows(connection, t.suppression, "customer", "channel", "value", "reason", "since", "until"),
        "conversions": rows(connection, t.conversion, "customer", "goal", "at", "source", "source_id"),
        "events": rows(connection, t.event, "provider", "provider_event_id", "touch", "outcome", "reason", "action"),
        "calls": rows(connection, t.call, "touch", "call_id", "disposition", "number"),
    }


def record(connection: Connection, touches: dict[int, list[int]], said: Sequence[tuple[int, Said]]) -> None:
    """Record one file of reports and one of calls."""
    events, calls = [], []
    for number, one in said:
        if one.disposition is None:
            report = Event(
                "", int(one.outcome), one.at, "wire", f"e{number}", one.reason, one.action, {"scope": one.scope}
            )
            events.append((report, touches[SMS][one.who]))
        else:
            calls.append(
                Call(one.disposition, one.at, f"c{number}", "dialler", touches[CALL][one.who], None, one.number)
            )
    record_events(connection, events, T0 + 9 * HOUR)
    record_calls(connection, calls, RULES, T0 + 9 * HOUR)


def cut(order: list[tuple[int, Said]], chance: Random) -> Iterator[list[tuple[int, Said]]]:
    while order:
        size = chance.randint(1, len(order))
        yield order[:size]
        order = order[size:]


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(REPORTED | CALLED | ENDED, min_size=2, max_size=9),
    states=st.lists(STATES, min_size=3, max_size=3),
    standings=st.lists(STANDINGS, min_size=9, max_size=9),
    chance=st.randoms(use_true_random=True),
)
def test_reports_in_any_order_end_alike(
    ground: Ground, said: list[Said], states: list[State], standings: list[Any], chance: Random
) -> None:
    connection, touches, _ = ground
    numbered = list(enumerate(said))
    found = []
    for again in (False, True):
        order = numbered[:]
        if again:
            order += chance.choices(numbered, k=3)
            chance.shuffle(order)
        with connection.begin() as transaction:
            set_the_scene(connection, touches, states, standings)
            for part in cut(order, chance) if again else [order]:
                record(connection, touches, part)
            found.append(ledger_of(connection))
            transaction.rollback()
    event(f"{sum(one.disposition is not None for one in said)} calls")
    first, second = found
    assert first == second


def set_the_scene(
    connection: Connection, touches: dict[int, list[int]], states: list[State], standings: list[Any]
) -> None:
    c, a = t.touch.c, t.address.c
    for touch, state in zip(touches[SMS], states, strict=True):
        own = {State.IN_DOUBT: Reason.WORKER_LOST, State.REFUSED: Reason.BLOCKED, State.EXPIRED: Reason.WAVE_CLOSED}
        change = {"state": int(state), "reason": own.get(state)}
        connection.execute(update(t.touch).where(c.id == touch).values(change))
    places = list(connection.scalars(select(a.id).order_by(a.id)))
    for place, (consent, source, at) in zip(places, standings, strict=True):
        values = {"consent": int(consent), "consent_source": source, "consent_at": at}
        connection.execute(update(t.address).where(a.id == place).values(values))
    connection.execute(update(t.touch).where(c.id.in_(touches[CALL])).values(state=int(State.LISTED)))


def test_a_report_may_come_before_or_after_the_sweep(ground: Ground) -> None:
    """A STOP proves the acceptance of a message as a delivery does, before its worker was missed or after."""
    from ledger.touches import sweep

    connection, touches, _ = ground
    found = []
    for stop_first in (True, False):
        with connection.begin() as transaction:
            set_the_scene(connection, touches, [State.CLAIMED] * 3, [(Consent.GRANTED, "crm", T0)] * 9)
            batch = {"id": 1, "wave": 1, "channel": SMS, "due": T0, "lease_owner": "w", "lease_until": T0}
            connection.execute(insert(t.batch).values(batch))
            connection.execute(update(t.touch).where(t.touch.c.id.in_(touches[SMS])).values(batch=1))
            stop = [(0, Said(0, 1001, T0 + timedelta(minutes=1)))]
            if stop_first:
                record(connection, touches, stop)
            sweep(connection, T0 + HOUR)
            if not stop_first:
                record(connection, touches, stop)
            found.append(ledger_of(connection))
            transaction.rollback()
    assert found[0] == found[1]
