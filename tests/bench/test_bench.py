"""The benchmarks' two sides do the same work: nothing is timed here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bench.campaign import FIRST, SECOND
from bench.channels import WAYS as MESSAGE_WAYS
from bench.channels import Way
from bench.channels import measured as measured_way
from bench.claim_settle import claim_on
from bench.databases import Database, Postgresql, Sqlite
from bench.dispatch import WAYS, send_on
from bench.events import record_on
from bench.import_customers import import_into, write_customers
from bench.peers import HERE, NAMED, PEERS, compared
from bench.race import compare, race_on
from bench.sendgrid_events import record_on as record_signed_on
from bench.sizes import sizes, table
from bench.webhooks import hand_in_on
from bench.whole_campaign import measured


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    server = make_url(request.getfixturevalue("pg_url")).set(drivername="postgresql")
    return Postgresql(server.render_as_string(hide_password=False))


@pytest.mark.parametrize("wave", [FIRST, SECOND])
def test_the_sql_by_hand_writes_what_multiwave_writes(database: Database, wave: str) -> None:
    assert race_on(database, wave, 2000, rounds=1)["n"] == 2000


def test_the_load_by_hand_stores_what_the_import_stores(database: Database, tmp_path: Path) -> None:
    write_customers(tmp_path / "customers.csv", 2000)
    assert import_into(database, tmp_path / "customers.csv", 2000)["n"] == 2000


def test_the_marks_by_hand_are_those_of_claim_and_settle(database: Database) -> None:
    assert claim_on(database, 2000, rounds=1)["n"] > 1500


def test_the_merge_by_hand_records_what_the_product_records(database: Database) -> None:
    assert record_on(database, 2000, rounds=1)["n"] > 1500


def test_the_commits_by_hand_record_what_the_spool_brings(database: Database) -> None:
    assert hand_in_on(database, 300)["n"] > 200


def test_signed_events_come_to_what_the_bulk_comes_to(database: Database) -> None:
    assert record_signed_on(database, 2000, rounds=1)["n"] > 1500


def test_every_way_out_sends_every_touch(database: Database) -> None:
    rows = [row["what"] for row in send_on(database, 300, rounds=1)]
    assert rows == [what for way in WAYS for what in (way, f"{way}, our line")]


def test_a_peer_sends_every_message_to_the_sink(database: Database) -> None:
    rows = list(compared((database,), 100, PEERS[:1]))
    assert [row["what"] for row in rows] == ["pandas + twilio", "pandas + twilio, ours by 100"]
    assert rows[0]["limit_rate"] == rows[1]["limit_rate"] > 0


def test_every_peer_has_its_script_and_its_pinned_packages() -> None:
    assert [peer.name for peer in PEERS if not (HERE / f"peer_{peer.name}.py").exists()] == []
    assert [line for line in NAMED.read_text("utf-8").splitlines() if not re.fullmatch(r"[\w-]+==[\d.]+", line)] == []


def test_a_difference_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"\[\(2, 3\), \(4, None\)\]"):
        compare([1, 2, 4], [1, 3])


def test_a_whole_campaign_comes_to_its_end(database: Database) -> None:
    done = measured(database, 600)
    assert list(done["parts"]) == ["start", "notice", "reminder", "offer", "last_call"]
    assert done["touches"] > 600


def test_every_large_table_is_measured(database: Database) -> None:
    found = sizes(database, 1_500)
    assert table({"sqlite": found, "postgresql": found}, 1_500).count("\n| touch | ") == 1
    assert all(0 < own <= whole for _, own, whole in (found[name] for name in ("touch", "member", "event", "address")))


@pytest.mark.parametrize("way", MESSAGE_WAYS, ids=lambda way: way.name)
def test_every_channel_and_its_bare_client_send_every_message(way: Way) -> None:
    assert measured_way(way, 50, rounds=1)["n"] == 50
