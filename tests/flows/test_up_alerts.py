"""Alerts by apprise to a server on this machine; an address is never shown."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import SettingsError
from flows.alerts import Alerts, check_addresses

# Apprise loads all of its plugins at once, and what they import.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECRET = "hunter2hunter2"


class Receiver(ThreadingHTTPServer):
    """What was posted to it; answers 200, or 500 under /broken."""

    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.put(json.loads(body))
        self.send_response(500 if "broken" in self.path else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


@contextmanager
def listening() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


def address(receiver: Receiver, path: str = "alerts") -> SecretStr:
    return SecretStr(f"json://ops:{SECRET}@127.0.0.1:{receiver.server_port}/{path}/{SECRET}")


def nobody_there() -> SecretStr:
    with listening() as gone:
        return address(gone)


def test_everybody_is_told(receiver: Receiver) -> None:
    noted: list[str] = []
    alerts = Alerts([address(receiver), address(receiver, "more")], noted.append)
    alerts.tell("multiwave late", "home: it has not advanced for 400 s")
    alerts.wait(60)
    for heard in (receiver.heard.get(timeout=0), receiver.heard.get(timeout=0)):
        assert (heard["title"], heard["message"]) == ("multiwave late", "home: it has not advanced for 400 s")
    assert noted == []


def test_who_cannot_be_told_is_noted_without_the_address(
    receiver: Receiver, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    noted: list[str] = []
    alerts = Alerts([address(receiver, "broken"), address(receiver), nobody_there()], noted.append)
    alerts.tell("multiwave late", "home: late")
    alerts.wait(60)
    assert sorted(noted) == [f"the alert did not reach address {n} of MULTIWAVE_ALERT_URLS" for n in (1, 3)]
    assert receiver.heard.qsize() == 2
    out, err = capfd.readouterr()
    assert SECRET not in out + err + caplog.text
    assert SECRET not in repr(alerts)


@pytest.mark.parametrize("wrong", [f"nonsense://{SECRET}", SECRET, f"slack://{SECRET}"])
def test_an_address_that_apprise_does_not_know_is_refused(
    wrong: str, receiver: Receiver, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError, match=r"MULTIWAVE_ALERT_URLS \(2\): apprise knows no such address") as caught:
        check_addresses([address(receiver), SecretStr(wrong)])
    out, err = capfd.readouterr()
    assert SECRET not in str(caught.value) + out + err + caplog.text
