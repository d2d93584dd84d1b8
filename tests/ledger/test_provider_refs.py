"""Reports that name a provider's reference: they find their touch, before and after the answer that gave it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from flows.reports import record_came
from ledger import provider_refs, seeds
from ledger import tables as t
from ledger.channel_tables import early_report, provider_ref
from ledger.events import Recorded
from ledger.provider_refs import keep_refs, touches_of
from ledger.touches import settle
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from waves.message import CHANNEL_CODES, Event, Receipt
from waves.outcomes import Action, Outcome, Reason, State

WAVES = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    """Five touches on their way, on each of the two databases."""
    yield from sending(tmp_path, ledger_url)


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    """The same on SQLite, for what no dialect can change."""
    yield from sending(tmp_path, sqlite_url)


def sending(tmp_path: Path, url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", url)
    put(made.ledger, [reachable(n, ["sms"]) for n in range(5)])
    made.start(plan_text(WAVES))
    made.advance(T0)
    yield made
    made.ledger.close()


def report(ref: str, outcome: Outcome = Outcome.DELIVERED, ident: str = "", **more: Any) -> Event:
    word = outcome.name.lower()
    return Event("", int(outcome), T0, "smsc", ident or f"{ref}/{word}", raw={"stat": word}, ref=ref, **more)


def claimed(world: World, touch: int) -> None:
    """The touch as a worker has it in hand."""
    with world.ledger.write() as connection:
        connection.execute(
            t.touch.update()
            .where(t.touch.c.id == touch)
            .values(state=int(State.CLAIMED), claimed_by="w", claimed_at=T0, sent_at=None, provider_ref=None)
        )


def settled(world: World, touch: int, *refs: str) -> None:
    receipt = Receipt("", "accepted", refs[-1] if refs else None, refs=refs)
    with world.ledger.write() as connection:
        settle(connection, "w", [(touch, receipt)], "smsc", None, T0)


def count(world: World, table: Any) -> int:
    with world.ledger.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def outcome(world: World, touch: int) -> int | None:
    return next(row.outcome for row in world.touches("notice") if row.id == touch)


def test_a_report_finds_its_touch_by_any_part(world: World) -> None:
    first, second, *_ = (row.id for row in world.touches("notice"))
    claimed(world, first)
    settled(world, first, "m1", "m2")
    claimed(world, second)
    settled(world, second, "m3")
    said = [report("m1", Outcome.IN_TRANSIT), report("m2"), report("m3", Outcome.BOUNCED_SOFT)]
    assert record_came(world.room, said, T0) == Recorded(3, 0, 0)
    assert record_came(world.room, said, T0) == Recorded(0, 3, 0)
    assert (outcome(world, first), outcome(world, second)) == (Outcome.DELIVERED, Outcome.BOUNCED_SOFT)
    assert [row.provider_ref for row in world.touches("notice")[:2]] == ["m2", "m3"]


def test_a_reference_that_an_old_seed_had_is_the_customers_now(lite: World) -> None:
    touch = lite.touches("notice")[0].id
    one = seeds.SeedMessage("test:1", "test", "notice", "desk", CHANNEL_CODES["sms"], 0)
    with lite.ledger.write() as connection:
        (ident,) = seeds.claim(connection, [one], T0 - 8 * DAY).values()
        seeds.settle(connection, [(ident, Receipt("", "accepted", "m1"))], "smsc", T0 - 8 * DAY)
    claimed(lite, touch)
    settled(lite, touch, "m1")
    assert record_came(lite.room, [report("m1")], T0) == Recorded(1, 0, 0)
    assert outcome(lite, touch) == Outcome.DELIVERED


def test_a_report_that_comes_before_its_answer_is_committed_waits_for_it(world: World) -> None:
    touch = world.touches("notice")[0].id
    claimed(world, touch)
    early = [report("m1", Outcome.IN_TRANSIT), report("m1", action=Action.OK)]
    assert record_came(world.room, early, T0) == Recorded(2, 0, 0)
    record_came(world.room, early, T0)  # they come again
    assert (count(world, early_report), count(world, t.event)) == (2, 0)
    settled(world, touch, "m1")
    assert outcome(world, touch) is None
    world.advance(T0 + MINUTE)
    assert (count(world, early_report), count(world, t.event)) == (0, 2)
    assert outcome(world, touch) == Outcome.DELIVERED
    assert record_came(world.room, early, T0) == Recorded(0, 2, 0)


def test_what_an_early_report_asks_is_done(lite: World) -> None:
    touch = lite.touches("notice")[0].id
    claimed(lite, touch)
    gone = report("m1", Outcome.BOUNCED_HARD, reason=Reason.ADDRESS_GONE, action=Action.DROP_ADDRESS)
    record_came(lite.room, [gone], T0)
    settled(lite, touch, "m1")
    lite.advance(T0 + MINUTE)
    with lite.ledger.read() as connection:
        states = list(connection.scalars(select(t.address.c.state).order_by(t.address.c.id)))
    assert states == [3, 0, 0, 0, 0]
    assert lite.touches("notice")[0].reason == int(Reason.ADDRESS_GONE)


def test_an_early_report_proves_a_send_that_its_worker_left_in_doubt(lite: World) -> None:
    touch = lite.touches("notice")[0].id
    claimed(lite, touch)
    record_came(lite.room, [report("m1")], T0)
    with lite.ledger.write() as connection:
        settle(connection, "w", [(touch, Receipt("", "in_doubt", refs=("m1",)))], "smsc", None, T0)
    lite.advance(T0 + MINUTE)
    assert (lite.touches("notice")[0].state, outcome(lite, touch)) == (State.SENT, Outcome.DELIVERED)


def test_a_reference_that_nobody_ever_gave_is_kept_as_unknown_in_the_end(lite: World) -> None:
    record_came(lite.room, [report("m9")], T0)
    lite.advance(T0 + 9 * MINUTE)
    assert (count(lite, early_report), count(lite, t.event)) == (1, 0)
    lite.advance(T0 + 10 * MINUTE)
    assert (count(lite, early_report), count(lite, t.event)) == (0, 1)
    with lite.ledger.read() as connection:
        assert connection.execute(select(t.event.c.touch, t.event.c.provider_event_id)).one() == (None, "m9/delivered")


def test_many_early_reports_are_recorded_in_one_turn(lite: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_refs, "AT_ONCE", 2)
    rows = lite.touches("notice")
    record_came(lite.room, [report(f"m{row.id}") for row in rows], T0)
    with lite.ledger.write() as connection:
        keep_refs(connection, "smsc", [(f"m{row.id}", row.id) for row in rows])
    lite.advance(T0 + MINUTE)
    assert count(lite, early_report) == 0
    assert [row.outcome for row in lite.touches("notice")] == [int(Outcome.DELIVERED)] * 5


def test_references_are_each_senders_own_and_the_latest_counts(world: World) -> None:
    with world.ledger.write() as connection:
        keep_refs(connection, "smsc", [("1", 7), ("2", 8)])
        keep_refs(connection, "other", [("1", 9)])
        keep_refs(connection, "smsc", [("1", 10)])
        keep_refs(connection, "smsc", [])
        assert touches_of(connection, {("smsc", "1"), ("smsc", "2"), ("other", "1"), ("other", "2")}) == {
            ("smsc", "1"): 10,
            ("smsc", "2"): 8,
            ("other", "1"): 9,
        }
        assert touches_of(connection, set()) == {}


def test_references_go_with_the_texts_of_reports_long_after_the_close(world: World) -> None:
    rows = world.touches("notice")
    with world.ledger.write() as connection:
        keep_refs(connection, "smsc", [(f"m{row.id}", row.id) for row in rows])
    world.advance(T0 + DAY + 3 * HOUR)
    kept = world.room.settings.keep_raw
    world.advance(T0 + kept)
    assert count(world, provider_ref) == 5
    world.advance(T0 + DAY + 4 * HOUR + kept)
    assert count(world, provider_ref) == 0


def test_an_erased_customers_references_go_at_once(lite: World) -> None:
    rows = lite.touches("notice")
    with lite.ledger.write() as connection:
        keep_refs(connection, "smsc", [(f"m{row.id}", row.id) for row in rows])
        provider_refs.forget_refs(connection, select(t.touch.c.id).where(t.touch.c.id == rows[0].id))
    assert count(lite, provider_ref) == 4
