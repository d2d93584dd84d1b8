"""What a list is ranked by: scores that are kept until a fit is due or the hour is another, or the plan's own rank."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import DBAPIError

from flows import dialling
from flows.call_scores import call_rank, learn
from flows.erasing import erase_customer
from flows.history import fit_wave
from flows.running import Running, load_running
from ledger import tables as t
from ledger.calls import Call, record_calls
from ledger.dial_tables import call_score, model_card
from ledger.past_calls import record_past_calls
from ledger.waiting_calls import read_waiting
from segments.walk import STEP
from tests.builders import HOUR, T0, TYPES, World, make_world, plan_text, put, reachable
from tests.commands import said
from tests.segments.test_propensity import PEOPLE, history, is_gold, people
from waves.dispositions import Disposition

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}\n"


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    yield from made_world(tmp_path, ledger_url)


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    yield from made_world(tmp_path, sqlite_url)


def made_world(tmp_path: Path, url: str | None, strangers: int = 0) -> Iterator[World]:
    """The people who were called all the time before, and `strangers` whom nobody called."""
    made = make_world(tmp_path / "home", url)
    put(made.ledger, people())
    put(made.ledger, [reachable(n, value=1.0 + n % 7) for n in range(PEOPLE, PEOPLE + strangers)])
    with made.ledger.write() as connection:
        record_past_calls(connection, history())
    made.start(plan_text(CALL))
    made.advance()
    fit_wave(made.room, running(made), "call", "ann", T0)
    yield made
    made.ledger.close()


def running(world: World) -> Running:
    return load_running(world.ledger, "test")


def ranked(world: World, now: datetime = T0) -> list[Any]:
    """The wave's customers by the rank of that moment, best first."""
    campaign = running(world)
    rule = call_rank(world.room, campaign, "call", "ann", now).score
    with world.ledger.read() as connection:
        rows = read_waiting(connection, campaign.id, campaign.row("call").id, TYPES, rule)
    return sorted(rows, key=lambda row: -(row.value or 0))


def kept(world: World) -> tuple[int, int, datetime | None]:
    """(cards, scores, when the last was kept)"""
    with world.ledger.read() as connection:
        cards = connection.scalar(select(func.count()).select_from(model_card)) or 0
        scores = connection.scalar(select(func.count()).select_from(call_score)) or 0
        return cards, scores, connection.scalar(select(func.max(call_score.c.scored_at)))


