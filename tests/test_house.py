"""The house rules that a machine can check, each with a sample that breaks it."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ROOMS = ("waves", "config", "ledger", "segments", "channels", "flows", "console")
LONGEST = 400
BANNED = {"manager", "service", "helper", "utils", "util", "process", "data", "job"}
ASKED_BY_LIBRARIES = {"data_received", "process_bind_param", "process_result_value"}  # asyncio, SQLAlchemy
AT_HOME_IN = {
    "sqlalchemy": ("ledger", "segments"),
    "alembic": ("ledger",),
    "prefect": ("flows",),
    "fastapi": ("console.web",),
    "pandas": ("segments.customers", "segments.propensity", "ledger.frames", "console.review"),
}
IMPURE = {"time", "random", "secrets", "os", "socket", "subprocess", "urllib", "http", "httpx", "sqlite3", "asyncio"}
CLOCKS = {"now", "utcnow", "today"}
PROMISED = ("waves", "ledger", "segments", "channels")
DECLARED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its dotted name (`ledger.store`), its text and its tree."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def within(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)


Check = Callable[[Source], Iterable[str]]


def read(path: Path) -> Source:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return Source(name, path.read_text("utf-8"))


def sources(*folders: str) -> list[Source]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [read(path) for path in found if ".peers-venv" not in path.parts]  # the peers' own packages (bench/peers.py)


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything the file imports, `from a import b` giving `a.b`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def called(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything the file calls, as it is written there."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
            yield node.lineno, ast.unparse(node.func)


def too_long(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > LONGEST and not source.within("ledger.migrations"):
        yield f"{source.name} has {lines} lines"


def catches_everything(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = [ast.unparse(kind) if kind else "" for kind in getattr(node.type, "elts", [node.type])]
        cleans_up = names == ["BaseException"] and ast.unparse(node.body[-1]) == "raise"
        if not cleans_up and {"", "Exception", "BaseException"}.intersection(names):
            yield f"{source.name}:{node.lineno} catches everything"


def vague_names(source: Source) -> Iterator[str]:
    declared = [node.name for node in ast.walk(source.tree) if isinstance(node, DECLARED)]
    for name in [source.name.rpartition(".")[2], *declared]:
        parts = re.findall(r"[a-z]+|[A-Z][a-z]*", name)
        vague = BANNED.intersection(part.lower() for part in parts)
        if vague and name not in ASKED_BY_LIBRARIES:
            yield f"{source.name}: {name} says only {', '.join(sorted(vague))}"


def library_in_a_strange_room(source: Source) -> Iterator[str]:
    for line, name in imported(source):
        library = name.partition(".")[0]
        if library in AT_HOME_IN and not source.within(*AT_HOME_IN[library]):
            yield f"{source.name}:{line} imports {library}, which belongs in {', '.join(AT_HOME_IN[library])}"


def impure_wave(source: Source) -> Iterator[str]:
    if not source.within("waves"):
        return
    for line, name in imported(source):
        if name.partition(".")[0] in IMPURE:
            yield f"{source.name}:{line} imports {name}; waves/ is values in, values out"
    for line, name in called(source):
        if "." in name and name.rpartition(".")[2] in CLOCKS:
            yield f"{source.name}:{line} asks the clock with {name}; take now as an argument"


def public_names(scope: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """The public functions and classes of a module, and the public methods of those classes."""
    for node in scope.body:
        if isinstance(node, DECLARED) and not node.name.startswith("_") and node.name not in ASKED_BY_LIBRARIES:
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_names(node)


def without_promise(source: Source) -> Iterator[str]:
    if not source.within(*PROMISED) or source.within("ledger.migrations.versions"):
        return
    tree = source.tree
    if not ast.get_docstring(tree):
        yield f"{source.name} has no docstring"
    for node in public_names(tree):
        if not ast.get_docstring(node):
            yield f"{source.name}:{node.lineno} {node.name} has no docstring"


def fakes_or_sleeps(source: Source) -> Iterator[str]:
    for line, name in imported(source):
        if name.startswith(("unittest.mock", "mock.", "pytest_mock")) or name in {"mock", "time.sleep"}:
            yield f"{source.name}:{line} imports {name}"
    for line, name in called(source):
        if name.startswith("mocker.") or name.rpartition(".")[2] == "sleep":
            yield f"{source.name}:{line} calls {name}"


# Each needle is written so that it does not match its own line.
NEEDLES = re.compile(
    r"(?<![a-z.])/(?:wor[k]|roo[t]|far[m])/|pyp[i]\.org|python[h]osted|index-ur[l]|find-link[s]|\"resolved\": \"htt[p]"
)


def names_a_machine(source: Source) -> Iterator[str]:
    for line, text in enumerate(source.text.splitlines(), 1):
        if found := NEEDLES.search(text):
            yield f"{source.name}:{line} names {found.group()}"


def loose_lock(source: Source) -> Iterator[str]:
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n?", "", source.text).replace("\\\n", " ").strip())
    for entry in entries:
        requirement = entry.partition(" --hash")[0].strip()
        if not re.fullmatch(r"[a-z0-9.-]+==[^ ]+( ; .+)?", requirement):
            yield f"{requirement!r} is not one pinned release"
        if "--hash=sha256:" not in entry:
            yield f"{requirement!r} has no hash"
    if "://" in source.text:
        yield "the lock names a host"


HOUSE = [*ROOMS, "tests", "bench"]
RULES: list[tuple[Check, list[str], str, str]] = [
    (too_long, HOUSE, "waves.long", "x = 1\n" * (LONGEST + 1)),
    (catches_everything, HOUSE, "waves.a", "try:\n    f()\nexcept (ValueError, Exception):\n    pass\n"),
    (catches_everything, HOUSE, "waves.a", "try:\n    f()\nexcept:\n    pass\n"),
    (catches_everything, HOUSE, "waves.a", "try:\n    f()\nexcept BaseException:\n    g()\n"),
    (vague_names, [*ROOMS], "waves.utils", ""),
    (vague_names, [*ROOMS], "waves.a", "class TouchManager: ...\n"),
    (vague_names, [*ROOMS], "waves.a", "class A:\n    def load_data(self): ...\n"),
    (library_in_a_strange_room, [*ROOMS], "flows.a", "from sqlalchemy.engine import Engine\n"),
    (library_in_a_strange_room, [*ROOMS], "ledger.store", "def f():\n    import pandas as pd\n"),
    (library_in_a_strange_room, [*ROOMS], "segments.a", "import alembic.op\n"),
    (impure_wave, ["waves"], "waves.a", "from time import monotonic\n"),
    (impure_wave, ["waves"], "waves.a", "import datetime\nx = datetime.datetime.now(datetime.UTC)\n"),
    (without_promise, [*PROMISED], "waves.a", '"""A."""\n\nclass A:\n    """B."""\n\n    def c(self): ...\n'),
    (without_promise, [*PROMISED], "waves.a", '"""A."""\n\nasync def b(): ...\n'),
    (fakes_or_sleeps, ["tests"], "tests.a", "from unittest import mock\n"),
    (fakes_or_sleeps, ["tests"], "tests.a", "def test(mocker):\n    mocker.patch('a.b')\n"),
    (fakes_or_sleeps, ["tests"], "tests.a", "import time as t\nt.sleep(1)\n"),
]


@pytest.mark.parametrize(("check", "folders"), {check: (check, folders) for check, folders, _, _ in RULES}.values())
def test_the_house_keeps(check: Check, folders: list[str]) -> None:
    assert [offence for source in sources(*folders) for offence in check(source)] == []


@pytest.mark.parametrize(("check", "name", "text"), [(check, name, text) for check, _, name, text in RULES])
def test_a_breach_is_seen(check: Check, name: str, text: str) -> None:
    assert list(check(Source(name, text)))


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (too_long, "ledger.migrations.versions.x", "x = 1\n" * (LONGEST + 1)),
        (catches_everything, "waves.a", "try:\n    f()\nexcept ValueError:\n    pass\n"),
        (catches_everything, "waves.a", "try:\n    f()\nexcept BaseException:\n    g()\n    raise\n"),
        (vague_names, "ledger.types", "class A:\n    def process_bind_param(self): ...\n"),
        (vague_names, "waves.a", "def update_database(processed): ...\n"),
        (library_in_a_strange_room, "console.web.app", "from fastapi import FastAPI\n"),
        (impure_wave, "waves.a", "from datetime import datetime, time\n"),
        (impure_wave, "flows.a", "import os\n"),
        (without_promise, "waves.a", '"""A."""\n\ndef _b(): ...\n'),
        (fakes_or_sleeps, "tests.a", "import time\ntime.monotonic()\n"),
        (names_a_machine, "a.md", "see the framework/page and ./work/ and /homework/\n"),
        (loose_lock, "lock", "a==1 ; python_version < '3.12' \\\n    --hash=sha256:0\n    # via b\n"),
    ],
)
def test_what_is_allowed_passes(check: Check, name: str, text: str) -> None:
    assert list(check(Source(name, text))) == []


def in_git() -> list[Source]:
    """Every text file of the tree that git keeps or would keep, but for binary ones."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    found = []
    for name in filter(None, names):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content:
            found.append(Source(name, content.decode("utf-8")))
    return found


