"""`doctor` finds what was broken, says what to do, and finds nothing in a home that is well."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from typer.testing import CliRunner

from channels.spool import set_aside
from channels.webpush_keys import KEY_FILE, make_key
from config.settings import Settings
from console.cli import app
from console.doctor import clock_of, examine, variables, versions
from console.finding import Finding
from console.written import diallers
from flows.driver import note_advanced
from ledger import tables as t
from ledger import workers
from ledger.engine_tables import worker
from ledger.store import write_meta
from ledger.workers import Me
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from waves.outcomes import State

WAVES = """\
  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}
  - {wave: call, channels: [call_list], rank: value, listen: 3d}
"""


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    """A home whose first wave has closed and whose second is open, with a dial list out."""
    yield from made_world(tmp_path, sqlite_url)


@pytest.fixture
def either_world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    """The same on each of the two databases."""
    yield from made_world(tmp_path, ledger_url)


def made_world(tmp_path: Path, url: str) -> Iterator[World]:
    (tmp_path / "home").mkdir(mode=0o700)
    made = make_world(tmp_path / "home", url)
    put(made.ledger, [reachable(n) for n in range(4)])
    made.start(plan_text(WAVES))
    made.advance(T0)
    made.advance(T0 + DAY + 2 * HOUR)
    made.pull("call", 2)
    made.ledger.set_now(made.now)
    yield made
    made.ledger.close()


def found(world: World, settings: Settings | None = None, now: datetime | None = None) -> list[Finding]:
    return list(examine(settings or world.room.settings, {}, now or datetime(2026, 12, 2, tzinfo=UTC)))


def wrong(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.verdict) for one in findings if one.verdict != "ok" and one.check != "alerts"]


def test_nothing_is_wrong_with_a_home_that_is_well(either_world: World) -> None:
    findings = found(either_world)
    assert wrong(findings) == []
    checks = {one.check for one in findings}
    assert checks >= {"settings", "home", "disk", "versions", "plans", "hours", "ledger", "clock", "books", "leases"}
    assert checks >= {"in doubt", "dial lists", "advance", "alerts", "senders"}


def everybody_reads(world: World) -> None:
    (world.room.settings.home / "token.key").chmod(0o644)


def everybody_pushes(world: World) -> None:
    key = world.room.settings.home / KEY_FILE
    make_key(key)
    key.chmod(0o640)


def open_home(world: World) -> None:
    world.room.settings.home.chmod(0o750)


def no_key(world: World) -> None:
    (world.room.settings.home / "token.key").unlink()


def bad_plan(world: World) -> None:
    (world.config / "plans" / "plan.yaml").write_text(plan_text(WAVES).replace("sms", "smoke"))


def unread(world: World) -> None:
    rules = world.config / "rules" / "hours.yaml"
    text = rules.read_text()
    rules.write_text(text.replace("reviewed: {by: a test, on: 2026-11-24}", "reviewed: no"))


def long_ago(world: World) -> None:
    rules = world.config / "rules" / "hours.yaml"
    rules.write_text(rules.read_text().replace("as_of: 2026-11-24", "as_of: 2025-11-24"))


def no_rules(world: World) -> None:
    (world.config / "rules" / "hours.yaml").unlink()
    (world.config / "plans" / "plan.yaml").unlink()


def lost_row(world: World) -> None:
    """A verdict that somebody deleted by hand."""
    with world.ledger.write() as connection:
        one = world.touches("call")[0]
        connection.execute(delete(t.enrolment).where(t.enrolment.c.customer == one.customer, t.enrolment.c.wave == 2))


def lost_before_the_close(world: World) -> None:
    with world.ledger.write() as connection:
        stored = json.dumps({"balanced": False})
        connection.execute(update(t.wave).where(t.wave.c.id == 1).values(balance=stored))


def lost_worker(world: World) -> None:
    with world.ledger.write() as connection:
        values = {"lease_owner": "gone", "lease_until": world.now - HOUR, "done_at": None}
        connection.execute(update(t.batch).values(values))


def in_doubt(world: World) -> None:
    with world.ledger.write() as connection:
        connection.execute(update(t.touch).where(t.touch.c.wave == 2).values(state=int(State.IN_DOUBT)))


def late_list(world: World) -> None:
    world.ledger.set_now(world.now + DAY)


def unread_callback(world: World) -> None:
    set_aside(world.room.settings.spool_folder, "host-1-1.spool", [b"x\n"], ["damaged on disk"])


def old_callback(world: World) -> None:
    world.room.settings.spool_folder.mkdir(mode=0o700)
    path = world.room.settings.spool_folder / "host-1-1.spool"
    path.write_bytes(b"")
    os.utime(path, (0, 0))


def backup_unlabelled(world: World) -> None:
    with world.ledger.write() as connection:
        write_meta(connection, "backup_of", "2026-12-01T03:00:00+00:00")


def other_version(world: World) -> None:
    with world.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")


DIALLER = """\
north:
  format: vicidial
  zone: UTC
  list_id: 998
  api: {url: "http://127.0.0.1:9/non_agent_api.php", user_env: NORTH_USER, password_env: NORTH_PASS}
