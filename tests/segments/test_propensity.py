"""Fits of a ledger's calls: what was laid into them is found, what only a call tells is not, few calls rank nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from ledger import tables as t
from ledger.attributes import declare_attributes
from ledger.call_history import CallGoal, newest, read_calls
from ledger.past_calls import PastCall, record_past_calls
from segments.answering import DECAY
from segments.call_rows import Candidates, slots
from segments.propensity import FIRST_GUESS, Fitted, fit, learn
from tests.builders import DAY, HOUR, T0, TYPES, World, make_world, phone, plan_text, put, reachable
from tests.steps import phoned
from waves.call_slots import SLOTS
from waves.dial_value import CallTimes, value_by_dialler, value_by_preview
from waves.dispositions import Disposition

D = Disposition
PEOPLE, CALLS = 120, 4000
GOAL = CallGoal("renewed", (int(D.SALE),), 14 * DAY)
TIMES = CallTimes(180)
CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}\n"


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", sqlite_url)
    yield made
    made.ledger.close()


def is_gold(n: int) -> bool:
    return n % 4 == 0


def often_answers(n: int) -> bool:
    return n % 3 == 0


def history() -> list[PastCall]:
    """Every third customer answers often, the others in the evening at best; of those answering, the gold ones buy."""
    lot = np.random.default_rng(11)
    found = []
    for number in range(CALLS):
        n = int(lot.integers(PEOPLE))
        at = T0 - timedelta(hours=CALLS - number) * 3
        evening = at.hour in (17, 18)
        answers = lot.random() < (0.85 if often_answers(n) else 0.5 if evening else 0.3)
        buys = lot.random() < (0.5 if is_gold(n) else 0.04)
        said = D.NO_ANSWER if not answers else D.SALE if buys else D.NOT_INTERESTED
        found.append(PastCall(f"c{n}", phone(n), at, said, "old", str(number)))
    return found


def people() -> list[Any]:
    return [reachable(n, tier="gold" if is_gold(n) else "plain", age=20 + n % 50) for n in range(PEOPLE)]


def filled(world: World) -> World:
    put(world.ledger, people())
    with world.ledger.write() as connection:
        record_past_calls(connection, history())
    return world


def fitted(world: World, types: dict[str, str] = TYPES, **more: Any) -> Fitted:
    with world.ledger.read() as connection:
        return fit(connection, GOAL, types, newest(connection, T0), **more)


def asked(world: World, at: datetime = T0, attempt: int = 1) -> Candidates:
    with world.ledger.read() as connection:
        ids = dict(connection.execute(t.customer.select().with_only_columns(t.customer.c.key, t.customer.c.id)).all())
    numbers = range(PEOPLE)
    return Candidates(
        at,
        [ids[f"c{n}"] for n in numbers],
        [phone(n) for n in numbers],
        [attempt] * PEOPLE,
        ["Europe/London"] * PEOPLE,
        [None] * PEOPLE,
        {
            "age": [20 + n % 50 for n in numbers],
            "tier": ["gold" if is_gold(n) else "plain" for n in numbers],
            "value": [1.0] * PEOPLE,
        },
    )


def mean(values: Any, chosen: Any) -> float:
    return float(np.mean([values[n] for n in range(PEOPLE) if chosen(n)]))


def test_what_was_laid_into_the_calls_is_found(world: World) -> None:
    learnt = fitted(filled(world))
    ask = asked(world)
    answer, convert = learnt.answer(ask), learnt.convert(ask)
    assert mean(answer, often_answers) > 0.6 > 0.45 > mean(answer, lambda n: not often_answers(n))
    assert mean(convert, is_gold) == pytest.approx(0.5, abs=0.12)
    assert mean(convert, lambda n: not is_gold(n)) == pytest.approx(0.04, abs=0.03)
    for kind in ("answer", "convert"):
        card = learnt.cards[kind]  # type: ignore[index]
        assert card.beats
        assert (card.auc or 0) > 0.65
        assert (card.within50 or 0) > (card.trailing50 or 1) + 0.1
        assert sum(n for _, _, n in card.bins) == card.tested > 500
        assert max(abs(predicted - observed) for predicted, observed, _ in card.bins) < 0.15
    assert learnt.ranks_by == ("answer", "convert", "value")
    assert learnt.cards["answer"].n == CALLS
    assert learnt.cards["answer"].window_from == T0 - timedelta(hours=CALLS) * 3


def test_a_list_is_ranked_by_the_worth_of_an_agent_hour(lite: World) -> None:
    learnt = fitted(filled(lite))
    ask, value = asked(lite), np.linspace(1, 5, PEOPLE)
    p, c = learnt.answer(ask), learnt.convert(ask)
    assert list(learnt.score(ask, value, TIMES)) == list(value_by_preview(p, c, value, TIMES))
    predictive = learnt.score(ask, value, TIMES, predictive=True, dial_cost=0.1)
    assert list(predictive) == list(value_by_dialler(p, c, value, TIMES, 0.1))


def test_a_model_that_does_not_beat_the_trailing_rate_ranks_nobody(lite: World) -> None:
    learnt = fitted(filled(lite))
    ask, value = asked(lite), np.linspace(1, 5, PEOPLE)

    def doubted(*kinds: str) -> Fitted:
        cards = {kind: replace(card, beats=kind not in kinds) for kind, card in learnt.cards.items()}
        return replace(learnt, cards=cards)

    assert set(doubted("convert").convert(ask)) == {learnt.rate}
    assert doubted("convert").ranks_by == ("answer", "value")
    by_value = doubted("answer", "convert")
    assert list(by_value.score(ask, value, TIMES)) == list(value)
    assert by_value.ranks_by == ("value",)
    p = np.full(PEOPLE, learnt.answer(ask).mean())
    by_index = value_by_preview(p, learnt.convert(ask), value, TIMES)
    assert list(doubted("answer").score(ask, value, TIMES)) == list(by_index)


def test_the_best_hour_is_the_one_that_was_answered_in(lite: World) -> None:
    learnt = fitted(filled(lite))
    best, chance = learnt.best_slot(asked(lite))
    parts = Counter(SLOTS[best[n]].split()[1] for n in range(PEOPLE) if not often_answers(n))
    assert parts.most_common(1)[0][0] == "17-19"
    assert (chance >= learnt.answer(asked(lite))).all()


def test_without_history_everybody_has_the_first_guess_and_the_value_ranks(world: World) -> None:
    put(world.ledger, people())
    learnt = fitted(world)
    ask = asked(world)
    assert learnt.ranks_by == ("value",)
    assert list(learnt.answer(ask)) == pytest.approx([DECAY[0]] * PEOPLE)
    assert list(learnt.answer(replace(ask, attempt=[3] * PEOPLE))) == pytest.approx([DECAY[2]] * PEOPLE)
    assert list(learnt.convert(ask)) == pytest.approx([FIRST_GUESS] * PEOPLE)
    card = learnt.cards["convert"]
    assert (card.n, card.tested, card.auc, card.within50, card.trailing50) == (0, 0, None, None, None)
    assert (card.beats, card.window_from, card.bins) == (False, None, ())
    nobody = Candidates(T0, [], [], [], [], [], {name: [] for name in TYPES})
    made = (learnt.answer(nobody), learnt.convert(nobody), *learnt.best_slot(nobody))
    assert [len(one) for one in made] == [0] * 4


def test_few_calls_are_learnt_from_and_rank_nobody(lite: World) -> None:
    put(lite.ledger, people())
    with lite.ledger.write() as connection:
        record_past_calls(connection, history()[:300])
    learnt = fitted(lite)
    assert learnt.ranks_by == ("value",)
    assert 0.2 < mean(learnt.answer(asked(lite)), lambda n: True) < 0.7
    assert len(set(learnt.convert(asked(lite)))) == 1


def test_a_column_that_only_a_call_fills_is_never_learnt_from(lite: World) -> None:
    """A CRM that exports the last call's length with its customers: it would tell who bought."""
    filled(lite)
    plain = fitted(lite)
    types = TYPES | {"duration": "number"}
    with lite.ledger.write() as connection:
        declare_attributes(connection, types)
        profile = t.profile_table(types)
        connection.execute(update(profile).values(duration=profile.c.customer % 7))
    learnt = fitted(lite, types)
    assert "duration" not in learnt.cards["convert"].features
    assert learnt.cards["convert"].digest == plain.cards["convert"].digest


