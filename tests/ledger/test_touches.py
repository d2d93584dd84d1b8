"""A batch in one worker's hands: leased once, claimed in chunks, settled by receipts, in doubt when it is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, select

from flows.hours import keep_hours
from flows.running import gates_of, load_running
from ledger import tables as t
from ledger import touches
from ledger.store import Ledger
from ledger.touches import Claimed, Leased, due_batches, finish, give_back, lease, settle, sweep
from tests.builders import DAY, HOUR, T0, Person, World, make_world, phone, plan_text, put, reachable
from tests.steps import address_words, as_words, hold_back, send_one, suppress
from waves.message import Consent, Receipt
from waves.outcomes import Action, Outcome, Reason, State

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
MINUTE = timedelta(minutes=1)
LEASE = 2 * MINUTE


def queued(world: World, people: int = 3) -> int:
    """A wave with queued touches in one batch; the batch."""
    put(world.ledger, [reachable(n) for n in range(people)])
    world.start(plan_text(SMS))
    hold_back(world, "notice")
    (batch,) = {row.batch for row in world.touches("notice")}
    return int(batch)


def take(world: World, batch: int, owner: str = "worker", now: datetime = T0) -> Leased | None:
    with world.ledger.write() as connection:
        return lease(connection, batch, owner, now, LEASE)


def claim(world: World, leased: Leased, size: int = 100, now: datetime = T0) -> list[Claimed] | None:
    running = load_running(world.ledger, "test")
    with world.ledger.write() as connection:
        gates = gates_of(running, running.plan.wave("notice"), now)
        return touches.claim(connection, leased, gates, running.types, size, now)


def taken(world: World, people: int = 3, size: int = 100) -> tuple[Leased, list[int]]:
    """A leased batch and the touches claimed of it."""
    leased = take(world, queued(world, people))
    assert leased is not None
    return leased, [one.touch for one in claim(world, leased, size) or []]


def settled(world: World, receipts: list[tuple[int, Receipt]], owner: str = "worker", now: datetime = T0) -> None:
    with world.ledger.write() as connection:
        settle(connection, owner, receipts, "outbox", Decimal("0.0075"), now)


def states(world: World) -> list[str]:
    return [State(row.state).name.lower() for row in world.touches("notice")]


def batch_row(world: World) -> Any:
    with world.ledger.read() as connection:
        return connection.execute(select(t.batch)).one()


def test_a_batch_has_one_worker_until_its_lease_ends(lite: World) -> None:
    batch = queued(lite)
    assert take(lite, batch, "one") == Leased(batch, 1, 2, "one", T0 + LEASE, T0)
    assert take(lite, batch, "two", T0 + LEASE - timedelta(microseconds=1)) is None
    assert take(lite, batch, "two", T0 + LEASE) is not None
    with lite.ledger.read() as connection:
        assert due_batches(connection, 1, T0 + LEASE) == []
        assert due_batches(connection, 1, T0 + 2 * LEASE) == [batch]
        assert due_batches(connection, 1, T0 - MINUTE) == []


def test_two_workers_at_once(world: World) -> None:
    batch = queued(world)
    gate = Barrier(2)

    def at_once(owner: str) -> Leased | None:
        gate.wait(30)
        return take(world, batch, owner)

    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(at_once, ["one", "two"]))
    assert sum(one is not None for one in got) == 1


def test_chunks_are_claimed_in_order_and_each_touch_once(lite: World) -> None:
    leased, first = taken(lite, people=5, size=2)
    rest = [[one.touch for one in claim(lite, leased, 2) or []] for _ in range(2)]
    everybody = [row.id for row in lite.touches("notice")]
    assert [first, *rest] == [everybody[:2], everybody[2:4], everybody[4:]]
    assert claim(lite, leased, 2) is None
    assert {(row.claimed_by, row.claimed_at) for row in lite.touches("notice")} == {("worker", T0)}


def test_a_chunk_of_withdrawn_touches_is_not_the_end(lite: World) -> None:
    leased, _ = taken(lite, people=3, size=1)
    suppress(lite, "c1")
    assert claim(lite, leased, 1) == []
    assert [one.customer for one in claim(lite, leased, 1) or []] == [3]
    assert states(lite) == ["claimed", "withdrawn", "claimed"]


def set_campaign(state: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        with world.ledger.write() as connection:
            connection.execute(t.campaign.update().values(state=state))

    return change


def set_wave(**values: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        with world.ledger.write() as connection:
            connection.execute(t.wave.update().values(**values))

    return change


def take_over(world: World) -> None:
    with world.ledger.write() as connection:
        connection.execute(t.batch.update().values(lease_owner="other"))


@pytest.mark.parametrize(
    ("happens", "now"),
    [
        (set_campaign("paused"), T0),
        (set_campaign("aborted"), T0),
        (set_wave(state="closed"), T0),
        (take_over, T0),
        (lambda world: None, T0 + LEASE),
        (lambda world: None, T0 + 2 * HOUR),
        (lambda world: None, T0 - MINUTE),
    ],
    ids=["paused", "aborted", "closed", "taken over", "past its lease", "after the release", "before its time"],
)
def test_nothing_is_claimed_and_all_stays_queued(lite: World, happens: Callable[[World], None], now: datetime) -> None:
    leased = take(lite, queued(lite))
    assert leased is not None
    happens(lite)
    assert claim(lite, leased, now=now) is None
    assert states(lite) == ["queued"] * 3


def test_a_worker_past_its_lease_sends_nothing(tmp_path: Any, sqlite_url: str) -> None:
    """A lease too short for one chunk: the worker begins nothing, and what it left waits for a longer one."""
    world = make_world(tmp_path / "home", sqlite_url)
    world.room.settings = world.room.settings.model_copy(update={"lease": timedelta(seconds=2)})
    batch = queued(world)
    assert not send_one(world.room, load_running(world.ledger, "test"), "notice", batch, T0).receipts
    assert (states(world), world.outbox("sms")) == (["queued"] * 3, [])
    assert (batch_row(world).lease_owner, batch_row(world).done_at) == (None, None)
    world.ledger.close()


# receipt -> (state, outcome, reason), when it may go again, consent and state of the address
SETTLED: dict[str, tuple[Receipt, tuple[str, str | None], timedelta | None, tuple[str, str]]] = {
    "accepted": (Receipt("", "accepted", "ref 1"), ("sent", None), None, ("ok", "granted")),
    "refused": (Receipt("", "refused", reason=Reason.CONTENT), ("refused", "content"), None, ("ok", "granted")),
    "refused, the address is bad": (
        Receipt("", "refused", reason=Reason.INVALID_ADDRESS, action=Action.DROP_ADDRESS),
        ("refused", "invalid_address"),
        None,
        ("dead", "granted"),
    ),
    "refused, the customer said no before": (
        Receipt("", "refused", reason=Reason.OPTED_OUT, action=Action.DROP_CONSENT),
        ("refused", "opted_out"),
        None,
        ("ok", "denied"),
    ),
    "not sent, no wait named": (
        Receipt("", "not_sent", reason=Reason.PROVIDER),
        ("queued", "provider"),
        MINUTE,
        ("ok", "granted"),
    ),
    "not sent, wait named": (
        Receipt("", "not_sent", reason=Reason.RATE_LIMITED, action=Action.RETRY, retry_after_s=1.5),
        ("queued", "rate_limited"),
        timedelta(seconds=1.5),
        ("ok", "granted"),
    ),
    "in doubt": (Receipt("", "in_doubt", reason=Reason.PROVIDER), ("in_doubt", "provider"), None, ("ok", "granted")),
}


def test_each_receipt_settles_its_touch(world: World) -> None:
    """One chunk with every kind of receipt in it."""
    _, claimed = taken(world, people=len(SETTLED))
    settled(world, list(zip(claimed, (receipt for receipt, *_ in SETTLED.values()), strict=True)))
    rows = world.touches("notice")
    assert [(as_words(row)[1], as_words(row)[3]) for row in rows] == [words for _, words, _, _ in SETTLED.values()]
    waits = [row.not_before - T0 if row.state == State.QUEUED else None for row in rows]
    assert waits == [wait for _, _, wait, _ in SETTLED.values()]
    places = address_words(world, "sms")
    assert [places[phone(n)][1:3] for n in range(len(rows))] == [place for *_, place in SETTLED.values()]
    assert (rows[0].provider, rows[0].provider_ref, rows[0].sent_at, rows[0].cost) == (
        "outbox",
        "ref 1",
        T0,
        Decimal("0.0075"),
    )


def test_a_refusal_for_want_of_consent_is_a_no_to_the_whole_channel(lite: World) -> None:
    """Like a STOP: the customer's other number and the flatmate's row of this one are denied as well."""
    spare, own = phone(7), phone(8)
    first = Person("c1", (("sms", phone(1)), ("sms", spare), ("call_list", phone(1))))
    put(lite.ledger, [first, Person("c2", (("sms", phone(1)), ("sms", own)))])
    lite.start(plan_text(SMS))
    hold_back(lite, "notice")
    batch = lite.touches("notice")[0].batch
    leased = take(lite, batch)
    assert leased is not None
    refused = (claim(lite, leased) or [])[0].touch
    settled(lite, [(refused, Receipt("", "refused", reason=Reason.OPTED_OUT, action=Action.DROP_CONSENT))])
    with lite.ledger.read() as connection:
        granted = select(t.address.c.channel, t.address.c.value).where(t.address.c.consent == int(Consent.GRANTED))
        assert set(connection.execute(granted).tuples()) == {(2, own), (4, phone(1))}


def test_a_report_that_came_first_proves_the_send(lite: World) -> None:
    leased, claimed = taken(lite)
    lite.report(claimed[0], Outcome.FAILED, reason=Reason.CARRIER)
    lite.report(claimed[1], Outcome.DELIVERED)
    settled(lite, [(claimed[0], Receipt("", "accepted")), (claimed[1], Receipt("", "in_doubt", reason=Reason.OTHER))])
    with lite.ledger.write() as connection:
        assert sweep(connection, leased.until) == 1
    assert [as_words(row)[1:] for row in lite.touches("notice")] == [
        ("sent", "failed", "carrier"),
        ("sent", "delivered", None),
        ("in_doubt", None, "worker_lost"),
    ]


def test_only_the_worker_that_claimed_settles_or_gives_back(lite: World) -> None:
    _, claimed = taken(lite)
    settled(lite, [(touch, Receipt("", "accepted")) for touch in claimed], owner="another")
    with lite.ledger.write() as connection:
        give_back(connection, "another", claimed, T0)
    assert states(lite) == ["claimed"] * 3
    with lite.ledger.write() as connection:
        give_back(connection, "worker", claimed[:1], T0)
    settled(lite, [(touch, Receipt("", "accepted")) for touch in claimed])
    assert states(lite) == ["queued", "sent", "sent"]


def test_a_worker_swept_up_before_it_began_gives_back(lite: World) -> None:
    """It was stopped between its claim and its send: nothing has left, so nothing stays in doubt."""
    leased, claimed = taken(lite)
    with lite.ledger.write() as connection:
        assert sweep(connection, leased.until) == 3
    assert states(lite) == ["in_doubt"] * 3
    with lite.ledger.write() as connection:
        give_back(connection, "worker", claimed, leased.until)
    assert states(lite) == ["queued"] * 3


@pytest.mark.parametrize(
    ("result", "state"),
    [("accepted", "sent"), ("refused", "refused"), ("not_sent", "queued"), ("in_doubt", "in_doubt")],
)
def test_a_slow_worker_still_tells_what_it_knows(lite: World, result: Any, state: str) -> None:
    """It was swept up while the provider was on the line."""
    leased, claimed = taken(lite)
    with lite.ledger.write() as connection:
        assert sweep(connection, leased.until) == 3
    settled(lite, [(claimed[0], Receipt("", result))], now=leased.until + MINUTE)
    assert states(lite) == [state, "in_doubt", "in_doubt"]


def test_a_finished_batch_is_done_or_due_again(lite: World) -> None:
    leased, claimed = taken(lite)

    def finished(now: datetime) -> tuple[datetime, bool, str | None]:
        with lite.ledger.write() as connection:
            finish(connection, leased, now)
        row = batch_row(lite)
        return row.due, row.done_at is not None, row.lease_owner

    later = Receipt("", "not_sent", retry_after_s=600)
    soon = Receipt("", "not_sent", retry_after_s=300)
    settled(lite, [(claimed[0], later), (claimed[1], soon)])
    assert finished(T0) == (T0 + timedelta(seconds=300), False, None)
    settled(lite, [(claimed[2], Receipt("", "accepted"))])
    again = take(lite, leased.batch, now=T0 + HOUR)
    assert again is not None
    leased = again
    rest = [one.touch for one in claim(lite, leased, now=T0 + HOUR) or []]
    assert rest == claimed[:2]
    assert finished(T0 + HOUR) == (T0 + timedelta(seconds=300), False, None)  # still in hand: neither done nor due anew
    settled(lite, [(touch, Receipt("", "accepted")) for touch in rest])
    assert take(lite, leased.batch, now=T0 + HOUR) is not None
    assert finished(T0 + HOUR) == (T0 + timedelta(seconds=300), True, None)
    assert take(lite, leased.batch, now=T0 + DAY) is None


def test_a_batch_whose_touches_may_no_longer_go_is_done(lite: World) -> None:
    leased, claimed = taken(lite)
    settled(lite, [(touch, Receipt("", "not_sent", retry_after_s=3 * 3600)) for touch in claimed])
    with lite.ledger.write() as connection:
        finish(connection, leased, T0 + 2 * HOUR)
    assert batch_row(lite).done_at == T0 + 2 * HOUR
    assert states(lite) == ["queued"] * 3


@pytest.mark.parametrize(
    ("after", "gone", "swept"),
    [(LEASE - MINUTE, False, 0), (LEASE, False, 2), (timedelta(0), True, 2)],
    ids=["within the lease", "past the lease", "the engine's lock says they are gone"],
)
def test_the_claims_of_a_lost_worker_are_in_doubt(lite: World, after: timedelta, gone: bool, swept: int) -> None:
    taken(lite, people=3, size=2)
    with lite.ledger.write() as connection:
        assert sweep(connection, T0 + after, gone) == swept
        assert sweep(connection, T0 + after, gone) == 0
    assert states(lite) == (["in_doubt"] * 2 if swept else ["claimed"] * 2) + ["queued"]
    row = lite.touches("notice")[0]
    assert (row.sent_at, row.reason) == ((T0, Reason.WORKER_LOST) if swept else (None, None))


def test_who_takes_over_a_batch_sends_no_claim_of_the_lost_worker(lite: World) -> None:
    """Nobody swept before the second worker took the batch: else the first one's claims would be held for ever."""
    leased, claimed = taken(lite, people=3, size=2)
    lite.report(claimed[0], Outcome.DELIVERED)
    second = take(lite, leased.batch, "second", leased.until)
    assert second is not None
    assert states(lite) == ["sent", "in_doubt", "queued"]
    (last,) = claim(lite, second, now=leased.until) or []
    settled(lite, [(last.touch, Receipt("", "accepted"))], "second", leased.until)
    with lite.ledger.write() as connection:
        finish(connection, second, leased.until)
    assert (states(lite), batch_row(lite).done_at) == (["sent", "in_doubt", "sent"], leased.until)


