"""A small configuration on disk, sound until a test breaks it, and four small channels."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from config.loading import check_plan
from waves.message import Cap, Capabilities

CAPS = (Cap(3, timedelta(days=1), "house rule"), Cap(7, timedelta(days=7), "house rule"))
CHANNELS = (
    Capabilities("web_push", "message", ("title", "url"), ("title",)),
    Capabilities("sms", "message", ()),
    Capabilities("email", "message", ("subject",), ("subject",)),
    Capabilities("call_list", "call", (), caps=CAPS),
)

CUSTOMERS = """\
key: customer_id
name: full_name
columns:
  age: integer
  value: number
  plan_name: text
  contract_end: date
  vip: boolean
addresses:
  - {column: mobile, channels: [sms, call_list]}
"""

PLAN = """\
campaign: autumn
title: Autumn
segment: renewal_due
starts: 2026-12-01 09:00 Europe/Kyiv
holdout: 5%
goal: {event: renewed, dispositions: [sale], within: 14d}
limits: {contacts: 3, within: 7d}
hours: house
in_doubt: {sms: hold}
waves:
  - wave: notice
    channels: [web_push, {first_of: [sms, email]}]
    message: renewal_notice
    ramp: {first: 1%, hold: 2h}
    listen: 48h
  - wave: ring
    enter: not converted and (notice.engaged or notice.missed)
    channels: [call_list]
    capacity: {teams: {north: 12}, hours: 7.5, handle_time: 180s}
    rank: value
    listen: 5d
  - wave: follow_up
    enter: |
      ring.missed
      and not converted
    wait: 2h
    channels: [{first_of: [sms, email]}]
    variants:
      short: {message: sorry, weight: 30%}
      long: {message: renewal_notice, weight: 70%}
    listen: 7d
"""

HOURS = """\
house:
  title: House hours
  rows:
    - for: everywhere
      messages: {mon_fri: ["09:00", "20:00"], sat: ["09:00", "20:00"], sun: null, holiday: null}
      calls: {mon_fri: [["09:00", "13:00"], ["14:00", "20:00"]], sat: null, sun: null, holiday: null}
      holidays: [UA, US-TX]
      source: House rule
      as_of: 2026-11-24
      reviewed: {by: Ada Example, on: 2026-11-24}
night:
  title: Nobody has read this
  rows:
    - for: everywhere
      messages: {mon_fri: ["00:00", "24:00"], sat: null, sun: null, holiday: inherit}
      calls: {mon_fri: null, sat: null, sun: null, holiday: null}
      source: nobody
      as_of: 2026-11-24
      reviewed: no
"""

FILES = {
    "customers.yaml": CUSTOMERS,
    "plans/autumn.yaml": PLAN,
    "segments/renewal_due.yaml": "segment: renewal_due\ntitle: Due\nwhere: |\n  age > 18\n  and plan_name = 'gold'\n",
    "segments/everyone.yaml": "segment: everyone\ntitle: All\nwhere: age > 0\n",
    "rules/hours.yaml": HOURS,
    "templates/renewal_notice.web_push.en.j2": "Title: Hello {{ name }}\n\nIt ends {{ contract_end }}.\n",
    "templates/renewal_notice.sms.en.j2": "Hi {{ name }}\n",
    "templates/renewal_notice.email.j2": "Subject: Hello\n\nHi {{ name }}\n",
    "templates/sorry.sms.en.j2": "Sorry {{ name }}\n",
    "templates/sorry.email.en.j2": "Subject: Sorry\n\nSorry {{ name }}\n",
    "templates/unused.sms.en.j2": "{{ nobody }}\n",
}


def same(line: str, expected: str) -> bool:
    """Whether a printed line is the expected one; `...` stands for words that are another's to choose."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("..."))), line) is not None


@pytest.fixture
def capabilities() -> dict[str, Capabilities]:
    return {channel.channel: channel for channel in CHANNELS}


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def edit(config_dir: Path) -> Callable[[str, str, str], None]:
    """Replace a piece of one file, which must be there."""

    def change(name: str, old: str, new: str) -> None:
        text = (config_dir / name).read_text(encoding="utf-8")
        assert old in text
        (config_dir / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


@pytest.fixture
def check(config_dir: Path, capabilities: dict[str, Capabilities]) -> Callable[[list[str]], None]:
    """Compare the problems of the plan, files by their path inside the configuration, with the lines expected."""

    def run(expected: list[str]) -> None:
        found = check_plan(config_dir / "plans" / "autumn.yaml", config_dir, capabilities)
        lines = [str(problem).replace(f"{config_dir}/", "") for problem in found]
        if len(lines) != len(expected) or not all(map(same, lines, expected)):
            assert lines == expected

    return run
