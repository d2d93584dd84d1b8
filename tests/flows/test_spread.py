"""Eight of ten campaigns lie from P10 to P90: of the estimate by itself, and of campaigns played by the engine."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from flows.rehearsal import Theatre
from flows.tally import Spread, spread
from tests.builders import DAY, T0, make_world, plan_text, put, reachable
from tests.worlds import scene

WAVE = "  - {wave: first, channels: [sms], message: hello, release: 2h, listen: 22h}\n"
WORLD = """\
channels: {sms: {bounced_soft: 0.05, silent: 0.1, seen: 0.9, clicked: 0.5}}
conversions: {engaged: 0.7, unprompted: 0.1}
delays: {seen: 30m}
"""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5], Spread(5, 5, 5)),
        ([3, 1, 2], Spread(2, 1, 3)),
        (range(1, 10), Spread(5, 1, 9)),
        (range(1, 20), Spread(10, 2, 18)),
        (range(100, 0, -1), Spread(50.5, 10, 91)),
    ],
)
def test_the_quantiles_are_values_of_the_runs(values: list[float], expected: Spread) -> None:
    assert spread(list(values)) == expected


@pytest.mark.parametrize("runs", [9, 20, 100])
def test_a_further_run_lies_within_in_eight_of_ten_cases_on_average(runs: int) -> None:
    """Over 3,000 rehearsals of a continuous number, where no tie helps: 80 %, a little more with few runs."""
    draw, inside, times = random.Random(1), 0, 3_000
    for _ in range(times):
        found = spread([draw.gauss(0, 1) for _ in range(runs)])
        inside += found.p10 <= draw.gauss(0, 1) <= found.p90
    # Exact: of runs + 1 places in order the further run takes one, each as likely as the other.
    low, high = max(math.floor((runs + 1) / 10), 1), min(math.ceil((runs + 1) * 9 / 10), runs)
    expected = (high - low) / (runs + 1)
    assert inside / times == pytest.approx(expected, abs=4.5 * (0.16 / times) ** 0.5)
    assert expected >= 0.79


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    folder = tmp_path_factory.mktemp("theatre")
    world = make_world(folder / "home")
    put(world.ledger, [reachable(n, ("sms",)) for n in range(150)])
    world.ledger.set_now(T0 - DAY)
    with scene(world, plan_text(WAVE), WORLD, step=timedelta(hours=12)) as staged:
        yield Theatre(staged)
    world.ledger.close()


def test_two_hundred_campaigns(theatre: Theatre) -> None:
    """P10 to P90 of 100 rehearsals holds 142 to 178 of 200 campaigns of other seeds: 80 %, three standard errors."""
    rehearsed = [theatre.run(seed) for seed in range(1, 101)]
    campaigns = [theatre.run(seed) for seed in range(1001, 1201)]
    for line in ("engaged", "converted"):
        expected = spread([run.funnel["first"][line] for run in rehearsed])
        held = sum(expected.p10 <= run.funnel["first"][line] <= expected.p90 for run in campaigns)
        assert 142 <= held <= 178, (line, expected, held)
