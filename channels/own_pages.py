"""What our own pages and doors tell (a click, a beacon, an unsubscription), kept in the spool like a provider's report.

A record of the spool with the provider `multiwave` names one of PAGES as its sender.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from channels.conversions_http import read_kept
from waves.message import Came, Event, PushChange

OWN = "multiwave"
PageReader = Callable[[bytes, datetime], list[Came]]


def body_of(events: Sequence[Event]) -> bytes:
    """Reports as the body of a record of page `event`."""
    return json.dumps([event.as_json() for event in events]).encode()


def read_events(body: bytes, at: datetime) -> list[Came]:
    """The reports that `body_of` wrote."""
    return [Event.of_json(item) for item in json.loads(body)]


def push_body(change: PushChange) -> bytes:
    """What a browser said of its subscription as the body of a record of page `push`."""
    said = {"act": change.act, "endpoint": change.endpoint, "value": change.value, "customer": change.customer}
    return json.dumps(said).encode()


def read_push(body: bytes, at: datetime) -> list[Came]:
    """What `push_body` wrote, said at the moment it came."""
    said = json.loads(body)
    return [PushChange(said["act"], said["endpoint"], at, said["value"], said["customer"])]


PAGES: dict[str, PageReader] = {"event": read_events, "push": read_push, "conversion": read_kept}
"""Page -> how its records are read."""
