"""`rehearse` and `world fit` as people use them: numbers as a table, JSON and CSV; bad input is one message."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.world_file import load_world
from console.cli import app
from console.rehearsing import bars
from tests.builders import DAY, T0, TYPES, World, make_world, plan_text, put, reachable
from tests.worlds import write_world
from waves.errors import MultiwaveError

WAVES = """\
  - {wave: first, channels: [sms], message: hello, release: 2h, listen: 22h}
  - {wave: call, channels: [call_list], enter: first.missed or first.engaged, listen: 1d}
"""


@pytest.fixture
def town(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("MULTIWAVE_DATABASE_URL", sqlite_url)
    world = make_world(tmp_path / "home", sqlite_url)
    put(world.ledger, [reachable(n) for n in range(120)])
    world.ledger.set_now(T0 - DAY)
    (world.config / "plans" / "first.yaml").write_text(plan_text(WAVES, holdout="10%"))
    write_world(world.config)
    yield world
    world.ledger.close()


def ask(town: World, *words: object) -> str:
    done = CliRunner().invoke(app, ["--home", str(town.room.settings.home), *map(str, words)])
    if done.exception is not None:
        raise done.exception
    assert done.exit_code == 0
    return done.stdout


def test_the_numbers_are_the_same_on_the_screen_in_json_and_in_csv(town: World, tmp_path: Path) -> None:
    out = tmp_path / "numbers.csv"
    found = json.loads(
        ask(town, "rehearse", "first", "--world", "world.yaml", "--runs", 5, "--seed", 3, "--json", "--out", out)
    )
    assert (found["campaign"], found["runs"], found["seed"], found["share"]) == ("test", 5, 3, 1)
    first = found["funnel"]["first"]
    assert first["members"] == {"mean": 120, "p10": 120, "p90": 120}
    assert first["go"]["mean"] == first["touches"]["mean"] == found["funnel"]["campaign"]["go"]["mean"]
    assert 0 < first["engaged"]["p10"] <= first["engaged"]["mean"] <= first["engaged"]["p90"] < first["go"]["mean"]
    assert sum(hour["mean"] for hour in found["touches_per_hour"]["sms"]) == first["go"]["mean"]
    assert found["calls_per_agent_hour"]["mean"] > 10
    assert found["cost"] is None
    assert found["finish"]["p10"] <= found["finish"]["mean"] <= found["finish"]["p90"]
    with out.open(newline="") as file:
        rows = {(row["of"], row["line"]): row for row in csv.DictReader(file)}
    assert float(rows["first", "engaged"]["p90"]) == first["engaged"]["p90"]
    assert float(rows["sms", "hour 9"]["mean"]) == first["go"]["mean"]
    assert rows["campaign", "finish"]["mean"] == found["finish"]["mean"]
    said = ask(town, "rehearse", "first", "--world", town.config / "world.yaml", "--runs", 2, "--seed", 3)
    assert "test rehearsed 2 times" in said
    assert "seeds 3 to 4" in said
    assert "nothing was sent" in said
    assert "not set; see MULTIWAVE_COSTS" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--world", "nowhere.yaml"), "nowhere.yaml: there is no such file"),
        (("--world", "world.yaml", "--out", "x.xlsx"), "write a name that ends in .json or .csv"),
        (("--world", "wrong.yaml"), "wrong.yaml:3: `seen` is 1.2; write at most 1"),
        (("--world", "small.yaml"), "the world says nothing of calls, which wave call makes"),
    ],
)
def test_bad_input_is_one_message(town: World, words: tuple[str, ...], said: str) -> None:
    (town.config / "wrong.yaml").write_text("channels:\n  sms:\n    seen: 1.2\n")
    (town.config / "small.yaml").write_text("channels:\n  sms: {seen: 1}\n")
    with pytest.raises(MultiwaveError) as error:
        ask(town, "rehearse", "first", *words)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_a_world_is_fitted_and_rehearsed_in(town: World, tmp_path: Path) -> None:
    town.start((town.config / "plans" / "first.yaml").read_text(), T0 - DAY)
    town.advance(T0)
    town.advance(T0 + DAY)
    (town.config / "plans" / "second.yaml").write_text(
        plan_text("  - {wave: one, channels: [sms], message: hello, listen: 1d}\n", name="second", starts=T0 + 2 * DAY)
    )
    out = tmp_path / "worlds" / "fitted.yaml"
    said = ask(town, "world", "fit", "test", "--out", out)
    assert f"{out} is written" in said.replace("\n", "")
    assert out.read_text().startswith("# Fitted from test, as of 2026-")
    assert load_world(out, TYPES).world.channels["sms"].silent == 1, "nothing ever came back"
    shown = json.loads(ask(town, "world", "fit", "test", "--json"))
    assert (shown["campaigns"], shown["world"]["channels"]["sms"]["silent"]) == (["test"], 1)
    found = json.loads(ask(town, "rehearse", "second", "--world", out, "--runs", 1, "--json"))
    assert found["funnel"]["one"]["touches"]["mean"] == 120
    assert found["funnel"]["one"]["delivered"]["mean"] == 0


@pytest.mark.parametrize(
    ("values", "shown"), [([0, 1, 8], " ▁█"), ([0, 0], "  "), ([0.01, 1000], "▁█"), ([4, 8, 0], "▄█ ")]
)
def test_bars(values: list[float], shown: str) -> None:
    assert bars(values) == shown