"""


def test_a_dialler_has_the_variables_that_its_api_asks_for(world: World) -> None:
    assert [one for one in found(world) if one.check == "diallers"] == []
    (world.config / "diallers.yaml").write_text(DIALLER)
    assert ("diallers", "warn") in wrong(found(world))

    def told(**environment: str) -> list[tuple[str, str]]:
        return [(one.verdict, one.said) for one in diallers(world.room.settings, environment)]

    assert told(NORTH_USER="ann") == [("warn", "NORTH_PASS is not set; put what dialler north asks for in it")]
    assert told(NORTH_USER="ann", NORTH_PASS="secret") == [("ok", "north has what its API asks for")]


SENDER = """\
gateway:
  channel: sms
  provider: http
  http: {url: "http://127.0.0.1:9/messages", secret_env: DOCTORS_SECRET}
"""


def no_secret(world: World) -> None:
    (world.config / "senders.yaml").write_text(SENDER)


def no_gateway(world: World) -> None:
    (world.config / "senders.yaml").write_text(SENDER.replace("DOCTORS_SECRET", "DOCTORS_KNOWN_SECRET"))


def wrong_sender(world: World) -> None:
    (world.config / "senders.yaml").write_text(f"{SENDER}  timeout: 5m\n")


BROKEN: list[tuple[Callable[[World], None], list[tuple[str, str]], str]] = [
    (everybody_reads, [("home", "fail")], "token.key"),
    (everybody_pushes, [("home", "fail")], "webpush-key.pem"),
    (open_home, [("home", "fail")], "chmod go-rwx"),
    (no_key, [("ledger", "fail")], "there is no token.key"),
    (bad_plan, [("plans", "fail")], "plan.yaml"),
    (unread, [("hours", "warn")], "nobody reviewed: house, everywhere"),
    (long_ago, [("hours", "warn")], "house, everywhere (as of 2025-11-24)"),
    (no_rules, [("hours", "fail")], "there is no such file"),
    (lost_row, [("books", "fail")], "do not balance: test call"),
    (lost_before_the_close, [("books", "fail")], "do not balance: test notice"),
    (lost_worker, [("leases", "warn")], "past their lease"),
    (in_doubt, [("in doubt", "warn")], "test 4"),
    (late_list, [("dial lists", "warn")], "multiwave dial-list return 1"),
    (other_version, [("ledger", "fail")], "this release wants"),
    (backup_unlabelled, [("ledger", "fail")], "run: multiwave restored"),
    (unread_callback, [("spool", "warn")], "1 callbacks could not be read"),
    (old_callback, [("spool", "warn")], "since 1970-01-01"),
    (no_secret, [("senders", "fail")], "DOCTORS_SECRET is not set"),
    (no_gateway, [("senders", "fail")], "gateway: 127.0.0.1 cannot be reached: Connection refused"),
    (wrong_sender, [("senders", "fail"), ("ledger", "fail")], "set MULTIWAVE_LEASE to 303s or more"),
]


@pytest.mark.parametrize(("damage", "expected", "said"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_what_is_broken_is_found(
    world: World,
    damage: Callable[[World], None],
    expected: list[tuple[str, str]],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCTORS_KNOWN_SECRET", "a secret of this test")
    damage(world)
    findings = found(world)
    assert wrong(findings) == expected
    assert any(said in f"{one.said} {one.do}" for one in findings if one.verdict != "ok")
    assert all(one.do for one in findings if one.verdict != "ok")


@pytest.mark.parametrize(("ago", "verdict"), [(timedelta(minutes=5), "ok"), (timedelta(minutes=6), "fail")])
def test_a_real_ledger_that_nobody_advances(world: World, ago: timedelta, verdict: str) -> None:
    now = datetime.now(UTC)
    with world.ledger.write() as connection:
        write_meta(connection, "clock", "real")
    assert {one.check: one.verdict for one in found(world, now=now)}["advance"] == "fail"
    note_advanced(world.room, now - ago, 3)
    assert {one.check: one.verdict for one in found(world, now=now)}["advance"] == verdict


def test_the_databases_own_clock_is_asked(either_world: World) -> None:
    """A PostgreSQL server has one of its own; here it is this machine's all the same."""
    with either_world.ledger.write() as connection:
        write_meta(connection, "clock", "real")
    clock = next(one for one in found(either_world, now=datetime.now(UTC)) if one.check == "clock")
    assert (clock.verdict, "database's clock and ours" in clock.said) == (
        "ok",
        either_world.ledger.dialect == "postgresql",
    )


