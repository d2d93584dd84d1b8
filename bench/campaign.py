"""The benchmarks' campaign over every customer of the made-up ledger: two waves, run through the flows' own code."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from bench.world import NOW, TYPES, micros, settle
from channels.registry import CAPABILITIES
from config.loading import load_plan
from config.settings import Settings
from flows.room import Room
from flows.running import Running, load_running
from flows.starting import start
from flows.wave import enrol_wave, open_wave
from ledger import campaigns
from ledger.store import Ledger

FIRST, SECOND = "notice", "reminder"
PLAN = """\
campaign: bench
title: A benchmark
segment: everybody
starts: 2026-12-01 09:00 UTC
holdout: 5%
goal: {event: renewed, within: 14d}
limits: {contacts: 3, within: 7d}
hours: house
waves:
  - {wave: notice, channels: [web_push, {first_of: [sms, email]}], message: hello, release: 8h, listen: 1d}
  - wave: reminder
    enter: not converted and (notice.engaged or notice.missed)
    channels: [{first_of: [sms, email]}]
    message: hello
    holdout: 5%
    release: 8h
    listen: 1d
"""
BY_DAY = '{mon_fri: ["09:00", "20:00"], sat: ["09:00", "20:00"], sun: null, holiday: null}'
HOURS = f"""\
house:
  title: By day
  rows:
    - for: everywhere
      messages: {BY_DAY}
      calls: {BY_DAY}
      source: a benchmark
      as_of: 2026-11-24
      reviewed: {{by: nobody real, on: 2026-11-24}}
"""
FILES = {
    "plans/bench.yaml": PLAN,
    "segments/everybody.yaml": "segment: everybody\ntitle: Everybody\nwhere: age >= 18\n",
    "rules/hours.yaml": HOURS,
    "templates/hello.sms.j2": "Hello {{ name | default('') }}. {{ token }}",
    "templates/hello.email.j2": "Subject: {{ title }}\n\nHello {{ name | default('') }}. {{ token }}",
    "templates/hello.web_push.j2": "Title: {{ title }}\n\nHello {{ name | default('') }}. {{ token }}",
    "customers.yaml": f"""\
key: customer_id
name: full_name
columns: {{{", ".join(f"{name}: {kind}" for name, kind in TYPES.items())}}}
addresses:
  - {{column: mobile, channels: [sms, call_list]}}
  - {{column: email, channels: [email]}}
  - {{column: push, channels: [web_push]}}
""",
}
SECOND_OPENS = NOW + timedelta(hours=33)

# What came back of the first wave, by the touch's number: 45 % delivered, 30 % missed, 15 % engaged, 5 % declined.
OUTCOMES = """
UPDATE touch SET state = CASE WHEN id % 20 = 19 THEN 4 ELSE 2 END, sent_at = :now,
    outcome = CASE WHEN id % 20 < 9 THEN 40 WHEN id % 20 < 12 THEN 30 WHEN id % 20 < 14 THEN 42
                   WHEN id % 20 < 16 THEN 60 WHEN id % 20 < 17 THEN 70 WHEN id % 20 < 18 THEN 68 END
WHERE wave = :wave
"""


def open_room(home: Path, ledger: Ledger) -> Room:
    """A room over this ledger; nothing of it sends."""
    return Room(Settings(home=home), ledger, bytes(32))


def start_campaign(room: Room, plan: str = PLAN) -> None:
    """Approve and start a plan named bench: every customer becomes a member."""
    folder = room.settings.home / "config"
    for name, content in (FILES | {"plans/bench.yaml": plan}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    bundle = load_plan(folder / "plans" / "bench.yaml", folder, CAPABILITIES)
    with room.ledger.write() as connection:
        campaigns.approve(connection, bundle.plan.campaign, bundle.digest, "bench", NOW)
    start(room, bundle, "bench", NOW)
    settle(room.ledger)


def opened(room: Room, wave: str) -> Running:
    """The campaign with this wave begun and nobody enrolled yet."""
    now = NOW if wave == FIRST else SECOND_OPENS
    running = load_running(room.ledger, "bench")
    if not open_wave(room, running, running.plan.wave(wave), now):
        raise RuntimeError(f"{wave} did not open")
    return load_running(room.ledger, "bench")


def enrol(room: Room, running: Running, wave: str) -> None:
    """Every verdict, touch and batch of an opened wave, as `advance` writes them."""
    enrol_wave(room, running, running.plan.wave(wave), NOW if wave == FIRST else SECOND_OPENS)


def answer(room: Room) -> None:
    """Close the books of the first wave: every touch sent or refused, most of them answered."""
    with room.ledger.write() as connection:
        wave = connection.scalar(text("SELECT id FROM wave WHERE name = :name"), {"name": FIRST})
        connection.execute(text(OUTCOMES), {"wave": wave, "now": micros(NOW)})
        connection.execute(text("UPDATE wave SET state = 'closed' WHERE id = :wave"), {"wave": wave})
    settle(room.ledger)
