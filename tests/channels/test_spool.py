"""The spool: what was acknowledged is on disk, whatever happens to its writer; one at a time takes what is there."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.spool import Record, Spool, backlog, drop_old, forget, from_line, set_aside, taken, to_line, waiting

AT = datetime(2026, 12, 1, 9, tzinfo=UTC)
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from channels.spool import Record, Spool
spool = Spool(Path(sys.argv[1]), held_s=float(sys.argv[2]))
n = 0
while True:
    group = [(n + i, spool.append(Record("http", "gate", datetime(2026, 12, 1, tzinfo=UTC), {}, b"%d" % (n + i))))
             for i in range(20)]
    for number, kept in group:
        kept.result()
        print(number, flush=True)
    n += 20
"""


def record(body: bytes = b"{}", **headers: str) -> Record:
    return Record("http", "gate", AT, headers, body)


def bodies(folder: Path) -> list[bytes]:
    """Everything that nobody is writing any more, taken out of the spool."""
    found: list[bytes] = []
    for path in waiting(folder):
        with taken(path) as contents:
            if contents is not None:
                assert contents.damaged == []
                found += [one.body for _, one in contents.records]
    return found


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2))
def test_a_line_is_its_record(body: bytes, headers: dict[str, str]) -> None:
    line = to_line(Record("http", "gate", AT, headers, body))
    assert line.count(b"\n") == 1
    assert from_line(line[:-1]) == Record("http", "gate", AT, headers, body)


@pytest.mark.parametrize("harm", [lambda line: line[:-5], lambda line: line.replace(b"gate", b"game"), lambda _: b"x"])
def test_a_damaged_line_is_no_record(harm: object) -> None:
    assert from_line(harm(to_line(record())[:-1])) is None  # type: ignore[operator]


def test_what_is_kept_is_taken_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for one in [spool.append(record(b"%d" % n)) for n in range(50)]:
        one.result(10)
    (path,) = waiting(tmp_path / "spool")
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)] == [0o600, 0o700]
    with taken(path) as contents:
        assert contents is None, "its writer has it"
    spool.close()
    with taken(path) as contents, taken(path) as other:
        assert contents is not None
        assert (len(contents.records), other) == (50, None)
    assert waiting(tmp_path / "spool") == []
    with taken(path) as contents:
        assert contents is None


def test_many_threads_share_syncs_and_lose_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)

    def send(start: int) -> None:
        for n in range(start, start + 50):
            spool.append(record(b"%d" % n)).result(30)

    threads = [threading.Thread(target=send, args=(50 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    assert sorted(map(int, bodies(tmp_path))) == list(range(400))


def test_a_file_is_let_go_while_its_writer_lives(tmp_path: Path) -> None:
    spool = Spool(tmp_path, held_s=0.05)
    spool.append(record()).result(10)
    found: list[bytes] = []
    while not found:
        threading.Event().wait(0.02)
        found = bodies(tmp_path)
    spool.append(record(b"later")).result(10)
    spool.close()
    assert (found, bodies(tmp_path)) == ([b"{}"], [b"later"])


def test_a_file_stays_when_merging_it_failed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(record()).result(10)
    spool.close()
    (path,) = waiting(tmp_path)
    with pytest.raises(OSError, match="no ledger"), taken(path):
        raise OSError("no ledger")
    assert bodies(tmp_path) == [b"{}"]


@pytest.mark.parametrize("held_s", [0.02, 60.0])
def test_a_killed_writer_keeps_all_that_it_acknowledged(tmp_path: Path, held_s: float) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(held_s)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(300)]
    child.send_signal(signal.SIGKILL)
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    acknowledged = {int(line) for line in said if line.endswith(b"\n")}
    found = list(map(int, bodies(tmp_path)))
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))
    assert waiting(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path, cut: int) -> None:
    lines = to_line(record(b"1")) + to_line(record(b"2"))
    path = tmp_path / "host-1-1.spool"
    path.write_bytes(lines[:-cut])
    with taken(path) as contents:
        assert contents is not None
        assert ([one.body for _, one in contents.records], contents.torn, contents.damaged) == ([b"1"], 1, [])


def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "host-1-1.spool"
    path.write_bytes(to_line(record(b"1")) + b"\0" * 40 + b"\n" + to_line(record(b"3")))
    with taken(path) as contents:
        assert contents is not None
        assert ([one.body for _, one in contents.records], contents.damaged) == ([b"1", b"3"], [b"\0" * 40 + b"\n"])


def test_a_disk_that_refuses_is_told_and_the_next_record_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "spool").rename(tmp_path / "away")
    with pytest.raises(OSError, match="No such file"):
        spool.append(record(b"lost")).result(10)
    (tmp_path / "away").rename(tmp_path / "spool")
    spool.append(record(b"kept")).result(10)
    spool.close()
    assert bodies(tmp_path / "spool") == [b"kept"]


def test_what_is_set_aside_is_counted_and_moved_back_it_is_read_again(tmp_path: Path) -> None:
    lines = [to_line(record(b"to +12015550101")), to_line(record(b"to +12015550102"))]
    set_aside(tmp_path, "host-1-1.spool", lines, ["why", "why"])
    set_aside(tmp_path, "host-1-1.spool", lines, ["why", "why"])
    assert backlog(tmp_path).aside == 2
    assert forget(tmp_path, ["+12015550101"]) == 1
    os.rename(tmp_path / "aside" / "host-1-1.spool", tmp_path / "host-1-1.spool")
    assert (backlog(tmp_path).files, backlog(tmp_path).aside) == (1, 0)
    assert bodies(tmp_path) == [b"to +12015550102"]


def test_what_nobody_mended_is_not_kept_for_ever(tmp_path: Path) -> None:
    for name in ("host-1-1.spool", "host-1-2.spool"):
        set_aside(tmp_path, name, [to_line(record())], ["why"])
    for path in (tmp_path / "aside").glob("host-1-1*"):
        os.utime(path, (0, 0))
    drop_old(tmp_path, timedelta(days=90))
    assert sorted(path.name for path in (tmp_path / "aside").iterdir()) == ["host-1-2.spool", "host-1-2.spool.why"]
    drop_old(tmp_path / "nowhere", timedelta(days=90))
