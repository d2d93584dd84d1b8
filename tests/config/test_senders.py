"""Files of senders: what is read from a good one, and the line of each mistake in a bad one."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from channels.registry import CAPABILITIES, SENDERS
from config import PACKAGED
from config.senders import load_senders, sender_problems
from config.settings import Settings
from console.cli import app
from flows.room import Room, open_room
from tests.builders import make_world
from waves.errors import PlanError, SendRefused
from waves.senders import Breaker, Sender, WarmUp

GOOD = """\
text_gateway:
  channel: sms
  provider: http
  rate: 3000/m
  per: unit
  concurrency: 32
  daily_cap: 50000
  warm_up: {first: 500, grows: 1.5}
  breaker: {failures: 20%, of: 50, pause: 5m}
  timeout: 20s
  http:
    url: https://gateway.example.com/messages
    secret_env: GATEWAY_SECRET
paper:
  channel: email
  provider: outbox
"""
HTTP = {
    "url": "https://gateway.example.com/messages",
    "status_url": None,
    "secret_env": "GATEWAY_SECRET",
    "messages": 100,
}


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "senders.yaml").write_text(text)
    return folder


def load(folder: Path, **settings: Any) -> dict[str, Sender]:
    return load_senders(folder, CAPABILITIES, SENDERS, Settings(**settings))


def test_every_key_is_read(tmp_path: Path) -> None:
    found = load(write(tmp_path, GOOD))
    assert found["text_gateway"] == Sender(
        sender="text_gateway",
        channel="sms",
        provider="http",
        rate=50.0,
        per="unit",
        concurrency=32,
        daily_cap=50_000,
        warm_up=WarmUp(first=500, grows=1.5),
        breaker=Breaker(failures=0.2, of=50, pause=timedelta(minutes=5)),
        timeout=timedelta(seconds=20),
        options=HTTP,
    )
    assert found["text_gateway"].slots == 2
    assert found["paper"] == Sender(sender="paper", channel="email", provider="outbox")
    assert found["paper"].slots is None


def test_no_file_and_a_file_of_comments_name_no_sender(tmp_path: Path) -> None:
    assert load(tmp_path) == load(write(tmp_path, "---\n# sms:\n#   channel: sms\n\n")) == load(PACKAGED) == {}


def test_the_packaged_example_reads_when_its_comment_signs_are_taken_away(tmp_path: Path) -> None:
    text = (PACKAGED / "senders.yaml").read_text(encoding="utf-8")
    example = "\n".join(line[2:] for line in text.partition("#\n# text_gateway")[2].splitlines()[1:])
    found = load(write(tmp_path, f"text_gateway:\n{example}\n"), providers={"email": ["news", "mailer"]})
    assert found["text_gateway"].options["messages"] == 100
    assert {sender.provider for sender in found.values()} == {"http", "sendgrid", "smtp", "twilio"}


# what is written, what is written instead, and what is said of it
CASES: dict[str, tuple[str, str, list[str]]] = {
    "a negative rate": ("rate: 3000/m", "rate: -80/s", ["4: `rate`: '-80/s' is no rate; write one from 1/d ..."]),
    "a rate of nothing": ("rate: 3000/m", "rate: 0/s", ["4: `rate`: '0/s' is no rate; write one from 1/d ..."]),
    "a rate without a unit": ("rate: 3000/m", "rate: 80", ["4: `rate`: '80' is no rate; ..., such as 80/s, ..."]),
    "no requests at once": ("concurrency: 32", "concurrency: 0", ["6: `concurrency` is 0; write at least 1"]),
    "no messages a day": ("daily_cap: 50000", "daily_cap: -1", ["7: `daily_cap` is -1; write at least 1"]),
    "a cap in words": ("daily_cap: 50000", "daily_cap: many", ["7: `daily_cap` is many; write a whole number, ..."]),
    "a warm-up that shrinks": ("grows: 1.5", "grows: 0.5", ["8: `grows` is 0.5; write more than 1"]),
    "a breaker that never breaks": ("failures: 20%", "failures: 100%", ["9: `failures` of all never breaks; ..."]),
    "a breaker without rest": ("pause: 5m", "pause: 0s", ["9: `pause` is no time at all; ..."]),
    "no time for a request": ("timeout: 20s", "timeout: 0s", ["10: `timeout` is no time at all; ..., such as 10s"]),
    "a timeout as long as the lease": (
        "timeout: 20s",
        "timeout: 118s",
        ["10: a request of this sender can last longer than a worker's lease (120s): ... MULTIWAVE_LEASE to 121s ..."],
    ),
    "no such channel": ("channel: sms", "channel: smss", ["2: there is no channel smss; write sms"]),
    "a channel of calls": ("channel: email", "channel: call_list", ["15: call_list is not sent: ..."]),
    "a channel twice": (
        "channel: email",
        "channel: sms",
        [
            "15: text_gateway and paper both carry sms; keep one, or say who is first: "
            'MULTIWAVE_PROVIDERS={"sms": ["text_gateway", "paper"]}'
        ],
    ),
    "no such provider": ("provider: http", "provider: htpt", ["3: there is no provider htpt for sms; write http"]),
    "another provider's options": ("provider: http", "provider: outbox", ["11: `http` is for provider http, and ..."]),
    "no options": ("provider: outbox", "provider: http", ["14: `http` is missing; write http: {url: ...}"]),
    "no channel": ("  channel: email\n", "", ["14: `channel` is missing; write channel: sms"]),
    "a sender without keys": ("paper:\n  channel: email\n  provider: outbox", "paper: http", ["14: `paper` holds ..."]),
    "a misspelt key": ("daily_cap", "dayly_cap", ["7: there is no key `dayly_cap` here; write daily_cap"]),
    "a misspelt option": ("secret_env:", "secretenv:", ["13: there is no key `secretenv` here; write secret_env"]),
    "units of e-mails": ("provider: outbox", "provider: outbox\n  per: unit", ["17: `per: unit` counts the parts ..."]),
    "a name in capitals": ("paper:", "Paper:", ["14: `Paper` is no name; ..."]),
    "another provider's name": ("text_gateway:", "outbox:", ["1: `outbox` is the name of another provider; ..."]),
    "one name twice": ("paper:", "text_gateway:", ["14: `text_gateway` is written twice (first on line 1); keep one"]),
    "plain text over the network": (
        "https://gateway",
        "http://gateway",
        ["12: `url`: http:// is for a server on this machine only; write https://"],
    ),
    "a password in the address": (
        "https://gateway",
        "https://ada:open-sesame@gateway",
        ["12: `url`: a name or password is in the address; ..."],
    ),
    "no address": ("https://gateway", "gateway", ["12: `url`: this is no address; write https://gateway..."]),
    "the secret itself": ("GATEWAY_SECRET", "open-sesame", ["13: `secret_env`: write the NAME of an environment ..."]),
    "two mistakes": (
        "rate: 3000/m\n  per: unit",
        "rate: fast\n  per: unti",
        ["4: `rate`: 'fast' is no rate; ...", "5: `per` is unti; write message or unit"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_told_with_its_line(case: str, tmp_path: Path) -> None:
    old, new, expected = CASES[case]
    assert old in GOOD
    folder = write(tmp_path, GOOD.replace(old, new, 1))
    said = [str(problem) for problem in sender_problems(folder, CAPABILITIES, SENDERS, Settings())]
    assert len(said) == len(expected), said
    for one, wanted in zip(said, expected, strict=True):
        assert re.fullmatch(".*senders.yaml:" + re.escape(wanted).replace(r"\.\.\.", ".*"), one), one
        assert "sesame" not in one
    with pytest.raises(PlanError, match=re.escape(said[0])):
        load(folder)


def test_the_settings_choose_between_two_senders_of_a_channel(tmp_path: Path) -> None:
    folder = write(tmp_path, GOOD.replace("channel: email", "channel: sms"))
    assert list(load(folder, providers={"sms": "paper"})) == ["text_gateway", "paper"]


def room(tmp_path: Path, **settings: Any) -> Room:
    """A room over a home with these settings, its ledger never asked."""
    world = make_world(tmp_path / "home", **settings)
    write(world.config, GOOD)
    world.ledger.close()
    opened = open_room(world.room.settings)
    opened.ledger.close()
    return opened


def test_a_room_sends_by_its_senders_and_else_by_the_outbox(tmp_path: Path) -> None:
    opened = room(tmp_path)
    assert opened.sender("sms").sender == "text_gateway"
    assert opened.sender("email").sender == "paper"
    assert opened.sender("web_push").provider == "outbox"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [("text_gatewy", "did you mean text_gateway"), ("outbx", "did you mean outbox"), ("http", "has no sender; write")],
)
def test_a_choice_that_is_none_is_answered_with_the_nearest(tmp_path: Path, chosen: str, said: str) -> None:
    with pytest.raises(SendRefused, match=said):
        room(tmp_path, providers={"sms": chosen}).sender("sms")


def test_the_settings_may_prefer_the_outbox(tmp_path: Path) -> None:
    assert room(tmp_path, providers={"sms": "outbox"}).sender("sms").sender == "outbox"


def test_a_lease_too_short_for_a_sender_stops_the_room_and_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"senders.yaml:10: .* lease \(22s\).* set MULTIWAVE_LEASE to 23s or more"):
        room(tmp_path, lease="22s")
    shutil.rmtree(tmp_path / "home")
    assert room(tmp_path, lease="23s").sender("sms").timeout == timedelta(seconds=20)


def test_check_and_every_command_tell_of_a_wrong_sender_with_exit_code_2(tmp_path: Path) -> None:
    home = tmp_path / "home"
    runner = CliRunner()
    assert runner.invoke(app, ["init", "--home", str(home)]).exit_code == 0
    assert (home / "config" / "senders.yaml").read_text() == (PACKAGED / "senders.yaml").read_text()
    write(home / "config", GOOD.replace("3000/m", "-1/s"))
    checked = runner.invoke(app, ["check", "renewal", "--home", str(home)])
    assert checked.exit_code == 2
    assert re.search(r"senders.yaml:4: .*no rate.*\n1 problems", " ".join(checked.output.split(" ")))
