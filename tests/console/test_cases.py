"""Cases and keys as people handle them: commands, status, why, doctor and check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flows.reports import record_came
from ledger.api_keys import key_name
from ledger.retention import drop_old_raw
from tests.builders import HOUR, T0, World, make_world, phone, plan_text, put, reachable
from tests.commands import said
from waves.errors import InputError
from waves.message import Conversion, Inbound

WAVES = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    put(made.ledger, [reachable(n, ("sms",)) for n in (1, 2)])
    made.start(plan_text(WAVES))
    made.advance(T0)
    made.ledger.set_now(T0 + HOUR)
    yield made
    made.ledger.close()


def wrote(world: World, text: str, sender: str = phone(1)) -> None:
    at = world.ledger.now()
    record_came(world.room, [Inbound("sms", sender, text, at, "outbox", f"{sender} {text}")], at)


def test_a_case_from_its_question_to_its_answer(world: World) -> None:
    assert "no case is open" in said(world, "case", "ls")
    wrote(world, "What does it cost?")
    wrote(world, "Who are you?", "+15125550199")
    listed = json.loads(said(world, "case", "ls", "--json"))["cases"]
    assert [(one["customer"], one["asks"]) for one in listed] == [("c1", ["question"])]
    number = str(listed[0]["id"])
    assert "c1" in said(world, "case", "ls")
    shown = said(world, "case", "show", number)
    assert "What does it cost?" in shown
    assert "answers notice of test" in shown
    assert json.loads(said(world, "status", "test", "--json"))["open_cases"] == 1
    assert "1 members wait for an answer" in said(world, "status", "test")
    assert f"open_case (multiwave case show {number})" in said(world, "why", "test", "c1")
    doctor = said(world, "doctor", "--json")
    assert "1 open, the oldest since 2026-12-01 10:00Z" in doctor
    assert "1 came from addresses that no customer has" in doctor
    assert f"case {number} of c1 is closed" in said(world, "case", "close", number, "--by", "ada")
    assert "no case is open" in said(world, "case", "ls")
    assert json.loads(said(world, "case", "ls", "--all", "--json"))["cases"][0]["closed_at"] is not None
    for command in ("show", "close"):
        with pytest.raises(InputError, match="there is no case 77"):
            said(world, "case", command, "77")


def test_a_text_that_is_not_kept_any_more(world: World) -> None:
    wrote(world, "What does it cost?")
    drop_old_raw(world.ledger, T0 + timedelta(days=90))
    (case,) = json.loads(said(world, "case", "ls", "--json"))["cases"]
    assert "the text is not kept any more" in said(world, "case", "show", str(case["id"]))


def test_a_case_opened_by_hand_is_the_same(world: World) -> None:
    said(world, "suppress", "--customer", "c2", "--reason", "open_case", "--by", "ada")
    (case,) = json.loads(said(world, "case", "ls", "--json"))["cases"]
    assert (case["customer"], case["opened_by"], case["asks"]) == ("c2", "ada", [])
    said(world, "unsuppress", "--customer", "c2")
    assert "no case is open" in said(world, "case", "ls")


def test_a_key_is_shown_once_and_counted(world: World) -> None:
    assert "no key was made yet" in said(world, "api-key", "ls")
    key = json.loads(said(world, "api-key", "add", "shop", "--json"))["key"]
    with world.ledger.read() as connection:
        assert key_name(connection, key) == "shop"
    came = Conversion("nobody", None, "renewed", T0, None, None, None, None, "shop", "s1")
    record_came(world.room, [came], T0 + HOUR)
    listed = said(world, "api-key", "ls", "--json")
    assert key not in listed
    assert [(k["name"], k["taken"], k["unknown"]) for k in json.loads(listed)["api_keys"]] == [("shop", 0, 1)]
    assert "shop" in said(world, "api-key", "ls")
    assert "shop: 1 of customers that the ledger did not know" in said(world, "doctor", "--json")
    said(world, "api-key", "revoke", "shop")
    with world.ledger.read() as connection:
        assert key_name(connection, key) is None
    with pytest.raises(InputError, match="lower-case letters"):
        said(world, "api-key", "add", "The Shop")


def test_check_and_doctor_read_the_keywords(world: World) -> None:
    path = world.config / "rules" / "keywords.yaml"
    path.write_text("en:\n  stopp: [halt]\n")
    told = f"{path}:2: there is no key `stopp` here; write stop"
    assert told in said(world, "check", str(world.config / "plans" / "plan.yaml"))
    assert told in said(world, "doctor", "--json")


def test_check_reads_what_would_stop_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, path = str(world.config / "plans" / "plan.yaml"), world.config / "rules" / "bans.yaml"
    path.write_text("bans:\n  - {place: US-LA}\n")
    assert f"{path}:2: `from` is missing" in said(world, "check", plan)
    path.unlink()
    for named, told in (('{"sms": ["outbx"]}', "did you mean outbox"), ('{"smss": "outbox"}', "did you mean sms")):
        monkeypatch.setenv("MULTIWAVE_PROVIDERS", named)
        with pytest.raises(InputError, match=f"MULTIWAVE_PROVIDERS: no .*{told}"):
            said(world, "check", plan)
    monkeypatch.delenv("MULTIWAVE_PROVIDERS")
    for variable, named in (("FAILOVER", '{"smss": "never"}'), ("COSTS", '{"smss": 0.01}')):
        monkeypatch.setenv(f"MULTIWAVE_{variable}", named)
        with pytest.raises(InputError, match=f"MULTIWAVE_{variable}: there is no channel smss; write sms"):
            said(world, "check", plan)
        monkeypatch.delenv(f"MULTIWAVE_{variable}")


def test_check_says_on_which_channel_nobody_can_be_reached(world: World) -> None:
    plan = world.config / "plans" / "plan.yaml"
    assert "makes nobody reachable" not in said(world, "check", str(plan))
    plan.write_text(plan.read_text().replace("[sms]", "[{first_of: [sms, fax]}]"))
    (world.config / "templates" / "hello.fax.j2").write_text("Hello")
    assert "note: fax: customers.yaml declares no address or no consent for it" in said(world, "check", str(plan))


def test_check_says_where_a_page_has_no_address(world: World) -> None:
    (world.config / "templates" / "hello.sms.j2").write_text("Bye {{ unsubscribe }}")
    told = said(world, "check", str(world.config / "plans" / "plan.yaml"))
    assert "hello.sms.j2:1: `unsubscribe` has no page to lead to; set MULTIWAVE_PUBLIC_URL" in told
