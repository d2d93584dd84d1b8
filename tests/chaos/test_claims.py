"""Law 1 with real processes on one ledger: each touch is claimed by one of them, and none is left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from flows.running import load_running
from flows.wave import enrol_wave, open_wave
from ledger import tables as t
from tests.chaos.blows import FORKS
from tests.chaos.claimer import claim_all
from tests.chaos.home import BOTH, CAMPAIGN, WAVE, make_home
from waves.outcomes import State

PEOPLE = 50_000
PROCESSES = {"sqlite": 4, "postgresql": 8}


@pytest.mark.acceptance
def test_processes_share_a_hundred_thousand_touches(tmp_path: Path, ledger_url: str) -> None:
    home = make_home(tmp_path / "home", ledger_url, "http://127.0.0.1:9", "NO_SECRET", PEOPLE, BOTH, 1000)
    room = home.room()
    for step in (open_wave, enrol_wave):
        running = load_running(room.ledger, CAMPAIGN)
        step(room, running, running.plan.wave(WAVE), room.ledger.now())
    size = PROCESSES[room.ledger.dialect]
    barrier = FORKS.Barrier(size)
    FORKS.set_forkserver_preload(["tests.chaos.claimer", "tests.chaos.worker"])
    claimers = [
        FORKS.Process(target=claim_all, args=(str(home.folder), ledger_url, number, barrier)) for number in range(size)
    ]
    for one in claimers:
        one.start()
    for one in claimers:
        one.join(120)
    assert [one.exitcode for one in claimers] == [0] * size

    shares = [path.read_text().split() for path in sorted(home.folder.glob("claimed-*.txt"))]
    got = Counter(int(touch) for share in shares for touch in share)
    with room.ledger.read() as connection:
        rows = connection.execute(select(t.touch.c.id, t.touch.c.state)).all()
    room.ledger.close()
    assert len(shares) == size
    assert all(shares), "a process got nothing"
    assert max(got.values()) == 1, "claimed twice"
    assert len(rows) == 2 * PEOPLE
    assert got.keys() == {row.id for row in rows}
    assert {row.state for row in rows} == {int(State.CLAIMED)}