def test_batches_are_whole_and_nobody_is_left_out(tmp_path: Any, ledger_url: str) -> None:
    """Two channels, ranges of 20 customers, batches of 8: full ones, then the rest of the range."""
    world = make_world(tmp_path / "home", ledger_url, batch_size=8, enrol_range=20)
    put(world.ledger, [reachable(n) for n in range(45)])
    world.start(plan_text(SMS.replace("[sms]", "[sms, email]")))
    hold_back(world, "notice")
    rows = world.touches("notice")
    sizes = Counter((row.channel, row.batch) for row in rows)
    for channel in (2, 3):
        assert [n for (code, _), n in sorted(sizes.items()) if code == channel] == [8, 8, 4, 8, 8, 4, 5]
    assert len({row.batch for row in rows}) == 14
    with world.ledger.read() as connection:
        batches = {row.id: (row.channel, row.due) for row in connection.execute(select(t.batch))}
    assert batches == {batch: (channel, T0) for channel, batch in sizes}
    world.ledger.close()


class Crowded(Ledger):
    """A ledger on the real clock, where each writer waits for the one before it."""

    clock, waits = T0, timedelta(0)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            self.clock += self.waits
            yield connection

    def now(self) -> datetime:
        return self.clock


@pytest.mark.parametrize(("waits", "sent"), [(timedelta(seconds=50), 3), (timedelta(minutes=3), 0)])
def test_the_clock_is_read_after_the_wait_for_other_writers(
    tmp_path: Any, sqlite_url: str, waits: timedelta, sent: int
) -> None:
    world = make_world(tmp_path / "home", sqlite_url)
    batch = queued(world)
    keep_hours(world.room, T0)  # or the first look at the hours would be a write too
    world.room.ledger = ledger = Crowded(world.ledger.engine)
    ledger.simulated, ledger.waits = False, waits
    said = send_one(world.room, load_running(ledger, "test"), "notice", batch, T0)
    assert (said.receipts["accepted"], len(world.outbox("sms"))) == (sent, sent)
    ledger.close()
