"""A child program that ends when its parent does, however that ended: they share the child's standard input."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping


def spawn(module: str, *words: str, env: Mapping[str, str], heard: bool = False) -> subprocess.Popen[bytes]:
    """Run a module of ours as a child on a lifeline; `heard` keeps its standard output to be read.

    It is in a session of its own, so that Ctrl-C reaches the parent alone, which ends its children in order.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *words],
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if heard else None,
        start_new_session=True,
    )


def let_go(child: subprocess.Popen[bytes]) -> None:
    """Ask a child to end: what it takes for the end of its parent."""
    if child.stdin is not None and not child.stdin.closed:
        child.stdin.close()


def end(child: subprocess.Popen[bytes], patience_s: float) -> int:
    """End a child and wait for it; one that will not within `patience_s` seconds is killed. Its exit code."""
    let_go(child)
    try:
        code = child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        code = child.wait()
    if child.stdout is not None:
        child.stdout.close()
    return code


def follow_parent(stop: Callable[[], None], patience_s: float) -> None:
    """In the child: call `stop` when the parent lets go or is gone, and end by force `patience_s` seconds later."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        stop()
        threading.Event().wait(patience_s)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
