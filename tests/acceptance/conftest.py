"""One campaign of four waves, run once by the real program; every test of it reads what it left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from tests.acceptance.program import Program, kill
from tests.acceptance.server import Server, prefect_server
from tests.acceptance.story import Story, tell


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server for the whole session."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as started:
        yield started


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[tuple[Program, Popen[bytes]]]:
    """A small demo that runs while other tests do."""
    program = Program(tmp_path_factory.mktemp("demo") / "home", server.settings)
    child = program.begin("demo", "--members", 600)
    yield program, child
    kill(child)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory, server: Server, demo: tuple[Program, Popen[bytes]]) -> Story:
    """The town's campaign from the first wave to the last."""
    return tell(Program(tmp_path_factory.mktemp("town") / "home", server.settings, quick=True))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program with a home that nobody has made yet."""
    return Program(tmp_path / "home", quick=True)
