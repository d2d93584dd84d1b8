"""Our Prefect server ends with its parent, whatever became of that; no signal to the whole group ends it before."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from flows.server import answers
from tests.acceptance.program import environment

PARENT = """
import os, sys
from flows.embedded import OwnServer, set_environment
from pathlib import Path

set_environment(Path(sys.argv[1]))
OwnServer.ensure()
print(OwnServer.child.pid, os.environ["PREFECT_API_URL"], flush=True)
sys.stdin.read()
"""


def test_a_server_whose_parent_was_killed_ends_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        server = psutil.Process(int(pid))
        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGINT)
        assert answers(int(url.removeprefix(b"http://127.0.0.1:").removesuffix(b"/api")))
        parent.kill()
    assert psutil.wait_procs([server], timeout=60)[1] == []
    assert (tmp_path / "prefect" / "prefect.db").exists()
