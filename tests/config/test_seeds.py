"""Files of seeds: what is read from good ones, and the line of each mistake in bad ones; no address is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.registry import CAPABILITIES
from channels.seeds_file import read_seeds
from config import PACKAGED
from config.seeds import load_seeds, seed_problems
from waves.errors import InputError, PlanError
from waves.seeds import Seed

GOOD = """\
anna_phone: {channel: sms, address: "+12015550101", language: en}
anna_mail:
  channel: email
  address: anna@example.com
  campaigns: [autumn, winter]
door: {channel: visit, address: 1 Long Street, owner: Bob}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "seeds.yaml").write_text(text)
    return folder


def test_every_key_is_read(tmp_path: Path) -> None:
    found = load_seeds(write(tmp_path, GOOD), CAPABILITIES)
    assert found == (
        Seed(seed="anna_phone", channel="sms", address="+12015550101", language="en"),
        Seed(seed="anna_mail", channel="email", address="anna@example.com", campaigns=("autumn", "winter")),
        Seed(seed="door", channel="visit", address="1 Long Street", owner="Bob"),
    )
    assert [seed.is_in("winter") for seed in found] == [True, True, True]
    assert [seed.is_in("spring") for seed in found] == [True, False, True]


def test_no_file_or_only_comments_is_no_seed(tmp_path: Path) -> None:
    assert load_seeds(tmp_path, CAPABILITIES) == ()
    assert load_seeds(PACKAGED, CAPABILITIES) == ()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("Anna: {channel: sms, address: '+12015550101'}\n", 1, "`Anna` is no name"),
        ("a: {channel: smss, address: '+12015550101'}\n", 1, "smss is no channel; write sms"),
        ("a: {channel: call_list, address: '+12015550101'}\n", 1, "no seed is called"),
        ("a:\n  channel: sms\n  address: secret-5550101\n", 3, "the address is not a phone number in full"),
        ("a:\n  channel: email\n  address: secret\n", 3, "the address is not an e-mail address"),
        ("a:\n  channel: sms\n  adress: '+12015550101'\n", 3, "adress"),
        ("a: {channel: sms}\n", 1, "address"),
        ("a: sms\n", 1, "`a` holds no keys"),
        ("# mine\n- anna\n- bob\n", 1, "the file is not made of keys"),
        ("a: {channel: im, address: 'qq:1'}\nb: {channel: im, address: 'qq:1'}\n", 2, "another seed has this address"),
    ],
)
def test_a_mistake_is_said_on_its_line_without_the_address(tmp_path: Path, text: str, line: int, says: str) -> None:
    (problem, *_) = seed_problems(write(tmp_path, text), CAPABILITIES)
    assert problem.line == line
    assert says in problem.message
    assert "secret" not in problem.message
    with pytest.raises(PlanError):
        load_seeds(tmp_path, CAPABILITIES)


def test_a_file_for_a_test_is_read(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    path.write_text("Name,channel,address,language\nanna,sms,+12015550101,en\nanna,email,a@example.com,\n")
    assert read_seeds(path, CAPABILITIES) == [
        Seed(seed="anna", channel="sms", address="+12015550101", language="en"),
        Seed(seed="anna", channel="email", address="a@example.com"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("anna,smss,+12015550101,en", "2: unknown channel 'smss'; did you mean sms"),
        ("anna,call_list,+12015550101,en", "2: unknown channel"),
        ("Anna B,sms,+12015550101,en", "2: name is lower-case letters"),
        ("anna,sms,+12015550101,english!", "2: language is a code"),
        ("anna,sms,secret-5550101,en", "2: the address is not a phone number"),
        ("anna,sms,,en", "2: address is empty"),
        ("anna,sms,+12015550101,en\nbob,sms,+12015550101,en", "3: this name or this address is there twice"),
    ],
)
def test_a_file_with_a_mistake_is_refused_whole(tmp_path: Path, row: str, says: str) -> None:
    path = tmp_path / "seeds.csv"
    path.write_text(f"name,channel,address,language\n{row}\n")
    with pytest.raises(InputError, match=says) as raised:
        read_seeds(path, CAPABILITIES)
    assert "5550101" not in str(raised.value)
