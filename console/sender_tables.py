"""The health of senders as `status` and `doctor` show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from console.show import clock, table
from flows.sender_health import SenderHealth

PLACES = {1: "first", 2: "second", 3: "third"}


def show_senders(found: Sequence[SenderHealth]) -> None:
    """The table of senders; nothing where none is configured."""
    if not found:
        return
    cells = [
        (
            one.channel,
            f"{one.place}. {one.sender}",
            one.provider,
            "yes" if one.carries else "",
            one.state + (f" until {clock(one.until)}" if one.until else ""),
            one.why,
            f"{one.failures:,} of {one.attempts:,}" if one.attempts and one.state != "on trial" else "",
            f"{one.today:,}{f' of {one.cap:,}' if one.cap is not None else ''}" if one.today or one.cap else "",
        )
        for one in found
    ]
    columns = ("channel", "sender", "provider", "carries", "state", "why", "failed", "today")
    table("senders", columns, cells, ("failed", "today"))


def sentence(one: SenderHealth) -> tuple[Literal["ok", "warn"], str, str]:
    """A sender's line in `doctor`: how it is, and what to do."""
    name = f"{one.sender} ({PLACES.get(one.place, f'number {one.place}')} for {one.channel})"
    if one.state == "works":
        failed = f"; {one.failures:,} of its last {one.attempts:,} attempts failed" if one.failures else ""
        return "ok", f"{name} {'carries it' if one.carries else 'stands by'}{failed}", ""
    if one.state == "on trial":
        return "warn", f"{name} is tried with one message at a time after its pause", "it goes on by itself"
    until = f" until {one.until:%Y-%m-%d %H:%M:%S} UTC" if one.until else ""
    do = "it goes on by itself" if one.until else "mend it, then lift its switch: multiwave kill-switch ls"
    return "warn", f"{name} {'waits' if one.state == 'waits' else 'is stopped'}{until}: {one.why}", do
