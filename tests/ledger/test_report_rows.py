"""The rows behind a report: how far each touch got, as known at a moment, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from flows.running import load_running
from ledger import report
from ledger import tables as t
from ledger.conversions import NewConversion, record_conversions
from ledger.dial_lists import give_back
from ledger.report_rows import Lens, OpenedWave, opened_waves
from tests.builders import DAY, HOUR, RULES, T0, World, plan_text, put, reachable
from tests.steps import phoned, touch_of
from waves.dispositions import Disposition as D
from waves.outcomes import Outcome as O
from waves.outcomes import Side, State

NOTICE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 46h}\n"
PAIR = "  - {wave: notice, channels: [sms, email], message: hello, release: 2h, listen: 46h}\n"
CALL = "  - {wave: call, channels: [call_list], rank: value, listen: 3d}\n"
END = T0 + 48 * HOUR
PRICES = {4: Decimal("1.50")}


def lens(at: datetime, prices: dict[int, Decimal] = PRICES) -> Lens:
    return Lens("renewed", timedelta(days=14), at, prices)


def seen(world: World, at: datetime, prices: dict[int, Decimal] = PRICES) -> dict[str, dict[str, Any]]:
    """Customer key to the last opened wave's row as of a moment."""
    with world.ledger.read() as connection:
        wave = waves(world, connection, at)[-1]
        return {row["key"]: dict(row) for row in report.members_of_wave(connection, wave, lens(at, prices))}


def waves(world: World, connection: Any, at: datetime) -> list[OpenedWave]:
    return opened_waves(connection, load_running(world.ledger, "test").id, at)


def flags(row: dict[str, Any], suffix: str = "") -> str:
    """`sdre` for sent, delivered, reached, engaged; a dash for what is not."""
    return "".join(step[0] if row[step + suffix] else "-" for step in ("sent", "delivered", "reached", "engaged"))


@pytest.fixture
def notice(world: World) -> World:
    """A wave by sms that ten have been sent."""
    put(world.ledger, [reachable(number) for number in range(10)])
    world.start(plan_text(NOTICE))
    world.advance()
    return world


def test_a_report_counts_from_when_it_was_received_not_from_when_it_happened(notice: World) -> None:
    touch = touch_of(notice, "notice", "c0").id
    notice.now = T0 + 5 * HOUR
    notice.report(touch, O.CLICKED, T0 + HOUR)
    assert flags(seen(notice, T0 + 5 * HOUR)["c0"]) == "sdre"
    assert flags(seen(notice, T0 + 5 * HOUR - timedelta(microseconds=1))["c0"]) == "s---"
    assert seen(notice, T0)["c0"]["part"] == 5


NEWS: list[tuple[list[int], list[int], str, str]] = [
    ([O.DELIVERED], [], "sd--", "sd--"),
    ([O.DELIVERED], [O.CLICKED], "sd--", "sdre"),
    ([], [O.DELIVERED], "s---", "sd--"),
    ([O.DELIVERED], [O.BOUNCED_HARD], "sd--", "s---"),
    ([O.READ], [O.BOUNCED_HARD], "sd--", "sd--"),
    ([O.CLICKED], [O.DECLINED], "sdre", "sdr-"),
    ([O.DECLINED], [O.REPLIED], "sdr-", "sdre"),
    ([O.BOUNCED_SOFT], [], "s---", "s---"),
    ([O.NO_ANSWER], [], "s---", "s---"),
    ([Side.UNSUBSCRIBED], [], "s---", "s---"),
]
"""Reports before the close, reports after it, and how far that is: as closed, and by now."""


def test_what_comes_after_the_close_is_told_apart(notice: World) -> None:
    """Also on a clock that stands still: at the close, reports before and after it have one and the same time."""
    touches = [touch_of(notice, "notice", f"c{place}").id for place in range(len(NEWS))]
    notice.now = END
    for touch, (before, _, _, _) in zip(touches, NEWS, strict=True):
        for outcome in before:
            notice.report(touch, outcome, END)
    notice.advance(END)
    for touch, (_, after, _, _) in zip(touches, NEWS, strict=True):
        for outcome in after:
            notice.report(touch, outcome, END)
    rows = seen(notice, END)
    found = [(flags(rows[f"c{place}"]), flags(rows[f"c{place}"], "_by_now")) for place in range(len(NEWS))]
    assert found == [(closed, now) for _, _, closed, now in NEWS]
    assert [key for key, row in rows.items() if row["opted_out"]] == ["c9"]


