"""The sink of the chaos tests as a test holds it: started, told its faults, asked what it accepted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waves.senders import Sender

ROOT = Path(__file__).parents[2]
SECRET_ENV, SECRET = "MULTIWAVE_TEST_SECRET", "a secret of the tests alone"


@dataclass
class Sink:
    """A running sink."""

    running: subprocess.Popen[str]
    port: int
    record: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: object = None) -> Any:
        """What the sink says to a control request."""
        content = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, content, timeout=10) as answer:
            return json.load(answer)

    def fail(self, *rules: dict[str, Any]) -> None:
        """From now on: these faults; none, to be well again."""
        self.ask("/faults", {"rules": rules})

    def accepted(self) -> Counter[str]:
        """Token to how often it was accepted, from the record."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return Counter(line.split("\t")[0] for line in lines)

    def stop(self) -> None:
        """Kill it, as a gateway dies."""
        os.kill(self.running.pid, signal.SIGKILL)
        self.running.wait()
        if self.running.stdout:
            self.running.stdout.close()


def start_sink(record: Path, port: int = 0, secret: str | None = SECRET, tls: tuple[Path, Path] | None = None) -> Sink:
    """A sink on a free port (or this one), which answers when this returns."""
    command = [sys.executable, "-m", "tests.chaos.sink", "--record", str(record), "--port", str(port)]
    command += ["--secret", secret] if secret else []
    command += ["--tls", *map(str, tls)] if tls else []
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout
    return Sink(running, int(running.stdout.readline()), record)


def http_sender(url: str, channel: str = "sms", messages: int = 100, **more: Any) -> Sender:
    """A sender of provider http for this sink."""
    options = {"url": f"{url}/messages", "status_url": f"{url}/status", "secret_env": SECRET_ENV, "messages": messages}
    return Sender(sender="gateway", channel=channel, provider="http", options=options, **more)
