"""Erasing a customer: nothing anywhere says who it was, every number stays, and nobody brings them back unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, inspect, select, text, update

from channels.call_list.rows import DispositionRow
from channels.outbox import read_outbox
from channels.spool import Record, set_aside, to_line
from config.schema import load_schema
from console.review.numbers import lens_of, report_of
from flows.erasing import erase_customer
from flows.reports import record_dispositions, record_reports
from flows.running import load_running
from ledger import tables as t
from ledger.close import balance
from ledger.suppressions import suppress
from segments.customers import ImportSummary, import_customers
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.steps import convert, set_customer
from waves.dispositions import Disposition
from waves.errors import InputError, LedgerError
from waves.message import AddressState, Event
from waves.outcomes import Outcome, Reason, State
from waves.seals import SEALED, sealer
from waves.tokens import Kind, make_token

WHO = "c1"
NO_TIMES = (None, None, None, None)
PHONE, MAIL, PUSH = "+12015550101", "c1@example.com", "https://push.example.com/1"
SECRETS = ("Name of c1", MAIL, PUSH, PHONE, "household of one", "owner of one", "gold of one")
WAVES = """\
  - {wave: notice, channels: [web_push, email], message: hello, release: 2h, listen: 1d}
  - {wave: call, enter: "tier is null or tier is not null", channels: [call_list], rank: value, listen: 3d}
  - {wave: last, channels: [sms], message: hello, release: 2h, listen: 1d}
"""


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    yield from made_world(tmp_path, ledger_url)


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    yield from made_world(tmp_path, sqlite_url)


def made_world(tmp_path: Path, url: str) -> Iterator[World]:
    """A campaign in its second wave; one customer clicked, bought, was called, and is suppressed."""
    made = make_world(tmp_path / "home", url)
    put(made.ledger, [reachable(n, tier="gold of one" if n == 1 else None) for n in range(4)])
    set_customer(made, WHO, {"household": "household of one", "owner": "owner of one", "branch": "b", "language": "en"})
    made.start(plan_text(WAVES))
    step(made, T0)
    for touch in made.touches("notice"):
        event = Event(
            token(made, touch.id),
            int(Outcome.CLICKED),
            T0 + HOUR,
            "test",
            f"e{touch.id}",
            raw={"to": f"{touch.key}@example.com"},
        )
        record_reports(made.room, [event], made.now)
    convert(made, WHO, T0 + HOUR, "upsold")
    step(made, T0 + DAY + 2 * HOUR)
    listed = made.pull("call", 4)
    with made.ledger.write() as connection:
        suppress(connection, None, MAIL, 0, "they said so", "tester", made.now)
    for entry in listed.entries:
        row = DispositionRow(
            1, dial_token(made, entry.id), Disposition.NO_ANSWER, made.now, f"k{entry.id}", entry.number, *NO_TIMES
        )
        record_dispositions(made.room, [row], made.now)
    yield made
    made.ledger.close()


def step(world: World, now: Any) -> None:
    world.ledger.set_now(now)
    world.advance(now)


def token(world: World, touch: int) -> str:
    return make_token(world.room.token_key, Kind.TOUCH, touch)


def dial_token(world: World, entry: int) -> str:
    return make_token(world.room.token_key, Kind.DIAL_ENTRY, entry)


def cells(world: World) -> list[str]:
    """Every cell of every table, as text."""
    found = []
    with world.ledger.read() as connection:
        for table in inspect(connection).get_table_names():
            found += [str(cell) for row in connection.execute(text(f'SELECT * FROM "{table}"')) for cell in row]
    return found


def numbers(world: World) -> Any:
    """Everything that a report says, and the books of every open or closed wave."""
    running = load_running(world.ledger, "test")
    with world.ledger.read() as connection:
        lens = lens_of(world.room, running, world.now)
        found = report_of(connection, running, lens, "USD", lambda *_: None)
        books = [asdict(balance(connection, row.id, running.id)) for row in running.rows if row.state != "pending"]
    return found, books


def written(world: World) -> list[str]:
    """Every file of the home that holds one of the secrets; the configuration does not, nor does the database."""
    paths = [path for path in world.room.settings.home.rglob("*") if path.is_file()]
    return [path.name for path in paths if any(secret.encode() in path.read_bytes() for secret in SECRETS)]


def test_nothing_says_who_it_was_and_every_number_stays(world: World) -> None:
    before, there = numbers(world), cells(world)
    assert all(any(secret in cell for cell in there) for secret in SECRETS)
    assert len(written(world)) > 3
    lines = len(world.outbox("email"))
    done = erase_customer(world.room, WHO, "tester")
    assert (done.new, done.outbox_lines, done.list_entries) == (True, 2, 1)
    assert [cell for cell in cells(world) if cell == WHO or any(secret in cell for secret in SECRETS)] == []
    assert written(world) == []
    assert numbers(world) == before
    assert len(world.outbox("email")) == lines
    with world.ledger.read() as connection:
        assert connection.scalar(select(t.audit.c.what).where(t.audit.c.did == "erase")) == "customer 2"


def in_database(world: World) -> set[str]:
    """Which of two secrets are anywhere in the bytes of the database's files."""
    content = b"".join(path.read_bytes() for path in world.room.settings.home.glob("ledger.db*"))
    return {secret for secret in (MAIL, PHONE) if secret.encode() in content}