def test_the_parts_are_those_of_the_stored_balance(notice: World) -> None:
    for key, outcome in (("c0", O.READ), ("c1", O.BOUNCED_HARD), ("c2", O.REPLIED)):
        notice.report(touch_of(notice, "notice", key).id, outcome)
    (move,) = notice.advance(END)
    notice.report(touch_of(notice, "notice", "c3").id, O.REPLIED, END)
    notice.report(touch_of(notice, "notice", "c1").id, O.DECLINED, END)
    with notice.ledger.read() as connection:
        found = report.count_wave(connection, waves(notice, connection, END)[0], lens(END))
    assert move.closed is not None
    assert found.parts == move.closed.parts
    assert found.counts["engaged_by_now"] - found.counts["engaged"] == 1
    assert found.counts["reached_by_now"] - found.counts["reached"] == 2


STATES = [
    (State.SENT, T0, "s---", 5),
    (State.SENT, T0 + 2 * HOUR, "----", 7),
    (State.IN_DOUBT, T0, "s---", 6),
    (State.QUEUED, T0, "----", 7),
    (State.REFUSED, None, "----", 4),
    (State.WITHDRAWN, None, "----", 7),
]


def test_sent_is_what_was_handed_over_by_then(notice: World) -> None:
    for place, (state, sent_at, _, _) in enumerate(STATES):
        with notice.ledger.write() as connection:
            ours = t.touch.c.id == touch_of(notice, "notice", f"c{place}").id
            connection.execute(update(t.touch).where(ours).values(state=int(state), sent_at=sent_at))
    rows = seen(notice, T0 + HOUR)
    found = [(flags(rows[f"c{place}"]), rows[f"c{place}"]["part"]) for place in range(len(STATES))]
    assert found == [(expected, part) for _, _, expected, part in STATES]


def test_one_member_with_two_touches_counts_once_by_the_furthest(world: World) -> None:
    put(world.ledger, [reachable(0)])
    world.start(plan_text(PAIR))
    world.advance()
    world.report(touch_of(world, "notice", "c0", "sms").id, O.BOUNCED_HARD)
    world.report(touch_of(world, "notice", "c0", "email").id, O.DELIVERED)
    row = seen(world, T0)["c0"]
    assert (flags(row), row["touches"], row["part"]) == ("sd--", 2, 4)


def test_a_recorded_cost_stays_and_a_price_fills_the_gap(notice: World) -> None:
    with notice.ledger.write() as connection:
        ours = t.touch.c.id == touch_of(notice, "notice", "c0").id
        connection.execute(update(t.touch).where(ours).values(cost=Decimal("0.0075")))
    priced = seen(notice, T0, {2: Decimal("0.5")})
    assert [priced[key]["cost"] for key in ("c0", "c1")] == [Decimal("0.0075"), Decimal("0.5")]
    bare = seen(notice, T0)
    assert [(bare[key]["cost"], bare[key]["uncosted"]) for key in ("c0", "c1")] == [(Decimal("0.0075"), 0), (None, 1)]


@pytest.fixture
def call(world: World) -> World:
    """A call wave of eight, of whom two stand on a list from the second hour on."""
    put(world.ledger, [reachable(number, value=float(9 - number)) for number in range(8)])
    world.start(plan_text(CALL))
    world.advance()
    world.now = T0 + 2 * HOUR
    world.pull("call", 2)
    return world


def test_a_call_is_sent_while_it_is_listed_and_for_good_once_it_was_tried(call: World) -> None:
    call.now = T0 + 4 * HOUR
    phoned(call, "call", "c0", D.NO_ANSWER, T0 + 3 * HOUR)
    phoned(call, "call", "c1", D.NOT_ATTEMPTED, T0 + 3 * HOUR)
    with call.ledger.write() as connection:
        give_back(connection, 1, RULES, "tester", T0 + 6 * HOUR)
    told = {hour: [flags(row) for row in seen(call, T0 + hour * HOUR).values()][:3] for hour in (1, 2, 5, 6, 7)}
    assert told == {
        1: ["----", "----", "----"],
        2: ["s---", "s---", "----"],
        5: ["sd--", "s---", "----"],
        6: ["sd--", "----", "----"],
        7: ["sd--", "----", "----"],
    }
    assert seen(call, T0 + 7 * HOUR)["c0"]["cost"] == Decimal("1.50")


