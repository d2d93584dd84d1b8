"""A whole report on both databases, every number against the same report worked out by hand from the raw tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from console.review.numbers import lens_of, report_of
from flows.running import load_running
from ledger import report
from ledger.conversions import NewConversion, record_conversions
from ledger.dial_lists import give_back
from ledger.report_rows import opened_waves
from tests.acceptance.report_by_hand import ByHand, figures
from tests.builders import DAY, HOUR, RULES, T0, World, plan_text, put, reachable
from tests.steps import phoned
from waves.dispositions import Disposition
from waves.errors import CampaignError, InputError
from waves.outcomes import Outcome, Side, State

WAVES = """\
  - wave: notice
    channels: [web_push, {first_of: [sms, email]}]
    message: hello
    holdout: {share: 25%, then: skip}
    release: 2h
    listen: 22h
  - wave: call
    enter: not converted and not notice.received
    channels: [call_list]
    rank: value
    holdout: 30%
    listen: 2d
  - {wave: follow_up, enter: not converted, channels: [email], message: hello, release: 2h, listen: 22h}
"""
HOLDOUTS = {"campaign": (0.2, "campaign"), "notice": (0.25, "skip"), "call": (0.3, "stop")}
SAID = [*Outcome, Side.UNSUBSCRIBED, Side.COMPLAINED]
PRICES = {"web_push": Decimal("0.0002"), "call_list": Decimal("1.1"), "email": Decimal("0.01"), "sms": Decimal("0.05")}
PEOPLE = 60
CALLED, OVER = T0 + 30 * HOUR, T0 + 5 * DAY
MOMENTS = [T0 + 12 * HOUR, T0 + DAY, CALLED + HOUR, OVER, OVER + 9 * DAY]


def answer(world: World, wave: str, now: datetime, shift: int = 0) -> None:
    """Something else for each message that is out there, some of it said twice."""
    world.now = now
    for place, touch in enumerate(world.touches(wave, state=int(State.SENT))):
        for step in range((place + shift) % 3):
            world.report(touch.id, SAID[(7 * place + step + shift) % len(SAID)], now - HOUR)


def sell(world: World, shift: int, at: datetime, undone: timedelta | None = None) -> None:
    """Sales to some in one of two currencies, or without an amount; with `undone`, the refund of the same sales."""
    rows = [
        NewConversion(
            f"c{number}",
            "renewed",
            at,
            None if number % 7 == 0 else Decimal(number) + Decimal("0.25"),
            None if number % 7 == 0 else ("EUR", "USD")[number % 2],
            "shop",
            f"{number} {at}",
            reversed_at=None if undone is None else at + undone,
        )
        for number in range(shift, PEOPLE, 11)
    ]
    with world.ledger.write() as connection:
        record_conversions(connection, rows)


@pytest.fixture
def told(world: World) -> World:
    """A campaign of three waves with a holdout of each design, late news, refunds and two currencies."""
    people = [reachable(number, value=float(number % 13)) for number in range(PEOPLE)]
    put(world.ledger, people)
    world.start(plan_text(WAVES, holdout="20%"))
    world.advance()
    sell(world, 1, T0 + HOUR)
    answer(world, "notice", T0 + 11 * HOUR)
    world.advance(T0 + DAY)
    answer(world, "notice", T0 + 26 * HOUR, 2)
    world.pull("call", 16)
    listed = [touch.key for touch in world.touches("call", state=int(State.LISTED))]
    for place, key in enumerate(listed[:-3]):
        world.now = CALLED + place % 2 * HOUR
        phoned(world, "call", key, list(Disposition)[place % len(Disposition)], CALLED - HOUR)
    with world.ledger.write() as connection:
        give_back(connection, 1, RULES, "tester", CALLED + 2 * HOUR)
    sell(world, 3, CALLED)
    world.advance(T0 + 4 * DAY)
    answer(world, "follow_up", T0 + 4 * DAY + 5 * HOUR)
    world.advance(OVER)
    answer(world, "follow_up", OVER, 1)
    sell(world, 1, T0 + HOUR, timedelta(days=2))
    sell(world, 3, CALLED, timedelta(days=9))
    world.now = OVER + 9 * DAY
    return world


def raw(connection: Any) -> Callable[[str], pd.DataFrame]:
    return lambda query: pd.DataFrame([dict(row) for row in connection.exec_driver_sql(query).mappings()])


def looked_at(world: World, at: datetime) -> dict[str, Any]:
    """The report as of a moment; the test's clock stands at the world's."""
    running = load_running(world.ledger, "test")
    world.ledger.set_now(max(world.ledger.now(), world.now))
    settings = world.room.settings.model_copy(update={"costs": PRICES})
    world.room.settings = settings
    with world.ledger.read() as connection:
        return report_of(connection, running, lens_of(world.room, running, at), "USD")


def test_every_number_is_what_the_raw_rows_give(told: World) -> None:
    wrong: dict[datetime, Any] = {}
    prices = {name: float(cost) for name, cost in PRICES.items()}
    for at in MOMENTS:
        found = figures({name: value for name, value in looked_at(told, at).items() if name != "definitions"})
        with told.ledger.read() as connection:
            hand = ByHand(raw(connection), at, "renewed", timedelta(days=14), HOLDOUTS, prices)
            expected = figures(hand.expected())
        assert set(found) == set(expected)
        differ = {name: (n, expected[name]) for name, n in found.items() if n != pytest.approx(expected[name])}
        wrong |= {at: differ} if differ else {}
    assert wrong == {}
    assert len(looked_at(told, OVER)["comparisons"]) == 3
    assert [any(wave["late"].values()) for wave in looked_at(told, OVER)["waves"]] == [True, False, True]
    _rows_add_up(told, looked_at(told, OVER))


def _rows_add_up(told: World, found: dict[str, Any]) -> None:
    running = load_running(told.ledger, "test")
    lens = lens_of(told.room, running, OVER)
    with told.ledger.read() as connection:
        for wave, shown in zip(opened_waves(connection, running.id, OVER), found["waves"], strict=True):
            rows = [dict(row) for row in report.members_of_wave(connection, wave, lens)]
            for name in ("eligible", "held_out", "treated", "sent", "delivered", "reached", "engaged"):
                assert sum(row[name] for row in rows) == shown["counts"][name], (wave.name, name)
            sales = [dict(row) for row in report.sales_of(connection, running.id, wave, lens, wave.opened)]
            assert sum(row["stands"] for row in sales) == sum(value["conversions"] for value in shown["value"])


def test_a_moment_before_the_start_or_after_now_is_refused(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(), now=T0 - HOUR)
    lite.ledger.set_now(T0 - HOUR)
    running = load_running(lite.ledger, "test")
    for at, said in ((T0 - 2 * HOUR, "is before test was started"), (T0, "has not come yet")):
        with pytest.raises(InputError, match=said):
            lens_of(lite.room, running, at)
    with pytest.raises(CampaignError, match="none of its waves had opened"), lite.ledger.read() as connection:
        report_of(connection, running, lens_of(lite.room, running, None), "USD")