def test_their_data_are_gone_from_the_file_of_the_database_too(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home")
    put(world.ledger, [reachable(n) for n in range(200)])
    before = in_database(world)
    erase_customer(world.room, WHO, "tester")
    assert (before, in_database(world)) == ({MAIL, PHONE}, set())
    world.ledger.close()


def test_the_campaign_goes_on_without_them(world: World) -> None:
    erase_customer(world.room, WHO, "tester")
    with world.ledger.write() as connection:
        connection.execute(update(t.dial_list).values(returned_at=world.now))
        connection.execute(update(t.dial_entry).values(active=False))
    step(world, T0 + 5 * DAY)
    assert [line["to"] for line in world.outbox("sms")] == [f"+1201555010{n}" for n in (0, 2, 3)]
    assert {state.state for state in world.touches("last")} == {int(State.SENT)}


def test_what_is_queued_is_withdrawn_at_once(tmp_path: Path, ledger_url: str) -> None:
    world = make_world(tmp_path / "home", ledger_url)
    put(world.ledger, [reachable(n) for n in range(2)])
    world.start(plan_text("  - {wave: call, channels: [call_list], listen: 3d}\n"))
    step(world, T0)
    erase_customer(world.room, WHO, "tester")
    states = {row.customer: (row.state, row.reason) for row in world.touches("call")}
    assert states == {1: (int(State.QUEUED), None), 2: (int(State.WITHDRAWN), int(Reason.SUPPRESSED))}
    assert len(world.pull("call").entries) == 1
    world.ledger.close()


def test_a_message_in_a_workers_hand_is_waited_for_and_nothing_more_goes_out(lite: World) -> None:
    with lite.ledger.write() as connection:
        mine = (t.touch.c.customer == 2, t.touch.c.channel == 1)
        connection.execute(update(t.touch).where(*mine).values(state=int(State.CLAIMED)))
    with pytest.raises(LedgerError, match="nothing more goes to this customer from now on"):
        erase_customer(lite.room, WHO, "tester", patience_s=0)
    with lite.ledger.read() as connection:
        stopped = connection.execute(select(t.customer.c.key, t.customer.c.erased_at).where(t.customer.c.id == 2)).one()
    assert (stopped.key, stopped.erased_at) == (WHO, lite.now)
    with lite.ledger.write() as connection:
        connection.execute(update(t.touch).where(*mine).values(state=int(State.SENT)))
    assert erase_customer(lite.room, WHO, "tester").new


def test_again_is_harmless_and_a_stranger_is_an_error(world: World) -> None:
    erase_customer(world.room, WHO, "tester")
    there = sorted(cells(world))
    assert erase_customer(world.room, WHO, "tester").new is False
    assert sorted(cells(world)) == there
    with pytest.raises(LedgerError, match="no customer with this key"):
        erase_customer(world.room, "nobody", "tester")
    left = next(cell for cell in there if cell.startswith(SEALED) and len(cell) > 20)
    with pytest.raises(LedgerError, match="was erased already"):
        erase_customer(world.room, left, "tester")


def test_a_report_that_comes_after_names_nobody_and_still_counts(world: World) -> None:
    erase_customer(world.room, WHO, "tester")
    late = next(touch for touch in world.touches("notice") if touch.customer == 2)
    said = Event(token(world, late.id), int(Outcome.REPLIED), world.now, "test", "late", raw={"from": MAIL})
    assert record_reports(world.room, [said], world.now).new == 1
    entry = world.touches("call", customer=2)[0]
    with world.ledger.read() as connection:
        number = connection.scalar(select(t.dial_entry.c.id).where(t.dial_entry.c.touch == entry.id))
    row = DispositionRow(1, dial_token(world, number), Disposition.NO_ANSWER, world.now, "k-late", PHONE, *NO_TIMES)
    assert record_dispositions(world.room, [row], world.now).new == 1
    assert [cell for cell in cells(world) if any(secret in cell for secret in SECRETS)] == []
    assert next(touch for touch in world.touches("notice") if touch.id == late.id).outcome == int(Outcome.REPLIED)


def test_what_lies_aside_in_the_spool_goes_too(lite: World) -> None:
    theirs = (
        b'{"to": "%s"}' % PHONE.encode(),
        b"MessageSid=SM1&From=%2B12015550101&Body=stop",
        b"From=%2b12015550101",
        b'[{"email": "C1@Example.com"}]',
        b"to=c1%40example.com",
        rb'{"to": "c1\u0040example.com"}',
        b'[{"customer": "c1", "goal": "renewed"}]',
        b'{"act": "subscribe", "value": "x", "customer": 2}',
    )
    others = (
        b"From=%2B12015550102",
        b'[{"customer": "c11"}]',
        b'{"customer": 22}',
        b"\xff\xfe%zz",
        b'{"to": "\\ud800"}',
    )
    lines = [to_line(Record("http", "gone", T0, {}, body)) for body in (*theirs, *others)]
    set_aside(lite.room.settings.spool_folder, "host-1-1.spool", lines, ["why" for _ in lines])
    assert erase_customer(lite.room, WHO, "tester").spool_records == len(theirs)
    left = (lite.room.settings.spool_folder / "aside" / "host-1-1.spool").read_bytes()
    assert left.splitlines(keepends=True) == lines[len(theirs) :]


def test_a_test_message_to_them_is_emptied_too(lite: World) -> None:
    test = make_token(lite.room.token_key, Kind.TEST, 1)
    path = lite.room.settings.home / "outbox" / "sms.jsonl"
    path.write_text(f'{{"token": "{test}", "to": "{PHONE}", "name": "Name of c1", "fields": {{"body": "Hi"}}}}\n')
    size = path.stat().st_size
    erase_customer(lite.room, WHO, "tester")
    assert path.stat().st_size == size
    (line,), _ = read_outbox(path)
    assert line == {"token": test, "to": "", "name": None, "fields": {}}


def again(world: World, *rows: str) -> ImportSummary:
    """Import these rows of key, name, telephone and e-mail, every consent granted."""
    path = world.room.settings.home / "again.csv"
    head = "customer_id,full_name,lang,household,age,value,tier,mobile,email,push,sms_ok,call_ok,email_ok,push_ok"
    path.write_text("\n".join([head, *(f"{row},,yes,yes,yes,yes".replace(";", ",,,,,,,") for row in rows)]) + "\n")
    schema, rejects = load_schema(world.config), path.with_suffix(".rejects")
    return import_customers(world.ledger, schema, path, rejects, world.now, seal=sealer(world.room.token_key))


def test_an_import_does_not_bring_them_back(world: World) -> None:
    erase_customer(world.room, WHO, "tester")
    summary = again(world, f"c1;{PHONE},{MAIL}", f"other;{PHONE},other@example.com", "c2;+12015550102,c2@example.com")
    assert (summary.erased, summary.added, summary.updated, summary.left_out) == (1, 1, 1, 2)
    assert {reason for reason in summary.reasons if "erased" in reason} == {
        f"{channel}: of a customer who was erased; address left out (multiwave unsuppress --address allows it again)"
        for channel in ("sms", "call_list")
    }
    assert PHONE not in cells(world)
    assert MAIL not in cells(world)
    assert "c1" not in cells(world)


def test_a_person_can_allow_an_address_again(world: World) -> None:
    erase_customer(world.room, WHO, "tester")
    with world.ledger.write() as connection:
        sealed = sealer(world.room.token_key)("address", PHONE)
        connection.execute(update(t.suppression).where(t.suppression.c.value == sealed).values(until=world.now))
    assert again(world, f"other;{PHONE},{MAIL}").left_out == 1
    assert PHONE in cells(world)


def test_an_address_that_another_customer_has_stays_theirs(world: World) -> None:
    with world.ledger.write() as connection:
        values = {"customer": 3, "channel": 2, "value": PHONE, "consent": 1, "state": 0, "preference": 5}
        connection.execute(insert(t.address).values(values))
    erase_customer(world.room, WHO, "tester")
    with world.ledger.read() as connection:
        rows = connection.execute(select(t.address).where(t.address.c.value == PHONE)).all()
        sealed = connection.scalar(select(func.count()).where(t.suppression.c.value.like(f"{SEALED}%")))
    assert [(row.customer, row.state) for row in rows] == [(3, int(AddressState.OK))]
    assert sealed == 2, "the e-mail and the push subscription"


def test_an_import_without_the_key_is_refused_once_somebody_was_erased(lite: World) -> None:
    erase_customer(lite.room, WHO, "tester")
    path = lite.room.settings.home / "again.csv"
    again(lite, "c9;+12015550109,c9@example.com")
    with pytest.raises(InputError, match="without the token key"):
        import_customers(lite.ledger, load_schema(lite.config), path, path.with_suffix(".rejects"), lite.now)


def test_a_started_campaigns_bundle_names_no_customer(lite: World) -> None:
    with lite.ledger.read() as connection:
        bundle = connection.scalar(select(t.campaign.c.bundle))
    assert [secret for secret in (*SECRETS, "c0", "c1@") if secret in str(bundle)] == []