CALLS = [
    ([D.MACHINE], "sd--", 0),
    ([D.GATEKEEPER], "sdre", 0),
    ([D.NOT_INTERESTED], "sdr-", 1),
    ([D.NOT_INTERESTED, D.NO_ANSWER], "sdr-", 1),
    ([D.CALLBACK_AGREED, D.NOT_INTERESTED], "sdr-", 1),
    ([D.SALE, D.NOT_INTERESTED], "sdre", 1),
    ([D.WRONG_NUMBER], "s---", 0),
    ([D.AGENT_ERROR], "s---", 0),
]


def test_the_call_that_counts_says_how_far_it_got(call: World) -> None:
    for place, (calls, _, _) in enumerate(CALLS):
        for number, disposition in enumerate(calls):
            phoned(call, "call", f"c{place}", disposition, T0 + (3 + number) * HOUR)
    rows = seen(call, T0 + DAY)
    found = [(flags(rows[f"c{place}"]), rows[f"c{place}"]["right_party"]) for place in range(len(CALLS))]
    assert found == [(expected, right_party) for _, expected, right_party in CALLS]


def test_a_sale_by_telephone_counts_from_when_its_result_came(call: World) -> None:
    call.now = T0 + 9 * HOUR
    phoned(call, "call", "c0", D.SALE, T0 + 3 * HOUR)
    assert [seen(call, T0 + hour * HOUR)["c0"]["converted"] for hour in (8, 9)] == [0, 1]


def sell(world: World, key: str, at: datetime, ident: str, **more: Any) -> None:
    new = {"value": Decimal(100), "currency": "USD", "goal": "renewed", **more}
    with world.ledger.write() as connection:
        record_conversions(connection, [NewConversion(customer=key, at=at, source="shop", source_id=ident, **new)])


def test_a_refund_lowers_the_count_from_its_moment_and_currencies_stay_apart(notice: World) -> None:
    sell(notice, "c0", T0 + HOUR, "1")
    sell(notice, "c0", T0 + 2 * HOUR, "2", currency="EUR", value=Decimal("0.25"))
    sell(notice, "c1", T0 + 3 * HOUR, "3")
    sell(notice, "c1", T0 + 3 * HOUR, "3", reversed_at=T0 + 9 * HOUR)
    sell(notice, "c1", T0 + 3 * HOUR, "3", reversed_at=T0 + 20 * HOUR)
    sell(notice, "c2", T0 - HOUR, "4")
    sell(notice, "c2", T0 + 14 * DAY, "5")
    sell(notice, "c3", T0 + HOUR, "6", goal="looked")
    told = {}
    for hour in (2, 8, 9, 400):
        at = T0 + hour * HOUR
        with notice.ledger.read() as connection:
            wave = waves(notice, connection, at)[0]
            treated, held_out, worth = report.count_campaign(connection, 1, lens(at), wave.opened)
        assert (held_out, treated.assigned) == (report.Arm(0, 0), 10)
        sums = [(w.currency, w.conversions, w.value, w.reversed, w.reversed_value) for w in worth]
        told[hour] = (treated.converted, sums)
    euro, zero = ("EUR", 1, Decimal("0.25"), 0, 0), Decimal(0)
    assert told == {
        2: (1, [euro, ("USD", 1, Decimal(100), 0, zero)]),
        8: (2, [euro, ("USD", 2, Decimal(200), 0, zero)]),
        9: (1, [euro, ("USD", 1, Decimal(100), 1, Decimal(100))]),
        400: (1, [euro, ("USD", 1, Decimal(100), 1, Decimal(100))]),
    }


def test_a_wave_is_seen_from_its_opening_and_closed_from_its_close(notice: World) -> None:
    notice.advance(END)
    with notice.ledger.read() as connection:
        found = {at: waves(notice, connection, at) for at in (T0 - HOUR, T0, END - HOUR, END)}
    assert [(len(seen_then), [wave.closed for wave in seen_then]) for seen_then in found.values()] == [
        (0, []),
        (1, [None]),
        (1, [None]),
        (1, [END]),
    ]