def test_what_is_noted_of_a_call_beside_its_result_changes_nothing(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(20)])
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    for n in range(20):
        phoned(world, "call", f"c{n}", D.SALE if n % 2 else D.NO_ANSWER, T0 + n * timedelta(minutes=1))
    later = T0 + DAY

    def digests() -> list[str]:
        with world.ledger.read() as connection:
            cards = fit(connection, GOAL, TYPES, newest(connection, later)).cards
        return [card.digest for card in cards.values()]

    before = digests()
    with world.ledger.write() as connection:
        connection.execute(update(t.call).values(talk_s=t.call.c.event * 60.0, ring_s=3.0, wrap_s=9.0, agent="Ann"))
    assert digests() == before
    with world.ledger.write() as connection:
        connection.execute(update(t.call).values(disposition=int(D.NO_ANSWER)))
    assert digests() != before


def test_features_tell_of_earlier_calls_alone(lite: World) -> None:
    put(lite.ledger, people())
    calls = [
        PastCall("c1", phone(1), T0 - (9 - n) * DAY, D.NOT_INTERESTED if n % 2 else D.BUSY, "old", str(n))
        for n in range(6)
    ]
    with lite.ledger.write() as connection:
        record_past_calls(connection, calls)
    rows = fitted(lite).learnt.rows
    assert rows["call.calls_before"] == [1, 3, 5]
    assert rows["call.answers_before"] == [0, 1, 2]
    assert rows["call.days_since_last"] == [1.0, 1.0, 1.0]
    assert rows["call.attempt"] == [2, 2, 2]
    assert rows["tier"] == ["plain"] * 3
    assert fitted(lite).learnt.before == {2: (6, 3, int((T0 - 4 * DAY).timestamp() * 1e6))}