@pytest.mark.parametrize(
    ("apart", "verdict"), [(0, "ok"), (5, "ok"), (-6, "warn"), (60, "warn"), (61, "fail"), (-4000, "fail")]
)
def test_clocks_that_do_not_agree(tmp_path: Path, apart: int, verdict: str) -> None:
    world = make_world(tmp_path / "home")
    world.ledger.simulated = False
    assert clock_of(world.room, T0 + timedelta(seconds=apart), T0).verdict == verdict
    world.ledger.close()


def test_a_mistyped_variable_is_named_with_the_right_one() -> None:
    environment = {"MULTIWAVE_HOME": "x", "MULTIWAVE_LEAS": "1m", "MULTIWAVE_ZZZ": "secret", "HOME": "y"}
    assert [(one.verdict, one.said, one.do) for one in variables(environment)] == [
        ("warn", "MULTIWAVE_LEAS is no setting", "write MULTIWAVE_LEASE"),
        ("warn", "MULTIWAVE_ZZZ is no setting", "unset it; the README lists them"),
    ]


def test_releases_that_do_not_work_together() -> None:
    assert versions(["prefect>=3.8.8", "sqlalchemy<2.2", "typer<0.1"]).verdict == "ok"
    found = versions(["prefect>=3.8.8,<3.9", "fastapi<0.1"])
    assert (found.verdict, found.do) == ("fail", "install prefect<3.9,>=3.8.8, fastapi<0.1")


@pytest.mark.parametrize(("damage", "code"), [(unread, 0), (everybody_reads, 1)])
def test_the_exit_code_says_whether_anything_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[World], None], code: int
) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    world = make_world(tmp_path / "home")
    damage(world)
    world.ledger.close()
    said = CliRunner().invoke(app, ["doctor", "--json", "--home", str(tmp_path / "home")])
    assert (said.exit_code, json.loads(said.stdout)["ok"]) == (code, code == 0)
    assert CliRunner().invoke(app, ["doctor", "--home", str(tmp_path / "home")]).exit_code == code


def listed(world: World) -> list[workers.Worker]:
    with world.ledger.read() as connection:
        return list(workers.workers(connection))


def test_workers_are_listed_and_those_with_a_wrong_clock_or_a_sudden_end_are_told_of(either_world: World) -> None:
    with either_world.ledger.write() as connection:
        workers.arrive(connection, Me("alpha", "a"), timedelta(0), wave=1)
        workers.arrive(connection, Me("beta", "b"), timedelta(seconds=7))
        workers.arrive(connection, Me("gone", "c"), timedelta(0))
        connection.execute(update(worker).where(worker.c.name == "gone").values(seen_at=datetime.now(UTC) - HOUR))
    said = [(one.verdict, one.said) for one in found(either_world) if one.check == "workers"]
    assert said[0] == ("ok", "alpha on test notice; beta")
    assert said[1] == ("warn", "the clock of beta is 7.0 s off the database's")
    assert said[2][1].startswith("gone was last seen ")
    names = {one.name: (one.campaign, one.wave, one.alive) for one in listed(either_world)}
    assert names == {"alpha": ("test", "notice", True), "beta": (None, None, True), "gone": (None, None, False)}
