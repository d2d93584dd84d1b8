"""The laws whatever happens in whatever order, and every campaign comes to an end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.builders import World
from tests.laws.machine import Machine
from tests.laws.rig import rig

EXAMPLES = {"sqlite": 16, "postgresql": 8}
STEPS = 35
SOAK = 75
"""How many times as many examples `make soak` draws, other ones each time."""


def run(world: World, examples: int, fixed: bool) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=fixed,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Machine(world), settings=chosen)
    world.ledger.close()


def test_the_laws_hold_whatever_happens(tmp_path: Path, ledger_url: str) -> None:
    """Enrol, lease, claim, crash, settle, report, suppress, advance, re-import, pause, stop, move, dial, close."""
    world = rig(tmp_path / "home", ledger_url)
    run(world, EXAMPLES[world.ledger.dialect], fixed=True)


@pytest.mark.soak
def test_the_laws_hold_for_hours(tmp_path: Path, ledger_url: str) -> None:
    world = rig(tmp_path / "home", ledger_url)
    run(world, SOAK * EXAMPLES[world.ledger.dialect], fixed=False)
