"""What `doctor` looks at: one finding a line, with what to do about it."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from channels.webpush_keys import KEY_FILE
from config.nearest import nearest
from config.settings import PREFIX, Settings
from console.coming_back import coming_back
from console.finding import Finding
from console.written import configuration, diallers, seeds, senders
from waves.errors import MultiwaveError, PlanError

if TYPE_CHECKING:
    from flows.room import Room

PRIVATE = stat.S_IRWXG | stat.S_IRWXO
WORK_TOGETHER = ("prefect", "fastapi", "sqlalchemy")
LITTLE, TOO_LITTLE = 1_000_000_000, 100_000_000
"""Bytes free on the home's disk."""


def examine(settings: Settings, environment: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    """Every finding of a home; what needs the database is left out when that does not answer."""
    from flows.room import open_room

    yield from variables(environment)
    yield from privacy(settings.home)
    yield alerts(settings)
    yield disk(settings.home)
    yield versions(declared())
    yield from configuration(settings, now)
    yield from senders(settings)
    yield from seeds(settings)
    yield from diallers(settings, environment)
    yield spool_of(settings, now)
    try:
        room = open_room(settings)
    except PlanError:
        yield Finding("ledger", "fail", "not looked at: its senders are wrong", "mend them, then run doctor again")
        return
    except MultiwaveError as error:
        yield Finding("ledger", "fail", str(error), "every other check of the ledger waits for this")
        return
    try:
        yield from ledger(room, now)
    except MultiwaveError as error:
        yield Finding("ledger", "fail", str(error), "look at the database server, then run doctor again")
    finally:
        room.ledger.close()


def variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like settings and are none."""
    known = [name.upper() for name in Settings.model_fields]
    given = [name for name in environment if name.upper().startswith(PREFIX)]
    strange = sorted(name for name in given if name.upper().removeprefix(PREFIX) not in known)
    if not strange:
        yield Finding("settings", "ok", "every MULTIWAVE_ variable is a setting")
    for name in strange:
        near = nearest(name.upper().removeprefix(PREFIX), known)
        do = f"write {PREFIX}{near}" if near else "unset it; the README lists them"
        yield Finding("settings", "warn", f"{name} is no setting", do)


def privacy(home: Path) -> Iterator[Finding]:
    """Whether others on this machine can read what is their owner's alone."""
    if not home.is_dir():
        yield Finding("home", "fail", f"{home} is no folder", f"make it: multiwave init --home {home}")
        return
    secret = (home, home / "token.key", home / KEY_FILE)
    wide = [path for path in secret if path.exists() and path.stat().st_mode & PRIVATE]
    for path in wide:
        yield Finding("home", "fail", f"others can read {path}", f"chmod go-rwx {path}")
    if not wide:
        yield Finding("home", "ok", f"{home} is its owner's alone")


def alerts(settings: Settings) -> Finding:
    """Whether anybody is told when `up` is late."""
    from flows.alerts import check_addresses

    if not settings.alert_urls:
        return Finding("alerts", "warn", "nobody is told when `up` is late", "set MULTIWAVE_ALERT_URLS")
    try:
        check_addresses(settings.alert_urls)
    except MultiwaveError as error:
        return Finding("alerts", "fail", str(error), "mend the address; it is not shown here")
    return Finding("alerts", "ok", f"{len(settings.alert_urls)} addresses are told")


def disk(home: Path) -> Finding:
    """Room on the disk of the home."""
    there = next(path for path in (home, *home.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:,.1f} GB are free"
    if free >= LITTLE:
        return Finding("disk", "ok", said)
    return Finding("disk", "fail" if free < TOO_LITTLE else "warn", said, "make room: a full disk stops every campaign")


def declared() -> list[str]:
    """What our own release asks for; nothing when it runs from a folder that was never installed."""
    try:
        return metadata.requires("multiwave") or []
    except metadata.PackageNotFoundError:
        return []


def versions(asked: Iterable[str]) -> Finding:
    """Whether the releases that must fit each other do."""
    wanted = {r.name: r for r in map(Requirement, asked) if r.name in WORK_TOGETHER and r.marker is None}
    there = {name: metadata.version(name) for name in WORK_TOGETHER}
    wrong = [f"{name} {there[name]}" for name, r in wanted.items() if there[name] not in r.specifier]
    if wrong:
        should = ", ".join(f"{name}{wanted[name].specifier}" for name in wanted)
        return Finding("versions", "fail", f"{', '.join(wrong)} do not work here", f"install {should}")
    return Finding("versions", "ok", ", ".join(f"{name} {version}" for name, version in there.items()))


def ledger(room: Room, now: datetime) -> Iterator[Finding]:
    """What lies about in the database."""
    from console.sender_tables import sentence
    from flows.sender_health import sender_health
    from ledger import health
    from ledger.kill_switches import switches_on

    moment = room.ledger.now()
    with room.ledger.read() as connection:
        mode, clock = health.journal_mode(connection), health.database_clock(connection)
        version = health.revision(connection)
        found = health.books(connection)
        lost, doubted = health.expired_leases(connection, moment), health.in_doubt(connection)
        lists = health.overdue_lists(connection, moment)
        switches = switches_on(connection, moment)
    health_of_senders = sender_health(room, moment)
    yield Finding("ledger", "ok", f"{room.ledger.dialect} answers, version {version}")
    if mode not in (None, "wal"):
        yield Finding("ledger", "fail", f"SQLite's journal is {mode}, not wal", "keep the home on a local disk")
    yield clock_of(room, clock, now)
    wrong = [f"{b.campaign} {b.wave}" for b in found if not b.now or b.as_closed is False]
    if wrong:
        yield Finding("books", "fail", f"do not balance: {', '.join(wrong)}", "stop the campaign and report this")
    else:
        yield Finding("books", "ok", f"all {len(found)} opened waves balance")
    if lost:
        yield Finding("leases", "warn", f"{lost:,} batches are past their lease", "multiwave advance takes them back")
    else:
        yield Finding("leases", "ok", "no worker is past its lease")
    if doubted:
        said = ", ".join(f"{name} {count:,}" for name, count in doubted.items())
        yield Finding("in doubt", "warn", said, "see whom, and decide what is held: multiwave doubt ls CAMPAIGN")
    else:
        yield Finding("in doubt", "ok", "no message of an open wave is in doubt")
    for number, team in lists:
        said = f"list {number} of {team} is past its lease"
        yield Finding("dial lists", "warn", said, f"import its dispositions, then: multiwave dial-list return {number}")
    if not lists:
        yield Finding("dial lists", "ok", "no list is past its lease")
    for switch in switches:
        yield Finding("kill switches", "warn", str(switch), "see: multiwave kill-switch ls")
    if not switches:
        yield Finding("kill switches", "ok", "none is on")
    for one in health_of_senders:
        level, said, do = sentence(one)
        yield Finding("senders", level, said, do)
    yield from coming_back(room, moment)
    yield from stops_of(room, moment)
    yield from workers_of(room)
    yield advanced(room, moment)
    yield from housekeeping_of(room)


def stops_of(room: Room, now: datetime) -> Iterator[Finding]:
    """When each provider's suppression lists were last read, and the provider told of ours."""
    from flows.stops import DAILY, keepers, standing

    for sender in keepers(room):
        with room.ledger.read() as connection:
            known = standing(connection, sender.sender)
        read = ", ".join(f"{name} {at[:16].replace('T', ' ')}Z" for name, at in sorted(known.read.items()))
        said = f"{sender.sender}: {read or 'no list was read yet'}; told of {known.told:,} of ours"
        if known.failed_at is not None:
            yield Finding("suppression lists", "warn", f"{said}; {known.why}", "it is tried again every 10 minutes")
        elif known.oldest is None or now - known.oldest > 2 * DAILY:
            yield Finding("suppression lists", "warn", said, "keep `multiwave up` running")
        else:
            yield Finding("suppression lists", "ok", said)


def spool_of(settings: Settings, now: datetime) -> Finding:
    """Callbacks that wait to be merged, and those that could not be read."""
    from channels.spool import ASIDE, backlog

    try:
        found = backlog(settings.spool_folder)
    except OSError as error:
        return Finding("spool", "fail", f"{settings.spool_folder}: {error.strerror}", "let its owner read the folder")
    if found.aside:
        folder = settings.spool_folder / ASIDE
        do = f"read the .why files in {folder}, mend the cause, and move the .spool files one folder up"
        return Finding("spool", "warn", f"{found.aside:,} callbacks could not be read and are kept aside", do)
    said = f"{found.files:,} files wait, {found.size / 1e6:,.1f} MB"
    if found.oldest is not None and now - found.oldest > settings.late_after:
        return Finding("spool", "warn", f"{said}, since {found.oldest:%Y-%m-%d %H:%M}Z", "keep `multiwave up` running")
    return Finding("spool", "ok", said)


def housekeeping_of(room: Room) -> Iterator[Finding]:
    """What a person should run on a database that has grown."""
    from ledger.advice import housekeeping

    with room.ledger.read() as connection:
        found = housekeeping(connection)
    for advice in found:
        yield Finding("tables", "warn", advice.said, advice.do)
    if not found:
        yield Finding("tables", "ok", "nothing to clear up, and statistics where they matter")


def workers_of(room: Room) -> Iterator[Finding]:
    """Who works on the ledger, and whose clock is off."""
    from ledger.workers import KEPT_FOR, SKEW, workers

    with room.ledger.read() as connection:
        found = workers(connection)
    here = [w for w in found if w.alive]
    said = "; ".join(f"{w.name}{f' on {w.campaign} {w.wave}' if w.wave else ''}" for w in here)
    yield Finding("workers", "ok", said or "nobody works at this moment")
    for w in found:
        if not w.alive:
            what = f"{w.name} was last seen {w.seen_at:%H:%M:%S}Z and did not end in order"
            hours = int(KEPT_FOR.total_seconds() // 3600)
            yield Finding("workers", "warn", what, f"see what became of it; it is forgotten after {hours} h")
        elif abs(w.skew_s) > SKEW.total_seconds():
            what = f"the clock of {w.name} is {abs(w.skew_s):.1f} s off the database's"
            yield Finding("workers", "warn", what, "let both follow a time server")


def clock_of(room: Room, clock: datetime | None, now: datetime) -> Finding:
    """Whether the database's clock agrees with this machine's."""
    from ledger.workers import SKEW, WRONG

    if room.ledger.simulated:
        return Finding("clock", "ok", f"simulated, stands at {room.ledger.now():%Y-%m-%d %H:%M}Z")
    if clock is None:
        return Finding("clock", "ok", "the database is on this machine")
    apart = abs(clock - now)
    said = f"{apart.total_seconds():.1f} s between the database's clock and ours"
    if apart <= SKEW:
        return Finding("clock", "ok", said)
    return Finding("clock", "fail" if apart > WRONG else "warn", said, "let both follow a time server")


def advanced(room: Room, now: datetime) -> Finding:
    """Whether `advance` came to its end lately, if any campaign waits for it."""
    from flows.driver import last_advance
    from ledger.progress import live_campaigns

    with room.ledger.read() as connection:
        live = live_campaigns(connection)
    last = last_advance(room)
    said = f"last done {last[0]:%Y-%m-%d %H:%M:%S}Z, {last[1]} moves" if last else "never done"
    late = last is None or now - last[0] > room.settings.tick + room.settings.late_after
    if live and late and not room.ledger.simulated:
        return Finding("advance", "fail", f"{said}; {len(live)} campaigns wait", "keep `multiwave up` running")
    return Finding("advance", "ok", said)
