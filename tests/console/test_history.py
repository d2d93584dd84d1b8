"""`history import`, `fit` and `cards` as people use them: bad files are refused whole, cards tell what was learnt."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from console.cli import app
from flows.history import fitted_for
from flows.running import load_running
from ledger import tables as t
from ledger.calls import Call, record_calls
from ledger.dial_tables import model_card, past_call
from segments.walk import STEP
from tests.builders import HOUR, T0, World, make_world, phone, plan_text, put, reachable
from tests.segments.test_propensity import PEOPLE, history, is_gold, people
from tests.steps import phoned
from waves.dispositions import Disposition
from waves.draw import bucket_of
from waves.errors import CampaignError, InputError

HEAD = ("customer", "number", "at", "disposition", "source", "source_id")
GOOD = ("c1", phone(1), "2026-11-02T14:05:00+02:00", "no_answer", "old", "1")
WAVES = """\
  - {wave: hello, channels: [sms], message: hello, release: 1h, listen: 1h}
  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}
"""


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("MULTIWAVE_DATABASE_URL", sqlite_url)
    made = make_world(tmp_path / "home", sqlite_url)
    made.ledger.set_now(T0)
    yield made
    made.ledger.close()


def ask(world: World, *words: object) -> str:
    done = CliRunner().invoke(app, ["--home", str(world.room.settings.home), *map(str, words)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def written(folder: Path, *rows: tuple[str, ...], head: tuple[str, ...] = HEAD) -> Path:
    path = folder / "calls.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def stored(world: World) -> int:
    with world.ledger.read() as connection:
        return connection.scalar(select(func.count()).select_from(past_call)) or 0


def test_a_file_is_imported_once(world: World, tmp_path: Path) -> None:
    put(world.ledger, [reachable(1)])
    file = written(tmp_path, GOOD, ("c9", phone(9), *GOOD[2:5], "2"))
    assert ask(world, "history", "import", file) == "1 new call, 0 known already, 1 of customers nobody imported\n"
    assert json.loads(ask(world, "history", "import", file, "--json")) == {
        "new": 0,
        "known": 1,
        "unknown_customer": 1,
        "suppressed": 0,
    }
    said = ask(world, "history", "import", written(tmp_path, (*GOOD[:3], "dnc_request", "old", "9")))
    assert "1 customer suppressed" in said
    assert stored(world) == 2


def test_parquet_says_the_same(world: World, tmp_path: Path) -> None:
    put(world.ledger, [reachable(1)])
    frame = pd.DataFrame(
        {
            "customer": ["c1", "c1"],
            "number": ["(201) 555-0101", phone(1)],
            "at": pd.to_datetime(["2026-11-02T12:05:00Z", "2026-11-03T12:05:00Z"]),
            "disposition": ["Sale", "busy"],
            "source": ["old", "old"],
            "source_id": ["1", "2"],
            "attempt": [1, 2],
            "talk_s": [300.0, 0.0],
        }
    )
    frame.to_parquet(tmp_path / "calls.parquet")
    assert ask(world, "history", "import", tmp_path / "calls.parquet").startswith("2 new calls")
    with world.ledger.read() as connection:
        rows = connection.execute(select(past_call).order_by(past_call.c.id)).all()
    assert [(row.number, row.disposition, row.attempt) for row in rows] == [
        (phone(1), Disposition.SALE, 1),
        (phone(1), Disposition.BUSY, 2),
    ]
    frame.drop(columns="number").to_parquet(tmp_path / "less.parquet")
    with pytest.raises(InputError, match=r"less\.parquet:1: column number is missing"):
        ask(world, "history", "import", tmp_path / "less.parquet")
    frame.assign(at=["2026-11-02 14:05", "today"]).to_parquet(tmp_path / "times.parquet")
    with pytest.raises(InputError, match=r"times\.parquet:1: at .* no time zone(.|\n)*times\.parquet:2: at 'today'"):
        ask(world, "history", "import", tmp_path / "times.parquet")


def test_every_problem_is_named_with_its_line_and_nothing_is_stored(world: World, tmp_path: Path) -> None:
    put(world.ledger, [reachable(1)])
    bad = {
        2: (("c1", phone(1), "2026-11-02 14:05", "no_answer", "old", "1"), "at '2026-11-02 14:05' has no time zone"),
        3: (("c1", phone(1), "2031-11-02T14:05Z", "no_answer", "old", "2"), "at is in the future"),
        4: (("c1", "call me", GOOD[2], "no_answer", "old", "3"), "number: expected a phone number"),
        5: (("c1", phone(1), GOOD[2], "no_anser", "old", "4"), "did you mean no_answer?"),
        6: (("", phone(1), GOOD[2], "no_answer", "", ""), "customer is empty"),
        7: (("c1", "", GOOD[2], "no_answer", "old", "6"), "number is empty"),
    }
    rows = [(*row, "1") for row, _ in bad.values()]
    file = written(tmp_path, *rows, (*GOOD, "0"), (*GOOD, "often"), head=(*HEAD, "attempt"))
    with pytest.raises(InputError) as told:
        ask(world, "history", "import", file)
    lines = str(told.value).splitlines()
    for line, (_, words) in bad.items():
        assert any(said.startswith(f"{file}:{line}: ") and words in said for said in lines)
    assert sum("is no count" in said for said in lines) == 2
    assert "call me" not in str(told.value)
    assert stored(world) == 0


@pytest.mark.parametrize(
    ("file", "said"), [("absent.csv", "no such file"), ("empty.csv", "is empty"), ("broken.parquet", "Parquet")]
)
def test_a_file_that_is_none_is_one_clear_error(world: World, tmp_path: Path, file: str, said: str) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "broken.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(InputError, match=said):
        ask(world, "history", "import", tmp_path / file)


def called(world: World, count: int) -> None:
    """So many more calls of the wave, reported now."""
    touches = [row.id for row in world.touches("call")]
    start = stored_calls(world)
    calls = [
        Call(Disposition.NO_ANSWER, world.now + n * timedelta(seconds=1), f"k{start + n}", "test", touches[n % PEOPLE])
        for n in range(count)
    ]
    with world.ledger.write() as connection:
        record_calls(connection, calls, None, world.now)


def stored_calls(world: World) -> int:
    with world.ledger.read() as connection:
        return connection.scalar(select(func.count()).select_from(t.call)) or 0


@pytest.fixture
def calling(world: World, tmp_path: Path) -> World:
    """A call wave that is open, of customers with a history that tells who answers and who buys."""
    put(world.ledger, people())
    rows = [
        (one.customer, one.number, one.at.isoformat(), one.disposition.name.lower(), one.source, one.source_id)
        for one in history()
    ]
    ask(world, "history", "import", written(tmp_path, *rows))
    world.start(plan_text(WAVES))
    world.advance()
    world.advance(T0 + 3 * HOUR)
    world.ledger.set_now(world.now)
    return world


def test_a_fit_tells_what_it_learnt_and_keeps_its_cards(calling: World) -> None:
    said = ask(calling, "history", "fit", "test", "call", "--by", "ann")
    assert "answer: 4,000 calls" in said
    assert "beats the rate of the calls just before" in said
    assert "is ranked by answer and convert and value" in said
    assert sum(" o" in line or "X" in line for line in said.splitlines()) >= 20
    told = json.loads(ask(calling, "history", "cards", "test", "--json"))["cards"]
    assert [(card["kind"], card["wave"], card["fitted_by"], card["beats"]) for card in told] == [
        ("answer", "call", "ann", True),
        ("convert", "call", "ann", True),
    ]
    assert "tier" in told[1]["features"]
    table = ask(calling, "history", "cards")
    assert "model cards" in table
    fitted = json.loads(ask(calling, "history", "fit", "test", "call", "--json"))
    assert fitted["ranks_by"] == ["answer", "convert", "value"]
    assert [card["digest"] for card in fitted["cards"]] == [card["digest"] for card in told]
    with calling.ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(model_card)) == 4


def test_results_of_250_calls_make_a_fit_due(calling: World) -> None:
    def cards() -> int:
        ask(calling, "history", "fit", "test", "call", "--if-due")
        with calling.ledger.read() as connection:
            return connection.scalar(select(func.count()).select_from(model_card)) or 0

    assert cards() == 2
    called(calling, STEP - 1)
    calling.ledger.set_now(calling.now + HOUR)
    assert cards() == 2
    called(calling, 1)
    assert cards() == 4


def test_between_two_fits_the_same_models_rank(calling: World) -> None:
    running = load_running(calling.ledger, "test")
    first = fitted_for(calling.room, running, "call", "ann", calling.now)
    called(calling, 10)
    again = fitted_for(calling.room, running, "call", "ann", calling.now + HOUR)
    assert again.cards == first.cards
    assert list(again.answers.segment.ravel()) == list(first.answers.segment.ravel())


def test_what_has_no_calls_says_so(world: World) -> None:
    assert "nothing was learnt yet" in ask(world, "history", "cards")
    put(world.ledger, [reachable(1)])
    world.start(plan_text(WAVES))
    with pytest.raises(CampaignError, match=r"no call wave 'hello'; its call waves: call"):
        ask(world, "history", "fit", "test", "hello")
    with pytest.raises(CampaignError):
        ask(world, "history", "cards", "nobody")
    said = ask(world, "history", "fit", "test", "call")
    assert said.count("too few calls to test: it ranks nobody yet") == 2
    assert "is ranked by value alone" in said


def test_who_waits_is_told_with_chances_hour_and_worth(calling: World, tmp_path: Path) -> None:
    phoned(calling, "call", "c0", Disposition.NOT_INTERESTED, calling.now)
    told = json.loads(ask(calling, "history", "scores", "test", "call", "--json"))
    found = told["customers"]
    assert told["ranks_by"] == ["answer", "convert", "value"]
    assert len(found) == PEOPLE - 1
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    assert all(one["best_answer"] >= one["answer"] > 0 and 0 < one["convert"] < 1 for one in found)
    gold = {f"c{n}" for n in range(PEOPLE) if is_gold(n)}
    assert sum(one["customer"] in gold for one in found[:20]) >= 17
    out = tmp_path / "scores.csv"
    ask(calling, "history", "scores", "test", "call", "--out", out)
    with out.open(encoding="utf-8", newline="") as file:
        assert [row["customer"] for row in csv.DictReader(file)] == [one["customer"] for one in found]
    assert "the first 20 of 119" in ask(calling, "history", "scores", "test", "call")


def test_a_list_of_one_s_own_without_rank_or_history_is_by_lot(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(5)])
    world.start(plan_text(WAVES.replace("rank: value, ", "")))
    world.advance()
    world.advance(T0 + 3 * HOUR)
    world.ledger.set_now(world.now)
    told = json.loads(ask(world, "history", "scores", "test", "call", "--json"))
    assert told["ranks_by"] == ["value"]
    assert [one["customer"] for one in told["customers"]] == sorted((f"c{n}" for n in range(5)), key=bucket_of)
    assert {one["value"] for one in told["customers"]} == {1.0}
    world.pull("call")
    assert "nobody waits for a list" in ask(world, "history", "scores", "test", "call")
