"""A scratch copy holds what a new campaign's gates read, from either database, whole or a sample of the customers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from ledger import tables as t
from ledger.scratch import LEFT_BEHIND, Scratch, copy_ledger, customer_count
from ledger.store import Ledger
from tests.builders import DAY, T0, TYPES, World, plan_text, put, reachable
from tests.steps import convert, phoned, suppress
from waves.dispositions import Disposition

WAVES = """\
  - {wave: text, channels: [sms], message: hello, release: 2h, listen: 1d}
  - {wave: call, channels: [call_list], listen: 1d}
"""


def fill(world: World) -> None:
    put(world.ledger, [reachable(n, household=f"h{n // 2}") for n in range(40)])
    world.start(plan_text(WAVES, holdout="10%"))
    world.advance(T0)
    world.advance(T0 + 2 * DAY)
    world.pull("call", size=5)
    called = world.touches("call")[0]
    phoned(world, "call", called.key, Disposition.NO_ANSWER, world.now)
    suppress(world, "c1")
    suppress(world, "c2", "sms")
    convert(world, "c3")


@contextmanager
def copied(world: World, folder: Path, share: float = 1.0) -> Iterator[Ledger]:
    folder.mkdir()
    copy_ledger(world.ledger, folder / "copy.db", T0 + 3 * DAY, share, lambda *_: None)
    ledger = Scratch(folder / "copy.db", folder / "live.db").fresh()
    yield ledger
    ledger.close()


def rows(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table that is copied, by name, in order."""
    tables = [t.profile_table(TYPES), t.member_table(TYPES)]
    tables += [each for name, each in t.metadata.tables.items() if name not in {*LEFT_BEHIND, "profile", "member"}]
    with ledger.read() as connection:
        return {each.name: sorted(map(tuple, connection.execute(select(each))), key=repr) for each in tables}


def test_all_that_gates_read_is_there(world: World, tmp_path: Path) -> None:
    fill(world)
    with copied(world, tmp_path / "scratch") as ledger:
        found = rows(ledger)
        assert found == rows(world.ledger)
        assert all(found[name] for name in ("customer", "profile", "address", "touch", "call", "dial_entry", "member"))
        assert ledger.simulated
        assert ledger.now() == T0 + 3 * DAY


def test_a_sample_has_its_customers_and_nobody_elses_rows(world: World, tmp_path: Path) -> None:
    fill(world)
    with copied(world, tmp_path / "scratch", 0.5) as ledger:
        assert 8 < customer_count(ledger) < 32
        found, whole = rows(ledger), rows(world.ledger)
    kept = {row[0] for row in found["customer"]}
    for name in ("profile", "address", "member", "touch", "dial_entry", "conversion", "suppression", "enrolment"):
        table = t.metadata.tables[name]
        place = list(table.c).index(table.c.customer)
        assert found[name] == [row for row in whole[name] if row[place] in kept], name
    assert len(found["campaign"]) == 1


def test_a_wave_caught_while_it_was_enrolled_does_not_block_the_next(world: World, tmp_path: Path) -> None:
    fill(world)
    with world.ledger.write() as connection:
        connection.execute(update(t.wave).where(t.wave.c.name == "call").values(state="enrolling"))
    with copied(world, tmp_path / "scratch") as ledger, ledger.read() as connection:
        assert set(connection.scalars(select(t.wave.c.state))) == {"closed", "open"}


def test_what_was_done_to_a_copy_is_forgotten(lite: World, tmp_path: Path) -> None:
    fill(lite)
    copy_ledger(lite.ledger, tmp_path / "copy.db", T0 + 3 * DAY, 1.0, lambda *_: None)
    scratch = Scratch(tmp_path / "copy.db", tmp_path / "live.db")
    before = rows(scratch.fresh())
    changed = scratch.fresh()
    with changed.write() as connection:
        connection.execute(update(t.touch).values(state=0))
    assert rows(changed) != before
    assert rows(scratch.fresh()) == before == rows(lite.ledger)
    changed.close()
