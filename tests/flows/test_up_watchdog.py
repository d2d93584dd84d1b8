"""What people are told of an engine, by a table of what it did and when."""

from __future__ import annotations

import pytest

from flows.watchdog import Watchdog

LATE = 300.0
CASES = {
    "all is well": (["tick 10", "tick 20", "look 21"], []),
    "nothing at all is late once": (["look 300", "look 301", "look 900"], ["late"]),
    "late after the last tick, not after the first look": (["tick 200", "look 499", "look 501"], ["late"]),
    "a long tick that goes on is not late": (["worked 250", "worked 500", "look 790", "tick 800"], []),
    "a long tick that stands still is": (["worked 250", "look 551"], ["late"]),
    "it recovers once": (["look 301", "tick 400", "tick 410"], ["late", "recovered"]),
    "each incident is told": (["look 301", "tick 400", "look 701"], ["late", "recovered", "late"]),
    "a trouble is told once": (["fails a", "fails a", "fails a"], ["trouble a"]),
    "another trouble is told": (["fails a", "fails b", "fails b"], ["trouble a", "trouble b"]),
    "trouble that lasts is late too": (["fails a", "look 301", "fails a"], ["trouble a", "late"]),
    "one recovery for both": (["fails a", "look 301", "tick 302", "tick 303"], ["trouble a", "late", "recovered"]),
    "the same trouble after a recovery": (["fails a", "tick 10", "fails a"], ["trouble a", "recovered", "trouble a"]),
}


@pytest.mark.parametrize(("did", "told"), CASES.values(), ids=CASES)
def test_people_are_told(did: list[str], told: list[str]) -> None:
    dog, said = Watchdog(LATE, 0.0), []
    for what, _, value in (step.partition(" ") for step in did):
        if what == "worked":
            dog.worked(float(value))
            continue
        if what == "tick":
            notice = dog.ticked(float(value))
        elif what == "fails":
            notice = dog.troubled(value)
        else:
            notice = dog.look(float(value))
        if notice is not None:
            said.append(f"trouble {notice.text}" if notice.kind == "trouble" else notice.kind)
    assert said == told
