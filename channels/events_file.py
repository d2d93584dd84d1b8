"""Reports of providers in a file: one JSON object per line, each a waves.message.Event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from channels.findings import Findings, read_twice
from waves.message import Event
from waves.outcomes import Action, Outcome, Reason, Side, word

OUTCOMES: dict[str, int] = {word(code): int(code) for code in (*Outcome, *Side)}
REASONS: dict[str, Reason] = {word(code): code for code in Reason if code > 100}
ACTIONS: dict[str, Action] = {word(code): code for code in Action}
SCOPES = ("channel", "all")
REQUIRED = ("token", "outcome", "at", "provider", "provider_event_id")
OPTIONAL = ("reason", "action", "scope", "raw")


def read_events(path: Path) -> Iterator[tuple[int, Event]]:
    """Line number and event of every line, `scope` kept in the event's `raw`; InputError lists every problem.

    The whole file is checked before the first event is given, and read again for the events, as they are asked for.
    """
    return read_twice(path, _events)


def _events(found: Findings) -> Iterator[tuple[int, Event]]:
    with found.opened(newline="\n") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                event = _event(found, line, text)
                if event is not None:
                    yield line, event


def _event(found: Findings, line: int, text: str) -> Event | None:
    before = found.count
    item = _object(found, line, text)
    if item is None:
        return None
    values = {key: item[key] for key in (*REQUIRED, "reason", "action", "scope") if item.get(key) is not None}
    for key in [key for key in REQUIRED if key not in values]:
        found.add(line, f"{key} is missing")
    for key in [key for key, value in values.items() if not isinstance(value, str)]:
        found.add(line, f"{key} must be text in quotes")
    for key in [key for key in item if key not in REQUIRED + OPTIONAL]:
        found.word(line, "key", key, REQUIRED + OPTIONAL)
    raw = item.get("raw", {})
    if not isinstance(raw, dict):
        found.add(line, "raw must be an object")
        return None
    if found.count > before:
        return None
    words = {key: str(value) for key, value in values.items()}
    outcome = found.word(line, "outcome", words["outcome"], OUTCOMES)
    reason = found.word(line, "reason", words["reason"], REASONS) if "reason" in words else None
    action = found.word(line, "action", words["action"], ACTIONS) if "action" in words else None
    scope = found.word(line, "scope", words["scope"], SCOPES) if "scope" in words else None
    at: datetime | None = found.moment(line, "at", words["at"])
    token, provider, ident = (found.filled(line, key, words[key]) for key in ("token", "provider", "provider_event_id"))
    if found.count > before or outcome is None or at is None:
        return None
    return Event(
        token,
        OUTCOMES[outcome],
        at,
        provider,
        ident,
        REASONS[reason] if reason else None,
        ACTIONS[action] if action else None,
        {**raw, **({"scope": scope} if scope else {})},
    )


def _object(found: Findings, line: int, text: str) -> dict[str, object] | None:
    try:
        item = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        found.add(line, "not JSON; one object a line is expected")
        return None
    if not isinstance(item, dict):
        found.add(line, "not a JSON object")
        return None
    return item


def _no_constant(name: str) -> None:
    raise ValueError(name)
