"""Whom we listen to: providers that keep a connection to us open, and how what they say on it is read afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from channels import smpp_receipts
from channels.callbacks import Reader
from channels.opening import Opening
from channels.spool import Spool

Listen = Callable[[Opening, Spool, threading.Event, Callable[[str], None]], None]
"""Puts all that comes into the spool before it answers, until the event is set; told what a person should hear of."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One provider's connections to us."""

    listen: Listen
    read: Reader
    """Reads a record that `listen` made; nobody else can make one, so there is nothing to verify."""


def _smpp(opening: Opening, spool: Spool, over: threading.Event, say: Callable[[str], None]) -> None:
    from channels import smpp_listener

    smpp_listener.listen(opening, spool, over, say)


LISTENERS: dict[str, Listener] = {
    "smpp": Listener(_smpp, smpp_receipts.read_delivery),
}
"""Provider -> how it is listened to."""
