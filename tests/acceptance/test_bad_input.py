"""Bad input: one clear message that says what, where and what to do, exit code 2, and a ledger nobody touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.mistakes import CASES, GOOD, Case
from tests.acceptance.program import Program, Said
from tests.acceptance.server import Server

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Program:
    """A home with one campaign in its first wave and another approved."""
    program = Program(tmp_path_factory.mktemp("desk") / "home", server.settings, quick=True)
    program.run("init", "--simulated-clock")
    program.run("advance", "--now", "2026-12-01T14:00Z")
    config = program.home / "config"
    program.run("customers", "import", config / "examples" / "customers.csv")
    own = (config / "plans" / "renewal.yaml").read_text().replace("campaign: autumn-renewal", "campaign: unapproved")
    (config / "plans" / "unapproved.yaml").write_text(own)
    program.run("approve", "renewal")
    program.run("approve", "four_waves")
    program.run("start", "four_waves")
    program.run("advance")
    return program


@dataclass(frozen=True)
class Tried:
    """What the program answered, and the ledger before and after."""

    said: Said
    before: list[str]
    after: list[str]


@pytest.fixture(scope="module")
def tried(desk: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Case], Tried]]:
    """Every case tried on a copy of the desk, two at a time."""
    folder = tmp_path_factory.mktemp("tried")
    with ThreadPoolExecutor(2) as pool:
        coming = {one.name: pool.submit(attempt, desk, folder / one.name.replace(" ", "-"), one) for one in CASES}
        yield lambda one: coming[one.name].result()


def attempt(desk: Program, home: Path, one: Case) -> Tried:
    shutil.copytree(desk.home, home)
    for name, content in one.files.items():
        (home / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, (old, new) in one.edits.items():
        text = (home / name).read_text()
        assert old in text, f"{name} does not say {old!r}"
        (home / name).write_text(text.replace(old, new, 1))
    program = Program(home, dict(desk.settings), quick=True)
    before = program.dump()
    words = [home / word if "." in word and "import" in one.words else word for word in one.words]
    return Tried(program.try_(*words, **one.settings), before, program.dump())


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_it_is_told_clearly_and_nothing_is_stored(one: Case, tried: Callable[[Case], Tried]) -> None:
    found = tried(one)
    told = found.said.out if one.on_screen else found.said.err
    assert found.said.code == 2, found.said
    assert "Traceback" not in found.said.out + found.said.err
    assert all(word in told for word in one.answer), told
    assert "@example.com" not in told
    assert "New Example" not in told
    assert found.before == found.after


def copy_of(desk: Program, home: Path) -> Program:
    """The desk as it was, in a home of its own."""
    shutil.copytree(desk.home, home)
    return Program(home, dict(desk.settings), quick=True)


def test_an_event_for_an_unknown_touch_is_kept_and_told(desk: Program, tmp_path: Path) -> None:
    program = copy_of(desk, tmp_path / "home")
    file = tmp_path / "events.jsonl"
    file.write_text(GOOD + "\n")
    assert "1 carry a token that belongs to no touch here" in program.run("events", "import", file).out
    known = set(desk.dump())
    added = [line for line in program.dump() if line not in known]
    assert [line.split(" VALUES")[0] for line in added] == ['INSERT INTO "event"'], added


def test_of_two_starts_at_once_one_wins(desk: Program, tmp_path: Path) -> None:
    program = copy_of(desk, tmp_path / "home")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: program.try_("start", "renewal"), range(2))
    assert sorted((first.code, second.code)) == [0, 2], (first, second)
    lost = first if first.code else second
    assert "already started" in lost.err
    counts = program.rows("SELECT count(*) AS n FROM campaign UNION ALL SELECT count(*) FROM wave")
    assert counts.n.tolist() == [2, 7]


def test_a_home_that_nobody_made_is_told(program: Program) -> None:
    program.home.mkdir()
    said = program.try_("status")
    assert said.code == 2
    assert "multiwave init" in said.err
    assert list(program.home.iterdir()) == []


def test_a_real_clock_cannot_be_moved(program: Program) -> None:
    program.run("init")
    before = program.dump()
    said = program.try_("advance", "--now", "2026-12-01T09:00Z")
    assert said.code == 2
    assert "--simulated-clock" in said.err
    assert program.dump() == before
    assert program.try_("init", "--simulated-clock").code == 2, "nor turned into a simulated one"


def test_a_file_that_is_no_ledger_is_told(program: Program) -> None:
    program.run("init")
    (program.home / "ledger.db").write_bytes(b"no database at all, but long enough to be looked at" * 50)
    said = program.try_("status")
    assert (said.code, "Traceback" in said.err) == (2, False), said.err
    assert "ledger.db" in said.err
