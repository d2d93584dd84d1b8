"""A town of fictional customers and the plan that is run on it: the files that a marketer would write."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd

from tests.hours_rows import hours_yaml

T0 = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIZE = 660
AREAS = (212, 312, 305, 512, 602, 206, 702)
CAMPAIGN = "spring-offer"
SURNAME = "Ellerby"
PHRASE = "marzipan"
"""A word of every message text, which nothing but the outbox may show."""

CUSTOMERS = """\
key: customer_id
name: full_name
language: lang
household: household
region: US
zone: {column: zone}
columns: {age: integer, value: number, tier: text, contract_end: date, tariff: text, vip: boolean}
addresses:
  - {column: mobile, channels: [sms, call_list], preference: 1}
  - {column: email, channels: [email]}
  - {column: push, channels: [web_push]}
consent:
  sms: {column: sms_ok, source: crm}
  call_list: {column: call_ok, source: crm}
  email: {column: email_ok, source: crm}
  web_push: {column: push_ok, source: crm}
"""
SEGMENT = """\
segment: ending_soon
title: Contracts that end within 60 days, worth a message
where: |
  days_until(contract_end) between 0 and 60
  and (tier in ('gold', 'silver') or value >= 50)
  and not (vip and age > 80)
"""
PLAN = f"""\
campaign: {CAMPAIGN}
title: The spring offer
segment: ending_soon
starts: 2026-12-01 09:00 UTC
holdout: 10%
goal: {{event: signed, dispositions: [sale], within: 30d}}
hours: house
waves:
  - wave: push
    channels: [web_push]
    variants: {{calm: {{message: calm, weight: 60%}}, loud: {{message: loud, weight: 40%}}}}
    release: 2h
    listen: 22h
  - wave: notice
    enter: not converted and not push.engaged and (push.verdict != 'no_consent' or tier = 'gold')
    channels: [{{first_of: [sms, email]}}]
    message: calm
    holdout: {{share: 15%, then: skip}}
    release: 4h
    listen: 44h
  - wave: call
    enter: |
      not converted
      and (notice.engaged or notice.missed or notice.read or notice.verdict = 'no_address')
      and value / 2 >= 10
    channels: [call_list]
    rank: value
    holdout: 10%
    listen: 3d
  - wave: last_word
    enter: |
      not converted and (call.missed or call.untried or call.disposition = 'callback_agreed'
      or notice.verdict = 'wave_held_out')
    channels: [email, web_push]
    message: calm
    listen: 2d
"""
TEMPLATES = {
    # Nobody without a tariff has any text here: the sms is refused at once, by us, and no other channel is tried.
    "calm.sms.j2": "{% if tariff %}Hello {{ name }}, MARZIPAN for {{ tariff }}. {{ token }}{% endif %}",
    "calm.email.j2": "Subject: {{ title }}\n\nMARZIPAN, {{ name }}, for {{ tariff | default('you') }}. {{ token }}",
    "calm.web_push.j2": "Title: {{ title }}\nUrl: https://www.example.com/{{ token }}\n\nHello {{ name }}, MARZIPAN.",
    "loud.web_push.j2": "Title: {{ title }}\nUrl: https://www.example.com/{{ token }}\n\nMARZIPAN NOW, {{ name }}!",
}


def write_config(folder: Path) -> None:
    """The customers' schema, segment, plan, templates and hours of the town, in a home's config folder."""
    (folder / "customers.yaml").write_text(CUSTOMERS)
    (folder / "segments" / "ending_soon.yaml").write_text(SEGMENT)
    (folder / "plans" / "spring.yaml").write_text(PLAN)
    (folder / "rules" / "hours.yaml").write_text(hours_yaml())
    for name, text in TEMPLATES.items():
        (folder / "templates" / name).write_text(text.replace("MARZIPAN", PHRASE))


def phone(number: int) -> str:
    """A reserved fictional number."""
    return f"+1{AREAS[number // 100]}55501{number % 100:02d}"


def townspeople(seed: int = 7, size: int = SIZE) -> pd.DataFrame:
    """The customers' file: all text, empty where nothing is known; no two of them are worth the same."""
    dice = random.Random(seed)
    rows = [_person(dice, number, size) for number in range(size)]
    for first in range(10, 40):
        second = first + 400 if first % 2 else first + 300
        rows[second] |= {"mobile": rows[first]["mobile"], "sms_ok": "yes", "call_ok": "yes"}
        rows[first + 50] |= {"email": rows[second + 50]["email"], "email_ok": "yes"}
    return pd.DataFrame(rows)


def _person(dice: random.Random, number: int, size: int) -> dict[str, str]:
    def maybe(share: float, value: object) -> str:
        return str(value) if dice.random() < share else ""

    def consent() -> str:
        return dice.choices(["yes", "no", ""], [85, 10, 5])[0]

    ends = date(2026, 12, 1) + timedelta(days=dice.randint(-5, 70))
    worth = (number * 149 % size) * 100 / size + dice.random() / 100
    return {
        "customer_id": f"t-{number:04d}",
        "full_name": f"Person{number:04d} {SURNAME}",
        "lang": dice.choice(["en", "es", ""]),
        "zone": "" if number % 10 == 3 else "America/New_York",
        "mobile": maybe(0.8, phone(number)),
        "email": maybe(0.75, f"person{number:04d}@example.com"),
        "push": maybe(0.6, f"https://push.example.com/person{number:04d}"),
        "household": maybe(0.15, f"house-{number // 12}"),
        "age": maybe(0.95, dice.randint(18, 95)),
        "value": maybe(0.95, f"{worth:.4f}"),
        "tier": dice.choice(["gold", "silver", "bronze", ""]),
        "contract_end": maybe(0.97, ends),
        "tariff": maybe(0.85, f"Tariff{number % 9}"),
        "vip": dice.choice(["true", "false", "false", ""]),
        "sms_ok": consent(),
        "email_ok": consent(),
        "push_ok": consent(),
        "call_ok": consent(),
    }
