"""Law 4 for files of call results: whatever came before, between or after, an undone file is as if it had never come.

More: raise EXAMPLES, or set derandomize to False, and let it run.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from ledger import tables as t
from ledger.call_files import note_file
from ledger.call_undo import undo
from ledger.calls import Call, record_calls
from ledger.dial_tables import call_file, called_address, spare_call
from ledger.events import record_events
from tests.builders import HOUR, RULES, T0
from tests.laws.model import CALL
from tests.laws.test_reports import (
    CALLED,
    ENDED,
    REPORTED,
    SMS,
    STANDINGS,
    STATES,
    Ground,
    Said,
    ground,
    ledger_of,
    set_the_scene,
)
from waves.message import Event

__all__ = ["ground"]
EXAMPLES = 80
CALLS = st.lists(st.tuples(st.integers(0, 5), CALLED | ENDED), max_size=4)
"""Calls with their ids: files may name the same call, and say another thing of it."""
NOW = T0 + 9 * HOUR


def standing(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What of the ledger acts on anybody."""
    found = ledger_of(connection)
    v = t.conversion.c
    real = select(v.customer, v.goal, v.at, v.source_id).where(v.reversed_at.is_(None))
    return {
        **found,
        "suppressions": [row for row in found["suppressions"] if row[-1] is None],
        "conversions": sorted(map(tuple, connection.execute(real))),
        "events": [row for row in found["events"] if row[2] is not None],
    }


def bring(connection: Connection, touches: dict[int, list[int]], name: str, calls: list[tuple[int, Said]]) -> None:
    number, _ = note_file(connection, name, name, "north", "lead", NOW)
    told = [
        Call(one.disposition or 0, one.at, f"c{ident}", "north", touches[CALL][one.who], None, one.number)  # type: ignore[arg-type]
        for ident, one in calls
    ]
    record_calls(connection, told, RULES, NOW, number)


def take_back(connection: Connection, name: str) -> None:
    number = connection.scalar(select(call_file.c.id).where(call_file.c.name == name))
    undo(connection, number or 0, RULES, "lead", NOW + HOUR)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    right=CALLS,
    wrong=st.lists(CALLS, min_size=1, max_size=2),
    reports=st.lists(REPORTED, max_size=3),
    states=st.lists(STATES, min_size=3, max_size=3),
    standings=st.lists(STANDINGS, min_size=9, max_size=9),
    chance=st.randoms(use_true_random=True),
)
def test_an_undone_file_never_came(
    ground: Ground,
    right: list[tuple[int, Said]],
    wrong: list[list[tuple[int, Said]]],
    reports: list[Said],
    states: list[Any],
    standings: list[Any],
    chance: Random,
) -> None:
    connection, touches, _ = ground
    names = [f"wrong {n}" for n in range(len(wrong))]
    found = []
    for with_wrong in (False, True):
        steps: list[str | int] = ["right", *range(len(reports))]
        if with_wrong:
            steps += names
            chance.shuffle(steps)
            for name in names:  # undone at any time after it came
                steps.insert(chance.randint(steps.index(name) + 1, len(steps)), f"undo {name}")
        with connection.begin() as transaction:
            set_the_scene(connection, touches, states, standings)
            for step in steps:
                if isinstance(step, int):
                    one = reports[step]
                    raw = {"scope": one.scope}
                    report = Event("", int(one.outcome), one.at, "wire", f"e{step}", one.reason, one.action, raw)
                    record_events(connection, [(report, touches[SMS][one.who])], NOW)
                elif step.startswith("undo "):
                    take_back(connection, step.removeprefix("undo "))
                else:
                    bring(connection, touches, step, right if step == "right" else wrong[names.index(step)])
            found.append(standing(connection))
            if with_wrong:
                files = select(call_file.c.id).where(call_file.c.undone_at.is_not(None))
                for kept in (spare_call, called_address):
                    assert not connection.execute(select(kept).where(kept.c.file.in_(files))).all()
            transaction.rollback()
    event(f"{len(right)} right, {sum(map(len, wrong))} wrong")
    assert found[0] == found[1]
