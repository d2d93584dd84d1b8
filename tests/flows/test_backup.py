"""A backup is whole, and one that is restored sends nothing twice: it does not know what went out since."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from console.cli import app
from flows.doubting import clear_doubts
from flows.room import open_room
from ledger import seeds
from ledger import tables as t
from ledger.api_keys import add_key, key_name
from ledger.backup import back_up
from ledger.restored import GAP, take_up
from ledger.store import open_ledger, write_meta
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.steps import hold_back
from waves.errors import LedgerError
from waves.message import CHANNEL_CODES
from waves.outcomes import State

WAVES = """\
  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}
  - {wave: later, channels: [email], message: hello, release: 2h, listen: 1d}
"""


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    yield from made_world(tmp_path, ledger_url)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[World]:
    yield from made_world(tmp_path, None)


def made_world(tmp_path: Path, url: str | None) -> Iterator[World]:
    """A campaign whose first wave is enrolled and not sent yet."""
    made = make_world(tmp_path / "home", url)
    put(made.ledger, [reachable(n) for n in range(4)])
    made.start(plan_text(WAVES))
    made.ledger.set_now(T0)
    hold_back(made, "notice", now=T0)
    yield made
    made.ledger.close()


def restore(world: World, copy: Path) -> World:
    """The home with the copy as its ledger, opened anew."""
    world.ledger.close()
    home = world.room.settings.home
    for old in home.glob("ledger.db*"):
        old.unlink()
    (home / "ledger.db").write_bytes(copy.read_bytes())
    said = CliRunner().invoke(app, ["restored", "--home", str(home), "--by", "tester", "--json"])
    assert said.exit_code == 0, said.output
    return World(open_room(world.room.settings), world.config, world.now)


def test_a_copy_made_while_others_write_is_whole_and_alone(lite: World, tmp_path: Path) -> None:
    over = threading.Event()

    def write() -> None:
        n = 0
        while not over.is_set():
            with lite.ledger.write() as connection:
                write_meta(connection, "a", str(n))
                write_meta(connection, "b", str(n))
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    for n in range(5):
        back_up(lite.ledger, tmp_path / f"{n}.db", T0)
    over.set()
    writer.join()
    for n in range(5):
        with closing(sqlite3.connect(tmp_path / f"{n}.db")) as copy:
            found = dict(copy.execute("SELECT key, value FROM meta WHERE key IN ('a', 'b')").fetchall())
            assert copy.execute("SELECT count(*) FROM touch").fetchone() == (4,)
        assert found.get("a") == found.get("b")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [f"{n}.db" for n in range(5)]
    assert stat.S_IMODE((tmp_path / "0.db").stat().st_mode) == 0o600


def test_nothing_is_overwritten(lite: World, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    with pytest.raises(LedgerError, match="overwrites nothing"):
        back_up(lite.ledger, tmp_path / "there", T0)
    assert (tmp_path / "there").read_text() == "precious"


def test_a_ledger_on_postgresql_says_what_to_use(world: World, tmp_path: Path) -> None:
    if world.ledger.dialect == "postgresql":
        with pytest.raises(LedgerError, match="pg_dump"):
            back_up(world.ledger, tmp_path / "copy", T0)
    else:
        assert back_up(world.ledger, tmp_path / "copy", T0).size > 10_000


def test_a_copy_opens_for_nobody_before_it_is_taken_into_use(lite: World, tmp_path: Path) -> None:
    back_up(lite.ledger, tmp_path / "copy.db", T0)
    with pytest.raises(LedgerError, match=r"a backup of 2026-12-01.*run: multiwave restored"):
        open_ledger(f"sqlite:///{tmp_path / 'copy.db'}")
    assert open_ledger(lite.room.settings.url).simulated, "the original says nothing of the kind"


def test_what_went_out_after_the_backup_does_not_go_out_again(lite: World, tmp_path: Path) -> None:
    back_up(lite.ledger, tmp_path / "copy.db", T0)
    lite.advance(T0 + HOUR)
    sent = lite.outbox("sms")
    assert len(sent) == 4
    again = restore(lite, tmp_path / "copy.db")
    assert {touch.state for touch in again.touches("notice")} == {int(State.IN_DOUBT)}
    again.ledger.set_now(T0 + HOUR)
    again.advance(T0 + HOUR)
    with again.ledger.read() as connection:
        assert connection.scalar(select(t.campaign.c.state)) == "paused"
    clear_doubts(again.room, T0 + 2 * HOUR)
    assert {touch.state for touch in again.touches("notice")} == {int(State.SENT)}, "the outbox was asked"
    assert again.outbox("sms") == sent
    again.ledger.close()


def test_what_was_made_since_never_shares_a_number_with_what_comes(world: World) -> None:
    with world.ledger.write() as connection:
        done = take_up(connection, T0 - HOUR, "tester", T0)
    assert (done.in_doubt, done.paused, done.may_have_opened) == (4, ("test",), (("test", "later"),))
    assert {touch.state for touch in world.touches("notice")} == {int(State.IN_DOUBT)}
    put(world.ledger, [reachable(9)])
    world.start(plan_text("  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n", "fresh"))
    hold_back(world, "notice", "fresh", T0)
    with world.ledger.read() as connection:
        assert (connection.scalar(select(func.max(t.touch.c.id))) or 0) > GAP
        assert connection.scalar(select(t.audit.c.did).where(t.audit.c.did == "restored")) == "restored"
    one = seeds.SeedMessage("test:1", "test", "notice", "desk", CHANNEL_CODES["sms"], 0)
    with world.ledger.write() as connection:
        assert all(ident > GAP for ident in seeds.claim(connection, [one], T0).values())


def test_a_key_that_may_have_been_taken_back_since_opens_nothing(world: World) -> None:
    with world.ledger.write() as connection:
        add_key(connection, "shop", "a key", "tester", T0)
        assert key_name(connection, "a key") == "shop"
        assert take_up(connection, T0, "tester", T0 + HOUR).keys_revoked == 1
        assert key_name(connection, "a key") is None


def test_what_could_not_have_gone_yet_stays_queued(world: World) -> None:
    with world.ledger.write() as connection:
        assert take_up(connection, T0 - DAY, "tester", T0 - HOUR).in_doubt == 0
    assert {touch.state for touch in world.touches("notice")} == {int(State.QUEUED)}


def test_a_ledger_that_is_no_backup_needs_the_time(world: World) -> None:
    with pytest.raises(LedgerError, match="--since"), world.ledger.write() as connection:
        take_up(connection, None, "tester", T0)
    with pytest.raises(LedgerError, match="lies ahead"), world.ledger.write() as connection:
        take_up(connection, T0 + HOUR, "tester", T0)


def test_the_command_makes_one_and_says_so(lite: World, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    command = ["backup", str(file), "--home", str(lite.room.settings.home)]
    said = CliRunner().invoke(app, command)
    assert (said.exit_code, "checked whole" in said.stdout, "token.key" in said.stdout) == (0, True, True)
    assert isinstance(CliRunner().invoke(app, command).exception, LedgerError)
