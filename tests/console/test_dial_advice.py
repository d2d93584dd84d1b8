"""`dial-list advice`: what a lead reads, what a program reads, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from ledger.calls import Call, record_calls
from tests.builders import HOUR, T0, World, make_world, plan_text, put, reachable
from waves.dispositions import Disposition as D
from waves.erlang import erlang_b
from waves.errors import InputError

TEAM = ("--agents", "10", "--hours", "2", "--answer-rate", "30%")


def run(tmp_path: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["dial-list", "advice", *words, "--home", str(tmp_path)], env={"COLUMNS": "150"})
    if result.exception:
        raise result.exception
    return result.output


def told(tmp_path: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(tmp_path, *words, "--json"))
    return found


def test_a_lead_reads_how_to_dial_and_how_long_the_list_is(tmp_path: Path) -> None:
    said = run(tmp_path, *TEAM, "--answer-rate", "10%", "--region", "US-TX", "--records", "800")
    for words in (
        "dial predictive: 9 agents at the phone",
        "occupancy by formula",
        "passes: 30.0%, 10.0%; 37.0% of the records answer",
        "stop before pass 2: it answers less than 50% of the first pass",
        "abandonment, US-TX: dial slower above 2.0%, no list above 2.8% (answered_by_live_person)",
        "rule for US: 16 CFR 310.4(b)(1)(iv) and (b)(4); nobody has reviewed this row",
        "the list runs dry: P10 ",
    ):
        assert words in said


def test_the_sheets_sizing_by_an_occupancy_of_ones_own(tmp_path: Path) -> None:
    passes = ("--answer-rate", "18%", "--answer-rate", "15%")
    found = told(tmp_path, "--agents", "20", *passes, "--occupancy", "80%")
    way = found["ways"][0]
    assert way["mode"] == "progressive"
    assert way["size"]["conversations"] == pytest.approx(2112)
    assert (round(way["size"]["records"]), round(way["size"]["dials"])) == (6970, 12686)
    assert found["passes_worth_dialling"] == 2
    assert found["runs_dry_after_s"] is found["own_lines"] is None


def test_own_lines_are_judged(tmp_path: Path) -> None:
    words = (*TEAM, "--lines", "20", "--region", "US")
    mine, ways = told(tmp_path, *words)["own_lines"], told(tmp_path, *words)["ways"]
    assert mine["erlangs"] == pytest.approx(12.03, abs=0.01)
    assert mine["blocked"] == {way["mode"]: erlang_b(20, way["erlangs"]) for way in ways}
    few, many = (ways[0]["lines"][name] for name in ("blocking_1_percent", "blocking_0.1_percent"))
    assert erlang_b(few, ways[0]["erlangs"]) <= 0.01 < erlang_b(few - 1, ways[0]["erlangs"])
    assert few < many
    assert "20 lines carry 12.0 erlangs at 1%; no line is free for " in run(tmp_path, *words)


def test_few_agents_dial_progressively_and_both_ways_are_shown(tmp_path: Path) -> None:
    found = told(tmp_path, "--agents", "5", "--hours", "8", "--shrinkage", "0%", "--answer-rate", "30%")
    assert found["mode"] == "progressive"
    assert "fewer than 8 agents at the phone (8 on the rota)" in found["why"]
    progressive, predictive = found["ways"]
    assert progressive["occupancy_by_formula"] == pytest.approx(0.714, abs=5e-4)
    assert progressive["occupancy"]["value"] == pytest.approx(0.714, abs=0.02)
    assert predictive["occupancy"]["value"] > progressive["occupancy"]["value"]
    assert progressive["abandoned"]["value"] == 0 < predictive["abandoned"]["value"] < 0.03


def test_a_short_shift_has_too_few_answers(tmp_path: Path) -> None:
    found = told(tmp_path, "--agents", "10", "--hours", "0.25", "--answer-rate", "10%")
    assert (found["mode"], found["why"]) == ("progressive", "fewer than 50 answers a day are too few to steer by")


def test_where_nobody_answers_no_share_of_the_answers_is_told(tmp_path: Path) -> None:
    nobody = ("--agents", "1", "--hours", "0.25", "--answer-rate", "0.0001%")
    text = run(tmp_path, *nobody, "--json")
    assert "Infinity" not in text
    assert [way["abandoned"]["error"] for way in json.loads(text)["ways"]] == [None, None]
    assert "inf" not in run(tmp_path, *nobody)


def test_the_law_of_the_place_is_kept(tmp_path: Path) -> None:
    found = told(tmp_path, *TEAM, "--region", "GB")
    assert found["limits"]["soft"] == pytest.approx(0.01)
    assert (found["limits"]["counts"], found["rule"]["for"]) == ("ofcom_acr", "GB")
    assert found["ways"][1]["abandoned"]["value"] < 0.012


def test_the_homes_own_rules_come_first(tmp_path: Path) -> None:
    path = tmp_path / "config" / "rules" / "abandonment.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("house: {soft: 0%, hard: 1%, from_answered: 50}\nrows: []\n", encoding="utf-8")
    found = told(tmp_path, *TEAM)
    assert (found["mode"], found["why"]) == ("progressive", "nothing may be abandoned here")
    assert [way["mode"] for way in found["ways"]] == ["progressive"]


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    assert run(tmp_path, *TEAM, "--records", "500") == run(tmp_path, *TEAM, "--records", "500")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--answer-rate", "0.18"), "--answer-rate: '0.18' is no share; write 5%"),
        (("--answer-rate", "0%"), "--answer-rate is 0%: nobody would ever answer"),
        (("--answer-rate", "18%", "--shrinkage", "100%"), "--shrinkage is 100%: nobody would be left to call"),
        (("--answer-rate", "18%", "--occupancy", "0%"), "--occupancy is 0%"),
        (("--answer-rate", "18%", "--handle-time", "180"), "--handle-time: '180' is no length of time"),
        (("--answer-rate", "18%", "--handle-time", "0s"), "--handle-time is 0s; write a time from 1s to 24h"),
        (("--answer-rate", "18%", "--retry-after", "9d"), "--retry-after is 9d; write a time from 1s to 24h"),
        (("--answer-rate", "18%", "--region", "XX"), "--region: there is no jurisdiction XX"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError) as refused:
        run(tmp_path, "--agents", "10", *words)
    assert said in str(refused.value)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Forty customers of a call wave: ten of them answer the first call, four of the others the second."""
    made = make_world(tmp_path / "home")
    put(made.ledger, [reachable(n) for n in range(40)])
    made.start(plan_text("  - {wave: call, channels: [call_list], release: 1h, listen: 9d}\n"))
    made.advance()
    calls = []
    for n, touch in enumerate(sorted(row.id for row in made.touches("call"))):
        first = D.HUNG_UP if n % 4 == 0 else D.NO_ANSWER
        calls.append(Call(first, T0, f"{n} first", "test", touch, talk_s=100.0, wrap_s=20.0))
        if n % 4:
            again = D.ABANDONED if n % 10 == 1 else D.BUSY
            calls.append(Call(again, T0 + HOUR, f"{n} again", "test", touch))
    with made.ledger.write() as connection:
        record_calls(connection, calls, None, T0 + HOUR)
    yield made
    made.ledger.close()


def test_a_campaigns_calls_are_measured(world: World) -> None:
    found = told(world.room.settings.home, "--agents", "10", "--hours", "2", "--campaign", "test")
    assert found["answer_rates"] == pytest.approx([10 / 40, 4 / 30])
    assert found["handle_s"] == 180  # ten timed calls are too few
    with world.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE call SET disposition = 15 WHERE call_id LIKE '%first'")
    found = told(world.room.settings.home, "--agents", "10", "--hours", "2", "--campaign", "test")
    assert (found["answer_rates"], found["handle_s"]) == ([1.0, pytest.approx(4 / 30)], 120)
    with world.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM call WHERE call_id LIKE '2%'")
    with pytest.raises(InputError, match="test has 29 first dials back, 29 of them answered: too few to measure by"):
        told(world.room.settings.home, "--agents", "10", "--campaign", "test")


@pytest.mark.parametrize("words", [(), ("--answer-rate", "18%", "--campaign", "test")])
def test_rates_are_written_or_measured_and_never_both(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="--answer-rate 18%, or --campaign NAME to measure it"):
        run(tmp_path, "--agents", "10", *words)
