"""Merging the spool: every acknowledged record exactly once, whoever is killed; what cannot be read is kept aside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from channels.callbacks import Callback
from channels.spool import Record, Spool, backlog, to_line
from flows.reports import CHUNK, in_chunks
from flows.spooling import Merged, merge_spool
from flows.upkeep import upkeep
from ledger import tables as t
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from waves.errors import LedgerError, SendRefused, WebhookRejected
from waves.message import Event
from waves.outcomes import Outcome
from waves.senders import Sender
from waves.tokens import Kind, make_token

GATE = Sender(sender="gate", channel="email", provider="http")
WAVES = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
WRITER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from channels.spool import Record, Spool
spool = Spool(Path(sys.argv[1]), held_s=0.05)
at, n = datetime(2026, 12, 1, 9, tzinfo=UTC), 0
while True:
    ids = range(n, n + 10)
    bodies = [json.dumps([["", f"{sys.argv[2]}-{i}"]]).encode() for i in ids]
    kept = [spool.append(Record("http", "gate", at, {}, body)) for body in bodies]
    for number, one in zip(ids, kept):
        one.result()
        print(f"{sys.argv[2]}-{number}", flush=True)
    n += 10
"""


def read(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
    """A provider whose body is [[token, event id], ...]."""
    try:
        said = json.loads(body)
    except ValueError as error:
        raise WebhookRejected("not JSON") from error
    return [
        Event(token, int(Outcome.DELIVERED), now, "gate", ident, raw={"at": "+12015550101"}) for token, ident in said
    ]


def verify(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """A secret that this process does not have: what lies in the spool was let in by one that has it."""
    raise SendRefused("the secret is not set")


CALLBACKS = {"http": Callback(verify, read, ())}


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    made.room.senders = {"gate": GATE}
    yield made
    made.ledger.close()


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", sqlite_url)
    made.room.senders = {"gate": GATE}
    yield made
    made.ledger.close()


def keep(world: World, *bodies: bytes, sender: str = "gate") -> None:
    """Put these bodies into the spool, in one file."""
    spool = Spool(world.room.settings.spool_folder)
    for kept in [spool.append(Record("http", sender, world.now, {}, body)) for body in bodies]:
        kept.result(10)
    spool.close()


def merge(world: World) -> Merged:
    return merge_spool(world.room, world.now, CALLBACKS)


def recorded(world: World) -> int:
    with world.ledger.read() as connection:
        return connection.scalar(select(func.count()).select_from(t.event)) or 0


def test_reports_act_after_the_merge_and_files_are_gone(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(3)])
    world.start(plan_text(WAVES))
    world.advance(T0)
    tokens = [make_token(world.room.token_key, Kind.TOUCH, touch.id) for touch in world.touches("notice")]
    keep(world, *(json.dumps([[token, f"e{n}"]]).encode() for n, token in enumerate([*tokens, "NOBODYS"])))
    merged = merge(world)
    assert (merged.files, merged.records, merged.new, merged.unknown_touch, merged.aside) == (1, 4, 4, 1, 0)
    assert [touch.outcome for touch in world.touches("notice")] == [int(Outcome.DELIVERED)] * 3
    assert (backlog(world.room.settings.spool_folder).files, merge(world)) == (0, Merged())


def test_a_record_that_came_twice_counts_once(world: World) -> None:
    body = json.dumps([["", "e1"], ["", "e2"], ["", "e1"]]).encode()
    keep(world, body, body)
    keep(world, body)
    merged = merge(world)
    assert (merged.records, merged.new, merged.known, recorded(world)) == (3, 2, 7, 2)


def test_a_big_file_is_recorded_chunk_by_chunk(world: World) -> None:
    told: list[int] = []
    world.room.tick = lambda what, done, total: told.append(done)
    keep(world, json.dumps([["", f"e{n}"] for n in range(2 * CHUNK + 1)]).encode())
    assert (merge(world).new, told) == (2 * CHUNK + 1, [CHUNK, 2 * CHUNK, 2 * CHUNK + 1])


UNREADABLE = {
    "no JSON": b"{",
    "a number": b"7",
    "too short": b'[["t"]]',
    "a NUL": b'[["", "\\u0000"]]',
    "half a letter": b'[["", "\\ud800"]]',
    "no texts": b"[[1, null]]",
    "deep": b"[" * 100_000,
    "a name that no index takes": json.dumps([["", "e" * 3000]]).encode(),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_kept_aside_and_holds_nothing_up(lite: World, body: bytes) -> None:
    keep(lite, body, b'[["", "e1"]]')
    merged = merge(lite)
    folder = lite.room.settings.spool_folder
    assert (merged.files, merged.new, merged.aside) == (1, 1, 1)
    assert (backlog(folder).files, backlog(folder).aside) == (0, 1)
    assert (merge(lite).files, backlog(folder).aside) == (0, 1)


def test_a_sender_that_is_gone_and_comes_back(lite: World) -> None:
    keep(lite, b'[["", "e1"]]')
    lite.room.senders = {}
    folder = lite.room.settings.spool_folder
    assert merge(lite).aside == 1
    (why,) = (folder / "aside").glob("*.why")
    assert "http gate: no such sender any more" in why.read_text()
    lite.room.senders = {"gate": GATE}
    (path,) = (folder / "aside").glob("*.spool")
    path.rename(folder / path.name)
    assert (merge(lite).new, backlog(folder).aside) == (1, 0)


def test_people_are_told_of_what_upkeep_could_not_read(lite: World) -> None:
    """There may be a STOP in it."""
    told = list[str]()
    lite.room.tell = told.append
    keep(lite, b"?", sender="gone")
    for _ in range(2):
        upkeep(lite.room, lite.now)
    assert told == ["1 callbacks could not be read and are kept aside; multiwave doctor tells more"]


def test_a_ledger_that_does_not_answer_leaves_the_file(lite: World) -> None:
    keep(lite, b'[["", "e1"]]')
    with lite.ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE event RENAME TO elsewhere")
    with pytest.raises(LedgerError):
        merge(lite)
    with lite.ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO event")
    assert merge(lite).new == 1


def test_a_torn_line_is_counted_and_the_rest_merged(lite: World) -> None:
    folder = lite.room.settings.spool_folder
    folder.mkdir()
    line = to_line(Record("http", "gate", T0, {}, b'[["", "e1"]]'))
    (folder / "host-1-1.spool").write_bytes(line + line[:-9])
    assert (merge(lite).new, backlog(folder).aside) == (1, 0)


def test_many_merge_at_once(world: World) -> None:
    for n in range(20):
        keep(world, json.dumps([["", f"e{n}"], ["", f"f{n}"]]).encode())
    found: list[Merged] = []
    threads = [threading.Thread(target=lambda: found.append(merge(world))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(one.files for one in found), sum(one.new for one in found), recorded(world)) == (20, 40, 40)


def test_writers_that_are_killed_lose_nothing_that_they_acknowledged(world: World) -> None:
    folder = world.room.settings.spool_folder
    command = [sys.executable, "-c", WRITER, str(folder)]
    root = Path(__file__).parents[2]
    children = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, cwd=root, text=True) for name in ("a", "b")]
    said: list[str] = []
    for child in children:
        assert child.stdout is not None
        said += [child.stdout.readline() for _ in range(100)]
        merge(world)
    for child in children:
        assert child.stdout is not None
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
        child.wait()
        child.stdout.close()
    merge(world)
    with world.ledger.read() as connection:
        kept = list(connection.scalars(select(t.event.c.provider_event_id)))
    assert {line.strip() for line in said if line.endswith("\n")} <= set(kept)
    assert len(kept) == len(set(kept))
    assert backlog(folder).files == 0


def test_upkeep_merges_before_it_sweeps_and_drops_old_texts(world: World) -> None:
    world.advance(T0)
    keep(world, b'[["", "e1"]]')
    merge(world)
    world.advance(T0 + 89 * DAY)
    assert "+12015550101" in raws(world)[0]
    keep(world, b'[["", "e2"]]')
    world.now = T0 + 89 * DAY
    merge(world)
    world.advance(T0 + 90 * DAY + HOUR)
    old, young = raws(world)
    assert (old, "+12015550101" in young) == ("{}", True)
    world.advance(T0 + 180 * DAY)
    assert raws(world) == ["{}", "{}"]


def raws(world: World) -> list[str]:
    with world.ledger.read() as connection:
        return list(connection.scalars(select(t.event.c.raw).order_by(t.event.c.id)))


def test_a_file_of_reports_is_recorded_in_chunks() -> None:
    assert [len(part) for part in in_chunks(range(2 * CHUNK + 1))] == [CHUNK, CHUNK, 1]
    assert list(in_chunks([])) == []
