"""Tell people by `apprise`: each address in its own time, no address or password in a log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apprise import Apprise
from pydantic import SecretStr

from config.settings import SettingsError

LOUD = ("apprise", "urllib3", "requests", "paho", "slack_sdk")
"""Libraries whose own warnings would show the address they could not reach."""


def check_addresses(urls: Sequence[SecretStr]) -> None:
    """SettingsError when apprise cannot use one of the addresses; the message says which, and never shows it."""
    _hush()
    for number, url in enumerate(urls, 1):
        if not Apprise().add(url.get_secret_value()):
            raise SettingsError(
                f"MULTIWAVE_ALERT_URLS ({number}): apprise knows no such address; write one such as "
                '["mailto://user:password@example.com", "json://127.0.0.1:8080/alerts"]'
            )


def _hush() -> None:
    for name in LOUD:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers = [logging.NullHandler()]


@dataclass
class Alerts:
    """Whom to tell, and where to note that it could not be done."""

    urls: Sequence[SecretStr]
    note: Callable[[str], None]
    """Called from the sending thread with a sentence that holds no address."""
    _sending: list[threading.Thread] = field(default_factory=list)

    def tell(self, title: str, text: str) -> None:
        """Send it to every address, in a thread; apprise gives each of them 4 s to connect and 4 s to answer."""
        _hush()
        self._sending = [thread for thread in self._sending if thread.is_alive()]
        for number, url in enumerate(self.urls, 1):
            arguments = (number, url, title, text)
            thread = threading.Thread(target=self._send, args=arguments, name=f"alert-{number}", daemon=True)
            thread.start()
            self._sending.append(thread)

    def _send(self, number: int, url: SecretStr, title: str, text: str) -> None:
        receiver = Apprise()
        if not (receiver.add(url.get_secret_value()) and receiver.notify(title=title, body=text)):
            self.note(f"the alert did not reach address {number} of MULTIWAVE_ALERT_URLS")

    def wait(self, patience_s: float) -> None:
        """Give alerts that are on their way so many seconds each before the program ends."""
        for thread in self._sending:
            thread.join(patience_s)