def test_the_same_calls_are_not_tested_again(lite: World) -> None:
    filled(lite)
    first = fitted(lite)
    again = fitted(lite, known=first.cards)
    assert again.cards is first.cards
    assert list(again.convert(asked(lite))) == list(first.convert(asked(lite)))
    assert list(again.answer(asked(lite))) == list(first.answer(asked(lite)))
    assert fitted(lite).cards == first.cards
    with lite.ledger.write() as connection:
        connection.execute(update(t.profile_table(TYPES)).values(age=50))
    assert fitted(lite, known=first.cards).cards["convert"].digest != first.cards["convert"].digest


def test_a_slot_is_of_the_customer_s_own_clock() -> None:
    """One moment of a summer's evening in London, of which New York and Kolkata have others; unknown is UTC."""
    at = int(datetime.fromisoformat("2026-07-03T19:30:00+00:00").timestamp() * 1e6)
    zones = ["Europe/London", "America/New_York Europe/Kyiv", "Asia/Kolkata", None]
    assert [SLOTS[code] for code in slots([at] * 4, zones)] == [
        "weekday 19-21",
        "weekday 14-17",
        "saturday 09-12",
        "weekday 19-21",
    ]


def test_a_round_of_attempts_ends_with_an_answer_or_a_month(lite: World) -> None:
    put(lite.ledger, people())
    said = [(90, D.BUSY), (89, D.BUSY), (50, D.NO_ANSWER), (49, D.NOT_INTERESTED), (48, D.BUSY), (47, D.BUSY)]
    calls = [PastCall("c1", phone(1), T0 - ago * DAY, what, "old", str(ago)) for ago, what in said]
    with lite.ledger.write() as connection:
        record_past_calls(connection, [*calls, replace(calls[0], at=T0 - DAY, source_id="told", attempt=7)])
    assert list(fitted(lite).learnt.tries.attempt) == [1, 2, 1, 2, 1, 2, 7]


def test_dates_are_days_from_the_call(world: World) -> None:
    """Of an imported call and of one of a campaign; an attribute may be called like a column of ours."""
    types = {"ends": "date", "seen": "datetime", "number": "boolean", "attempt": "text"}
    put(world.ledger, [reachable(1)])
    with world.ledger.write() as connection:
        declare_attributes(connection, types)
        said = {"ends": (T0 + 9 * DAY).date(), "seen": T0 - 36 * HOUR, "number": True, "attempt": "first"}
        connection.execute(update(t.profile_table(types)).values(**said))
        record_past_calls(connection, [PastCall("c1", phone(1), T0 - DAY, D.SALE, "old", "1")])
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    phoned(world, "call", "c1", D.SALE, T0 + 12 * HOUR)
    with world.ledger.read() as connection:
        extent = newest(connection, T0 + DAY)
        rows = learn(read_calls(connection, GOAL, types, extent), types, extent).learnt.rows
    assert rows["ends"] == [10.0, 9.0]
    assert rows["seen"] == [-0.5, -2.0]
    assert rows["number"] == [True, True]
    assert rows["attempt"] == ["first", "first"]
    assert rows["call.attempt"] == [1, 1]