def test_no_file_names_a_machine_or_a_registry() -> None:
    assert [offence for source in in_git() for offence in names_a_machine(source)] == []


@pytest.mark.parametrize(
    "text",
    ["/wor" + "k/main", "see /roo" + "t/x", "https://pyp" + "i.org", "files.python" + "hosted", "--index-" + "url x"],
)
def test_a_named_machine_is_seen(text: str) -> None:
    assert list(names_a_machine(Source("a.md", text)))


def test_the_lock_pins_and_hashes_every_release_without_a_host() -> None:
    assert list(loose_lock(Source("requirements.lock", (ROOT / "requirements.lock").read_text()))) == []


@pytest.mark.parametrize(
    "text",
    [
        "a==1\n",
        "a>=1 \\\n    --hash=sha256:0\n",
        "--extra x\na==1 --hash=sha256:0\n",
        "a @ https://b --hash=sha256:0\n",
    ],
)
def test_a_loose_lock_is_seen(text: str) -> None:
    assert list(loose_lock(Source("requirements.lock", text)))


def test_the_lock_serves_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]]
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"(?m)^([a-z0-9.-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text()):
        pinned.setdefault(name, []).append(version)

    def served(one: Requirement) -> bool:
        return any(map(one.specifier.contains, pinned.get(canonicalize_name(one.name), [])))

    assert [str(one) for one in asked if not served(one)] == []


def test_an_install_brings_every_room() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert {pattern.rstrip("*") for pattern in tools["setuptools"]["packages"]["find"]["include"]} == set(ROOMS)
    assert set(tools["importlinter"]["root_packages"]) == set(ROOMS)
