"""A sender's room: the rate in any window, caps and warm-ups by day, holds, slots, the breaker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import pace
from ledger.breaker import heard
from ledger.slots import free_slot, take_slot
from ledger.store import Ledger, create_ledger
from tests.builders import DAY, HOUR, T0
from waves.message import Receipt
from waves.outcomes import Action, Reason
from waves.senders import Sender, parse_rate

WAIT = timedelta(seconds=5)
MIDNIGHT = T0.replace(hour=0)


def sender(**more: object) -> Sender:
    return Sender.model_validate({"sender": "one", "channel": "sms", "provider": "http", **more})


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = create_ledger(ledger_url)
    yield opened
    opened.close()


def take(ledger: Ledger, one: Sender, wanted: int, now: datetime = T0, simulated: bool = False) -> pace.Grant:
    with ledger.write() as connection:
        return pace.take(connection, one, wanted, now, WAIT, simulated)


def hear(ledger: Ledger, one: Sender, receipts: list[Receipt], now: datetime = T0) -> str | None:
    with ledger.write() as connection:
        return heard(connection, one, receipts, now)


def test_grants_of_many_workers_never_exceed_the_rate(ledger: Ledger) -> None:
    """By what was granted: in any window the rate times its length, and one slice; each begins where one ended."""
    one, barrier = sender(rate="80/s"), Barrier(4)

    def work(_: int) -> list[pace.Grant]:
        barrier.wait(30)
        return [take(ledger, one, 500) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        grants = sorted((g for found in pool.map(work, range(4)) for g in found if g.messages), key=lambda g: g.begins)
    assert len(grants) >= 18
    for first, later in pairwise(grants):
        assert first.ends is not None
        assert later.begins >= first.ends
    for n, first in enumerate(grants):
        sent = 0
        for last in grants[n:]:
            sent += last.messages
            window = (last.begins - first.begins).total_seconds()
            assert sent <= 80 * window + 80 * pace.SLICE_S + 1e-6


def test_who_would_wait_too_long_gets_nothing_and_takes_nothing(ledger: Ledger) -> None:
    one = sender(rate="1/m")
    first, second = take(ledger, one, 10), take(ledger, one, 10)
    assert (first.messages, second.messages) == (1, 0)
    assert second.begins == first.ends
    with ledger.write() as connection:
        pace.give_back(connection, one, first, 1)
    assert take(ledger, one, 10).messages == 1


def test_segments_beyond_one_are_charged_to_the_rate(ledger: Ledger) -> None:
    one = sender(rate="1/m", per="unit")
    first = take(ledger, one, 1)
    with ledger.write() as connection:
        pace.charge(connection, one, 2)
    assert first.ends is not None
    assert take(ledger, one, 1).begins == first.ends + timedelta(minutes=2)


def test_a_wait_that_the_provider_asked_for_holds(ledger: Ledger) -> None:
    one = sender()
    limited = Receipt("t", "not_sent", reason=Reason.RATE_LIMITED, retry_after_s=600)
    assert hear(ledger, one, [Receipt("t", "accepted"), limited]) is None
    assert hear(ledger, one, [Receipt("t", "not_sent", reason=Reason.RATE_LIMITED, retry_after_s=5)]) is None
    held = take(ledger, one, 10, simulated=True)
    assert (held.messages, held.begins) == (0, T0 + timedelta(minutes=10))
    soon = take(ledger, one, 10, T0 + timedelta(seconds=597))
    assert (soon.messages, soon.waits_s) == (10, 3)
    assert take(ledger, one, 10, T0 + timedelta(minutes=10), simulated=True).messages == 10


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    opened = create_ledger(f"sqlite:///{tmp_path_factory.mktemp('caps') / 'ledger.db'}")
    yield opened
    opened.close()


@given(
    cap=st.integers(1, 30),
    warm=st.none()
    | st.builds(lambda first, grows: {"first": first, "grows": grows}, st.integers(1, 9), st.floats(1.1, 3)),
    asked=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 25), st.integers(0, 25)), min_size=1, max_size=25),
)
def test_no_day_exceeds_its_cap_and_room_given_back_is_used(
    books: Ledger, cap: int, warm: dict[str, float] | None, asked: list[tuple[int, int, int]]
) -> None:
    one = sender(daily_cap=cap, warm_up=warm)
    with books.write() as connection:
        connection.exec_driver_sql("DELETE FROM sender")
    now, first = T0, 0
    begun: dict[int, int] = {}
    for hours, wanted, unused in asked:
        now += hours * HOUR
        grant, day = take(books, one, wanted, now, simulated=True), (now - MIDNIGHT).days
        first = first if begun else day
        most = one.cap_on(day - first)
        assert most is not None
        assert grant.messages == min(wanted, most - begun.get(day, 0))
        assert grant.messages or grant.begins == MIDNIGHT + (day + 1) * DAY
        back = min(unused, grant.messages)
        with books.write() as connection:
            pace.give_back(connection, one, grant, back)
        begun[day] = begun.get(day, 0) + grant.messages - back


def test_a_warm_up_grows_day_by_day_up_to_the_cap() -> None:
    one = sender(daily_cap=300, warm_up={"first": 50, "grows": 2})
    assert [one.cap_on(day) for day in range(5)] == [50, 100, 200, 300, 300]
    assert sender(warm_up={"first": 50, "grows": 1.5}).cap_on(10_000) == 10**12


def test_no_more_batches_are_in_hand_than_places(ledger: Ledger) -> None:
    one, barrier = sender(concurrency=64), Barrier(8)
    assert one.slots == 4

    def place(owner: str, now: datetime = T0) -> bool:
        with ledger.write() as connection:
            return take_slot(connection, one, 4, owner, now, now + HOUR)

    def work(number: int) -> bool:
        barrier.wait(30)
        return place(f"w{number}")

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(work, range(8)))
    assert 1 <= sum(taken) <= 4
    for number in range(8):  # who was passed by meanwhile finds what is left, and no more
        taken[number] = taken[number] or place(f"w{number}")
    assert sum(taken) == 4
    with ledger.write() as connection:
        free_slot(connection, one, f"w{taken.index(True)}")
    assert place("next")
    assert not place("one too many")
    assert place("a lost worker's, when its lease has ended", T0 + HOUR)


DOWN = Receipt("t", "not_sent", reason=Reason.PROVIDER)
OK = Receipt("t", "accepted")
BAD_ADDRESS = Receipt("t", "refused", reason=Reason.INVALID_ADDRESS, action=Action.DROP_ADDRESS)
HALF = {"failures": 0.5, "of": 10}


def test_the_breaker_counts_a_share_and_names_its_reason(ledger: Ledger) -> None:
    one = sender(breaker=HALF)
    assert hear(ledger, one, [BAD_ADDRESS] * 200) is None
    assert hear(ledger, one, [OK] * 5 + [DOWN] * 5) is None
    assert hear(ledger, one, [OK] * 80 + [DOWN] * 20) is None  # a large chunk is judged by its share
    assert hear(ledger, one, [DOWN] * 5) is None
    assert hear(ledger, one, [DOWN]) == "6 of its last 6 attempts failed (provider)"


def test_a_paused_sender_is_tried_with_one_message(ledger: Ledger) -> None:
    one = sender(breaker=HALF)
    assert hear(ledger, one, [DOWN] * 6)
    assert take(ledger, one, 100).messages == 1
    assert hear(ledger, one, [DOWN]) == "it still fails after its pause (provider)"
    assert take(ledger, one, 100).messages == 1
    assert hear(ledger, one, [BAD_ADDRESS]) is None
    assert take(ledger, one, 100).messages == 100
    assert hear(ledger, one, [DOWN] * 5) is None


def test_a_provider_that_refuses_the_sender_itself_is_asked_no_more(ledger: Ledger) -> None:
    refused = Receipt("t", "refused", reason=Reason.ACCOUNT, action=Action.STOP_PROVIDER)
    assert hear(ledger, sender(), [OK] * 50 + [refused]) == "its provider refuses it (account)"


@pytest.mark.parametrize("text", ["0/s", "-1/s", "80", "1e9/s", "100001/s", "0.5/d", "nan", "80/week", "", -3.0, 0.0])
def test_a_rate_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no rate; write one from"):
        parse_rate(text)
