"""When a wave may close, what closing writes, and that what comes later is shown beside it and changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from flows.running import load_running
from flows.wave import finish_close
from ledger import tables as t
from ledger.aggregates import wave_statuses
from ledger.close import Balance, balance, begin_close, may_close
from ledger.dial_lists import give_back
from ledger.words import WaveWords
from tests.builders import DAY, HOUR, RULES, T0, World, plan_text, put, reachable
from tests.steps import hold_back, phoned, suppress, touch_words
from waves.dispositions import Disposition
from waves.outcomes import Outcome, Part, State, Verdict, part_of, word

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}\n"
END = T0 + 2 * HOUR + 2 * DAY
S, O = State, Outcome  # noqa: E741


def opened(world: World, plan: str = SMS, wave: str = "notice", people: int = 2) -> None:
    put(world.ledger, [reachable(n) for n in range(people)])
    world.start(plan_text(plan))
    hold_back(world, wave)


def change(world: World, **values: Any) -> None:
    with world.ledger.write() as connection:
        connection.execute(update(t.touch).where(t.touch.c.customer == 1).values(**values))
        connection.execute(update(t.touch).where(t.touch.c.customer > 1).values(state=int(S.WITHDRAWN)))


def closable(world: World, now: Any, **more: Any) -> bool:
    with world.ledger.read() as connection:
        return may_close(connection, 1, now, **more)


# one touch's state and outcome -> may the wave close before its end, and at its end
TOUCHES = [
    (S.QUEUED, None, False, True),
    (S.CLAIMED, None, False, False),
    (S.CLAIMED, O.CLICKED, False, False),
    (S.SENT, None, False, True),
    (S.SENT, O.ACCEPTED, False, True),
    (S.SENT, O.DELIVERED, False, True),
    (S.SENT, O.CLICKED, False, True),
    (S.SENT, O.REPLIED, False, True),
    (S.SENT, O.DECLINED, True, True),
    (S.SENT, O.AGREED, True, True),
    (S.SENT, O.BOUNCED_HARD, True, True),
    (S.LISTED, None, False, True),
    (S.LISTED, O.NO_ANSWER, True, True),
    (S.LISTED, O.CALLBACK_REQUESTED, False, True),
    (S.IN_DOUBT, None, False, True),
    (S.REFUSED, None, True, True),
    (S.WITHDRAWN, None, True, True),
    (S.EXPIRED, None, True, True),
]


def test_a_wave_closes_at_its_end_or_when_every_outcome_is_final(lite: World) -> None:
    opened(lite)
    found = []
    for state, outcome, _, _ in TOUCHES:
        change(lite, state=int(state), outcome=outcome)
        moments = [T0, END - HOUR, END]
        found.append((state, outcome, *(closable(lite, now) for now in moments)))
    assert found == [(s, o, early, early, late) for s, o, early, late in TOUCHES]


@pytest.mark.parametrize("state", ["pending", "enrolling", "closing", "closed"])
def test_only_an_open_wave_closes(lite: World, state: str) -> None:
    opened(lite)
    with lite.ledger.write() as connection:
        connection.execute(update(t.wave).values(state=state))
    assert not closable(lite, END + DAY)


def test_an_aborted_wave_closes_at_once_but_not_with_a_claim(lite: World) -> None:
    opened(lite)
    assert closable(lite, T0, aborted=True)
    change(lite, state=int(S.CLAIMED))
    assert not closable(lite, T0, aborted=True)


def test_no_wave_closes_while_a_dial_list_is_out(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(2)])
    lite.start(plan_text(CALL))
    lite.advance()
    end = T0 + HOUR + 3 * DAY
    lite.now = end - HOUR
    cut = lite.pull("call", size=1)
    assert cut.valid_until == end
    assert [closable(lite, end + n * HOUR / 4) for n in range(4)] == [False, False, True, True]
    with lite.ledger.write() as connection:
        give_back(connection, cut.number, RULES, "lead", end)
    assert closable(lite, end)
    assert not closable(lite, end - HOUR)


def test_every_list_back_and_every_call_final_closes_early(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(2)])
    lite.start(plan_text(CALL))
    lite.advance()
    cut = lite.pull("call")
    for key, said in (("c0", Disposition.SALE), ("c1", Disposition.NOT_INTERESTED)):
        phoned(lite, "call", key, said, T0, listed=True)
    assert not closable(lite, T0 + HOUR)
    with lite.ledger.write() as connection:
        assert give_back(connection, cut.number, RULES, "lead", T0) == (2, 0)
    assert closable(lite, T0 + HOUR)


def closed(world: World, now: Any = END) -> Balance:
    with world.ledger.write() as connection:
        assert begin_close(connection, 1, now, None)
    running = load_running(world.ledger, "test")
    books = finish_close(world.room, running, running.plan.waves[0], now)
    assert books is not None
    return books


def test_closing_expires_what_is_queued_and_says_why(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(3)])
    lite.start(plan_text(SMS + CALL))
    hold_back(lite, "notice")
    suppress(lite, "c0")
    closed(lite)
    with lite.ledger.read() as connection:
        assert connection.scalar(select(func.count()).where(t.batch.c.done_at.is_(None))) == 0
    assert {key: found[0][1:] for key, found in touch_words(lite, "notice").items()} == dict.fromkeys(
        ("c0", "c1", "c2"), ("expired", None, "wave_closed")
    )
    lite.advance(END)
    lite.pull("call", size=1)
    lite.advance(END + 30 * DAY)
    calls = touch_words(lite, "call")
    assert Counter(found[0][1:] for found in calls.values()) == {
        ("listed", None, None): 1,
        ("expired", None, "over_capacity"): 1,
    }
    with lite.ledger.read() as connection:
        assert connection.scalar(select(func.count()).where(t.dial_entry.c.active)) == 0


def test_what_comes_after_the_close_is_shown_beside_it(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(4)])
    lite.start(plan_text(SMS))
    lite.advance()
    sent = {row.key: row.id for row in lite.touches("notice")}
    lite.report(sent["c0"], O.DELIVERED)
    lite.report(sent["c1"], O.BOUNCED_SOFT)
    (move,) = lite.advance(END)
    assert move.closed is not None
    assert (move.closed.parts, move.closed.balanced) == ({"received": 1, "missed": 1, "unconfirmed": 2}, True)
    for key in ("c0", "c2"):
        lite.report(sent[key], O.CLICKED, END)
    lite.advance(END + DAY)
    running = load_running(lite.ledger, "test")
    stored = json.loads(running.row("notice").balance)
    assert stored["parts"] == move.closed.parts
    assert stored["outcomes"] == move.closed.outcomes
    assert (stored["members"], stored["touched"], stored["balanced"]) == (4, 4, True)
    with lite.ledger.read() as connection:
        (status,) = wave_statuses(connection, running.id)
    assert (status.state, status.closed, status.books.balanced) == ("closed", END, True)
    assert status.books.parts == {"engaged": 2, "missed": 1, "unconfirmed": 1}


@pytest.mark.parametrize(
    ("change", "balanced"),
    [
        ({}, True),
        ({"members": 9}, False),
        ({"verdicts": {"go": 6, "held_out": 2}}, False),
        ({"parts": {"engaged": 6}}, False),
        ({"touched": 8}, False),
        ({"states": {}, "outcomes": {}}, True),
    ],
)
def test_the_books_agree_or_not(change: dict[str, Any], balanced: bool) -> None:
    books = {"members": 8, "verdicts": {"go": 7, "held_out": 1}, "states": {"sent": 7}, "outcomes": {}}
    books |= {"parts": {"engaged": 3, "missed": 4}, "touched": 7}
    assert Balance(**(books | change)).balanced is balanced


def test_the_parts_in_sql_are_the_parts_in_python(world: World) -> None:
    """Every state with every outcome on one touch, and every pair of states of two touches."""
    singles = [[(state, outcome)] for state in State for outcome in (None, *Outcome)]
    pairs = [[(a, None), (b, outcome)] for a in State for b in State for outcome in (None, O.FAILED, O.CLICKED)]
    combos = singles + pairs
    with world.ledger.write() as connection:
        enrolled = [{"wave": 1, "customer": n, "verdict": int(Verdict.GO), "channels": 6} for n in range(len(combos))]
        enrolled.append({"wave": 1, "customer": len(combos), "verdict": int(Verdict.HELD_OUT), "channels": 0})
        connection.execute(insert(t.enrolment), enrolled)
        blank = {"wave": 1, "address": 1, "variant": 0, "not_before": T0, "not_after": T0}
        rows = [
            blank | {"customer": n, "channel": channel, "state": int(state), "outcome": outcome}
            for n, combo in enumerate(combos)
            for channel, (state, outcome) in enumerate(combo, 1)
        ]
        connection.execute(insert(t.touch), rows)
    highest = [max((o for _, o in combo if o is not None), default=None) for combo in combos]
    parts = [part_of(o, {s for s, _ in combo}) for o, combo in zip(highest, combos, strict=True)]
    with world.ledger.read() as connection:
        books = balance(connection, 1, 1)
        who = select(t.enrolment.c.customer).subquery("who").c.customer
        words = WaveWords({"notice": 1}, who)
        spoken = {
            name: set(connection.scalars(select(who).where(words.word("notice", name))))
            for name in [word(code) for code in (*Part, *Outcome)]
        }
    assert books.parts == {word(part): n for part, n in sorted(Counter(parts).items())}
    expected = {word(code): {n for n, part in enumerate(parts) if part is code} for code in Part}
    expected |= {word(code): {n for n, top in enumerate(highest) if top == code} for code in Outcome}
    # `declined` is a part and an outcome; the part speaks.
    assert spoken == expected | {"declined": {n for n, part in enumerate(parts) if part is Part.DECLINED}}


def test_books_are_the_same_however_they_are_cut(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(9)])
    world.start(plan_text(SMS))
    world.advance()
    for row in world.touches("notice")[:5]:
        world.report(row.id, O.CLICKED if row.key < "c2" else O.DELIVERED)
    with world.ledger.read() as connection:
        whole = balance(connection, 1, 1)
        assert all(balance(connection, 1, 1, span) == whole for span in (1, 2, 4, 9))
    assert (whole.balanced, whole.touched, whole.parts) == (True, 9, {"engaged": 2, "received": 3, "unconfirmed": 4})
