"""The real program as a subprocess, and all that it ever said."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import psutil

from console.cli import main

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("multiwave")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-c", "from console.cli import main; main()"]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [__name__, "flows.driver", "flows.starting", "flows.reports", "flows.dial_results", "segments.customers"]
)
"""This module too, or each fork would import it, and pandas with it, once more."""
PATIENCE_S = 300.0
"""After this long a command that says nothing counts as broken; a busy machine takes 30 s for the slowest."""
COMES_WITHIN_S = 60.0


def eventually(look: Callable[[], Any]) -> Any:
    """What it sees once that is something: `serve` merges its spool every second."""
    until, pause = time.monotonic() + COMES_WITHIN_S, threading.Event()
    while not (found := look()):
        assert time.monotonic() < until, "it never came"
        pause.wait(0.05)
    return found


@dataclass(frozen=True, slots=True)
class Said:
    """What one command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """This environment without settings of ours or of Prefect's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MULTIWAVE_", "PREFECT_"))}
    return kept | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1,localhost", "COLUMNS": "120"} | more


def spawned(words: Sequence[str], env: dict[str, str], folder: Path) -> Said:
    """Run the program as a shell would."""
    command = [*COMMAND, *words]
    ran = subprocess.run(command, capture_output=True, env=env, cwd=folder, timeout=PATIENCE_S, check=False)
    return Said(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def forked(words: Sequence[str], env: dict[str, str], folder: Path) -> Said:
    """Run the program's `main` in a new process that need not import it first."""
    with TemporaryDirectory(dir=folder) as heard:
        out, err = Path(heard) / "out", Path(heard) / "err"
        child = FORKS.Process(target=_main, args=(words, env, folder, out, err))
        child.start()
        child.join(PATIENCE_S)
        code = child.exitcode
        child.close()
        assert code is not None
        return Said(code, out.read_text(), err.read_text())


def _main(words: Sequence[str], env: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    for handle, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), handle)
    sys.argv = ["multiwave", *words]
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a process without: Prefect has its last lines to send


@dataclass
class Program:
    """One home and everything that was said about it, apart from what a dry run shows on purpose."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    quick: bool = False
    """Run commands in forks of an interpreter that has imported the program already: ten times as many."""

    def try_(self, *words: object, **more: str) -> Said:
        """Run a command to its end, whatever that is."""
        line = [*map(str, words), "--home", str(self.home)]
        run = forked if self.quick else spawned
        said = run(line, environment(**(self.settings | more)), self.home.parent)
        if words[0] != "plan":
            self.said += [*said.out.splitlines(), *said.err.splitlines()]
        return said

    def run(self, *words: object, **more: str) -> Said:
        """Run a command that must succeed in silence on standard error."""
        said = self.try_(*words, **more)
        assert (said.code, said.err) == (0, ""), f"{words}: exit {said.code}\n{said.out[-1000:]}\n{said.err[-3000:]}"
        return said

    def json(self, *words: object) -> Any:
        """What a command says with --json."""
        return self.run(*words, "--json").json

    def begin(self, *words: object, **more: str) -> subprocess.Popen[bytes]:
        """Start a command in a group of its own, to be killed at some moment."""
        return subprocess.Popen(
            [*COMMAND, *map(str, words), "--home", str(self.home)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(**(self.settings | more)),
            cwd=self.home.parent,
            start_new_session=True,
        )

    def outbox(self, channel: str) -> list[dict[str, Any]]:
        """The whole lines that the outbox holds for a channel."""
        path = self.home / "outbox" / f"{channel}.jsonl"
        whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
        return [json.loads(line) for line in whole.splitlines()]

    def rows(self, query: str, *values: object) -> pd.DataFrame:
        """Rows of the ledger, read past the program."""
        with closing(self._ledger()) as connection:
            return pd.read_sql_query(query, connection, params=list(values))

    def dump(self) -> list[str]:
        """Every row of every table of the ledger."""
        with closing(self._ledger()) as connection:
            return list(connection.iterdump())

    def _ledger(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.home / 'ledger.db'}?mode=ro", uri=True, timeout=30)


def kill(child: subprocess.Popen[bytes]) -> None:
    """SIGKILL a command as a lost machine would: itself first, then whatever it had started."""
    started = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    child.send_signal(signal.SIGKILL)
    child.wait()
    for grandchild in started:
        if grandchild.is_running():
            grandchild.kill()
    psutil.wait_procs(started)


def printed(said: Sequence[str], secrets: Sequence[str]) -> list[str]:
    """The lines that show one of the secrets."""
    return [line for line in said if any(secret in line for secret in secrets)]
