"""`status --watch` on a terminal and in a pipe: one picture after another until Ctrl-C, which is a good end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.program import COMMAND, environment
from tests.builders import make_world, put, reachable

pytestmark = pytest.mark.acceptance


@pytest.fixture
def home(tmp_path: Path) -> Path:
    world = make_world(tmp_path / "home")
    put(world.ledger, [reachable(n) for n in range(3)])
    world.start()
    world.ledger.close()
    return tmp_path / "home"


def pictures(handle: int, mark: bytes) -> Iterator[bytes]:
    """What was read up to each mark."""
    said = b""
    while True:
        try:
            read = os.read(handle, 65536)
        except OSError:  # a terminal that nobody writes to any more
            read = b""
        assert read, said.decode()
        said += read
        while mark in said:
            before, _, said = said.partition(mark)
            yield before + mark


@pytest.mark.parametrize("terminal", [True, False])
def test_it_draws_until_it_is_interrupted(home: Path, terminal: bool) -> None:
    near, far = pty.openpty() if terminal else os.pipe()
    command = [*COMMAND, "--home", str(home), "status", "test", "--watch"]
    child = subprocess.Popen(command, stdout=far, env=environment(TERM="xterm"), cwd=home.parent)
    os.close(far)
    try:
        shown = pictures(near, b"is running, 3 members")
        first, second = next(shown), next(shown)
        child.send_signal(signal.SIGINT)
        while not terminal and os.read(near, 65536):
            pass
        assert (b"Ctrl-C ends" in first, b"Ctrl-C ends" in second) == (terminal, terminal)
        if terminal:
            assert next(shown), "the last picture stays"
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()
        os.close(near)


def test_json_is_not_watched(home: Path) -> None:
    command = [*COMMAND, "--home", str(home), "status", "test", "--watch", "--json"]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert "leave --json out" in said.stderr