def test_scores_are_kept_and_rank_in_sql(world: World) -> None:
    rows = ranked(world)
    assert kept(world) == (2, PEOPLE, T0)
    assert sum(is_gold(int(row.key[1:])) for row in rows[: PEOPLE // 4]) > 0.8 * PEOPLE // 4
    assert len({row.value for row in rows}) > PEOPLE // 4
    assert [row.value for row in ranked(world, T0 + HOUR)] == [row.value for row in rows]
    assert kept(world) == (2, PEOPLE, T0)


def test_another_part_of_the_day_has_other_scores_by_the_same_models(lite: World) -> None:
    ranked(lite)
    ranked(lite, T0 + 4 * HOUR)
    assert kept(lite) == (2, PEOPLE, T0 + 4 * HOUR)
    ranked(lite, T0 + 24 * HOUR)
    assert kept(lite) == (2, PEOPLE, T0 + 24 * HOUR)


def test_scores_that_were_kept_in_part_are_kept_anew(lite: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ranked(lite)
    monkeypatch.setattr("flows.call_scores.RANGE", PEOPLE // 3)
    fails = f"BEFORE UPDATE ON call_score WHEN NEW.customer > {PEOPLE // 2} BEGIN SELECT RAISE(ABORT, 'full'); END"
    with lite.ledger.write() as connection:
        connection.exec_driver_sql(f"CREATE TRIGGER full_disk {fails}")
    with pytest.raises(DBAPIError, match="full"):
        ranked(lite, T0 + 4 * HOUR)
    with lite.ledger.write() as connection:
        assert len(connection.scalars(select(call_score.c.scored_at).distinct()).all()) == 2
        connection.exec_driver_sql("DROP TRIGGER full_disk")
    later = T0 + 4 * HOUR + timedelta(minutes=1)
    ranked(lite, later)
    with lite.ledger.read() as connection:
        assert connection.scalars(select(call_score.c.scored_at).distinct()).all() == [later]


def test_of_leads_who_pull_at_once_one_scores_and_the_others_wait_for_it(lite: World) -> None:
    made: list[object] = []
    event.listen(
        lite.ledger.engine,
        "before_cursor_execute",
        lambda _c, _cursor, words, *_: words.startswith("INSERT INTO call_score") and made.append(words),
    )
    together = Barrier(3)

    def lead(number: int) -> list[str]:
        together.wait()
        return [row.key for row in ranked(lite, T0 + number * timedelta(minutes=1))]

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(lead, range(3))
    assert len(made) == 1
    assert others == [first, first]


def test_a_fit_scores_anew_and_is_made_when_250_more_calls_were_reported(lite: World) -> None:
    ranked(lite)
    fit_wave(lite.room, running(lite), "call", "ann", T0 + timedelta(minutes=1))
    ranked(lite, T0 + timedelta(minutes=2))
    assert kept(lite) == (4, PEOPLE, T0 + timedelta(minutes=2))
    report(lite, 0, STEP - 1)
    assert learn(lite.room, "ann", T0 + HOUR) == []
    report(lite, STEP - 1, STEP)
    ranked(lite, T0 + HOUR)
    assert kept(lite)[0] == 4, "a list learns nothing"
    (said,) = learn(lite.room, "ann", T0 + HOUR)
    assert said.startswith("test, wave call: learnt from 250 more calls; lists are ranked by ")
    assert kept(lite) == (6, PEOPLE, T0 + HOUR)
    assert learn(lite.room, "ann", T0 + 2 * HOUR) == []
    assert learn(lite.room, "ann", T0 + 2 * HOUR, undone=T0 + 2 * HOUR) == [], "it had not come yet"
    (said,) = learn(lite.room, "ann", T0 + 2 * HOUR, undone=T0)
    assert said.startswith("test, wave call: learnt anew without the undone calls; lists are ranked by ")


def report(world: World, first: int, last: int) -> None:
    touches = [row.id for row in world.touches("call")]
    busy = [(n, T0 + n * timedelta(seconds=1)) for n in range(first, last)]
    calls = [Call(Disposition.BUSY, at, f"k{n}", "test", touches[n % PEOPLE]) for n, at in busy]
    with world.ledger.write() as connection:
        record_calls(connection, calls, None, T0 + HOUR)


def test_without_history_the_plan_s_own_rank_counts(tmp_path: Path, sqlite_url: str) -> None:
    made = make_world(tmp_path / "home", sqlite_url)
    put(made.ledger, [reachable(n, value=float(n)) for n in range(4)])
    made.start(plan_text(CALL))
    made.advance()
    assert [(row.key, row.value) for row in ranked(made)] == [(f"c{n}", float(n)) for n in (3, 2, 1, 0)]
    made.ledger.close()


def test_an_erased_customer_has_no_score(lite: World) -> None:
    ranked(lite)
    erase_customer(lite.room, "c1", "tester")
    with lite.ledger.read() as connection:
        gone = select(t.customer.c.id).where(t.customer.c.erased_at.is_not(None))
        assert kept(lite)[1] == PEOPLE - 1
        assert connection.scalar(select(call_score.c.score).where(call_score.c.customer.in_(gone))) is None


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[World]:
    yield from made_world(tmp_path, None, strangers=400)


def test_a_list_that_a_model_ranks_says_by_which_and_draws_a_share_by_lot(crowd: World) -> None:
    world = crowd
    ranked(world)
    cut = world.pull("call", size=100)
    with world.ledger.read() as connection:
        scores = {row.customer: row for row in connection.execute(select(call_score))}
        card = connection.scalar(select(func.max(model_card.c.id)).where(model_card.c.kind == "answer"))
        cards = connection.scalars(select(t.dial_entry.c.card).distinct()).all()
    assert cards == [card]
    assert all(entry.p_answer == scores[entry.customer].answer for entry in cut.entries)
    by_lot = [entry for entry in cut.entries if entry.explored]
    assert len(by_lot) == 5
    best = sorted((row.score for row in scores.values()), reverse=True)
    assert all(entry.score >= best[99] for entry in cut.entries if not entry.explored)
    assert any(entry.score < best[99] for entry in by_lot), "whom the rank leaves out"
    assert all(0 < entry.p_assign <= 1 for entry in cut.entries)
    assert all(entry.p_assign == 1 for entry in cut.entries if entry.score > best[90])
    shown = json.loads(said(world, "dial-list", "show", str(cut.number), "--json"))
    assert shown["cards"] == [card]
    assert [(block["tier"], block["entries"]) for block in shown["blocks"]] == [("hot", 20), ("normal", 80)]
    assert sum(block["by_lot"] for block in shown["blocks"]) == 5
    hot = [entry.p_answer for entry in cut.entries if entry.tier == "hot"]
    assert shown["blocks"][0]["expected_hit_rate"] == pytest.approx(sum(hot) / 20, abs=1e-4)
    more = dialling.extend(world.room, cut.number, 20, "ann", world.now)
    assert sum(entry.explored for entry in more.entries) == 1


def test_the_plan_says_how_much_is_drawn_by_lot(tmp_path: Path, ledger_url: str) -> None:
    made = make_world(tmp_path / "home", ledger_url)
    put(made.ledger, [reachable(n, value=float(n)) for n in range(300)])

    def explored(share: str, size: int) -> int:
        plan = CALL.replace("rank: value", f"rank: value, explore: {share}")
        name = made.start(plan_text(plan).replace("campaign: test", f"campaign: p{share.strip('%')}"))
        made.advance()
        return sum(entry.explored for entry in made.pull("call", size=size, name=name).entries)

    assert explored("10%", 100) == 10
    assert explored("0%", 100) == 0
    assert explored("8%", 9) == 0, "never more than a tenth"
    made.ledger.close()
