"""Small worlds for tests: a home with a plan, customers put straight into the ledger, an engine driven step by step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from channels.registry import CAPABILITIES
from config import PACKAGED
from config.bundle import Bundle
from config.dialling import load_dialling
from config.loading import load_plan
from config.settings import Settings
from flows import campaign, starting
from flows.dialling import pull
from flows.room import Room, make_token_key, read_token_key
from flows.sending import send_batch
from flows.upkeep import upkeep
from flows.wave import live
from ledger import campaigns
from ledger import tables as t
from ledger.attributes import declare_attributes
from ledger.calls import Call, record_calls
from ledger.close import Balance
from ledger.events import Recorded, record_events
from ledger.store import Ledger, create_ledger
from tests.blanks import blank_sqlite
from tests.hours_rows import hours_yaml
from waves.dispositions import Disposition
from waves.draw import bucket_of
from waves.message import CHANNEL_CODES, AddressState, Consent, Event
from waves.outcomes import Outcome, Side
from waves.senders import Sender

T0 = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

CUSTOMERS_YAML = """\
key: customer_id
name: full_name
language: lang
household: household
region: US
columns: {age: integer, value: number, tier: text}
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
TYPES = {"age": "integer", "value": "number", "tier": "text"}
RULES = load_dialling(PACKAGED)
"""The packaged rules of dialling again."""
TEMPLATES = {
    "hello.sms.j2": "Hello {{ name | default('') }}, {{ title }}. {{ token }}",
    "hello.email.j2": "Subject: {{ title }}\n\nHello {{ name | default('') }}. {{ token }}",
    "hello.web_push.j2": "Title: {{ title }}\nUrl: https://www.example.com/\n\nHello. {{ token }}",
}
HEAD = """\
campaign: {name}
title: A test campaign
segment: everybody
starts: {starts:%Y-%m-%d %H:%M} UTC
holdout: {holdout}
goal: {{event: renewed, dispositions: [sale], within: 14d}}
hours: house
waves:
"""
FOUR_WAVES = """\
  - {wave: push, channels: [web_push], message: hello, release: 2h, listen: 1d}
  - wave: notice
    enter: not converted and not push.engaged
    channels: [{first_of: [sms, email]}]
    message: hello
    release: 2h
    listen: 2d
  - wave: call
    enter: not converted and (notice.engaged or notice.missed)
    channels: [call_list]
    rank: value
    listen: 3d
  - wave: follow_up
    enter: call.missed and not converted
    channels: [{first_of: [sms, email]}]
    message: hello
    release: 2h
    listen: 1d
"""


def plan_text(waves: str = FOUR_WAVES, name: str = "test", holdout: str = "0%", starts: datetime = T0) -> str:
    """A plan's YAML with these waves."""
    return HEAD.format(name=name, starts=starts, holdout=holdout) + waves


def write_config(folder: Path, where: str = "age >= 0", hours: str | None = None) -> Path:
    """A configuration folder with one segment and one message on three channels."""
    for name in ("plans", "segments", "templates", "rules"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "customers.yaml").write_text(CUSTOMERS_YAML)
    segment = f"segment: everybody\ntitle: Everybody\nwhere: {where}\n"
    (folder / "segments" / "everybody.yaml").write_text(segment)
    (folder / "rules" / "hours.yaml").write_text(hours or hours_yaml())
    for name, text in TEMPLATES.items():
        (folder / "templates" / name).write_text(text)
    return folder


@dataclass(frozen=True)
class Person:
    """A customer for the ledger; an address is (channel, value), its consent granted unless said otherwise."""

    key: str
    addresses: tuple[tuple[str, str], ...] = ()
    age: int | None = 40
    value: float | None = 1.0
    tier: str | None = None
    household: str | None = None
    consent: Consent = Consent.GRANTED
    denied: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()
    zones: str = "Europe/London"
    jurisdictions: str = "GB"


def phone(number: int) -> str:
    """A reserved fictional US number, 0 to 9,999 of them."""
    return f"+1{201 + number // 100:03d}55501{number % 100:02d}"


def reachable(number: int, channels: Iterable[str] = ("web_push", "sms", "email", "call_list"), **more: Any) -> Person:
    """A person with an own address on each of the channels."""
    values = {
        "web_push": f"https://push.example.com/{number}",
        "email": f"c{number}@example.com",
        "sms": phone(number),
        "call_list": phone(number),
    }
    return Person(f"c{number}", tuple((name, values[name]) for name in channels), **more)


def zone_set(connection: Connection, zones: str, jurisdictions: str) -> int:
    """The id of this set of zones and jurisdictions, made when it is new."""
    z = t.zone_set.c
    known = select(z.id).where(z.zones == zones, z.jurisdictions == jurisdictions)
    make = insert(t.zone_set).values(zones=zones, jurisdictions=jurisdictions).returning(z.id)
    return int(connection.scalar(known) or connection.execute(make).scalar_one())


def put(ledger: Ledger, people: Iterable[Person], now: datetime = T0 - DAY) -> dict[str, int]:
    """Insert people as customers with profile and addresses; key to customer id."""
    people = list(people)
    profile = t.profile_table(TYPES)
    with ledger.write() as connection:
        declare_attributes(connection, TYPES)
        ids = {}
        for person in people:
            ids[person.key] = connection.execute(
                insert(t.customer)
                .values(
                    key=person.key,
                    name=f"Name of {person.key}",
                    household=person.household,
                    zone_set=zone_set(connection, person.zones, person.jurisdictions),
                    bucket=bucket_of(person.key),
                    imported_at=now,
                )
                .returning(t.customer.c.id)
            ).scalar_one()
            values = {"age": person.age, "value": person.value, "tier": person.tier}
            connection.execute(insert(profile).values(customer=ids[person.key], **values))
        owners: dict[tuple[str, str], set[str]] = {}
        for person in people:
            for place in person.addresses:
                owners.setdefault(place, set()).add(person.key)
        for person in people:
            for preference, (channel, value) in enumerate(person.addresses):
                connection.execute(
                    insert(t.address).values(
                        customer=ids[person.key],
                        channel=CHANNEL_CODES[channel],
                        value=value,
                        consent=int(Consent.DENIED if channel in person.denied else person.consent),
                        consent_source="test",
                        consent_at=now,
                        state=int(AddressState.DEAD if value in person.dead else AddressState.OK),
                        preference=preference,
                        shared=len(owners[(channel, value)]) > 1,
                    )
                )
    return ids


@dataclass
class World:
    """A room with a clock of its own: started campaigns, moved by hand."""

    room: Room
    config: Path
    now: datetime = T0
    sent_ids: int = field(default=0)

    @property
    def ledger(self) -> Ledger:
        return self.room.ledger

    def bundle(self, text: str) -> Bundle:
        """The checked bundle of a plan's text."""
        path = self.config / "plans" / "plan.yaml"
        path.write_text(text)
        return load_plan(path, self.config, CAPABILITIES)

    def forecast(self, text: str, now: datetime) -> starting.Forecast:
        """The dry run of a plan's text."""
        return starting.forecast(self.room, self.bundle(text), now)

    def start(self, text: str | None = None, now: datetime | None = None) -> str:
        """Approve and start a plan; its campaign's name."""
        bundle = self.bundle(text or plan_text())
        at = now or self.now
        with self.ledger.write() as connection:
            campaigns.approve(connection, bundle.plan.campaign, bundle.digest, "tester", at)
        starting.start(self.room, bundle, "tester", at)
        return bundle.plan.campaign

    def advance(self, now: datetime | None = None) -> list[campaign.Moved]:
        """Everything that is due, without Prefect."""
        self.now = now or self.now
        self.room.all_workers_gone = True
        upkeep(self.room, self.now)
        return list(campaign.advance(self.room, self.now, self._launch))

    @staticmethod
    def _launch(room: Room, name: str, wave: str, now: datetime) -> Balance | None:
        return live(room, name, wave, now, send_batch)

    def send_by(self, *senders: Sender) -> None:
        """From now on by these senders, as after a restart of the engine with another file of senders."""
        self.hang_up()
        room = self.room
        self.room = Room(room.settings, room.ledger, room.token_key, senders={one.sender: one for one in senders})

    def hang_up(self) -> None:
        """Close the channels that hold connections."""
        for channel in self.room._channels.values():
            if hasattr(channel, "close"):
                channel.close()

    def close(self) -> None:
        """Close the channels and the ledger."""
        self.hang_up()
        self.ledger.close()

    def outbox(self, channel: str) -> list[dict[str, Any]]:
        """Every line the outbox holds for a channel."""
        path = self.room.settings.home / "outbox" / f"{channel}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def touches(self, wave: str, **where: Any) -> list[Any]:
        """The touches of a wave with these column values, in order."""
        with self.ledger.read() as connection:
            query = select(t.touch, t.customer.c.key).join(t.wave, t.wave.c.id == t.touch.c.wave)
            query = query.join(t.customer, t.customer.c.id == t.touch.c.customer).where(t.wave.c.name == wave)
            for name, value in where.items():
                query = query.where(t.touch.c[name] == value)
            return list(connection.execute(query.order_by(t.touch.c.id)))

    def verdicts(self, wave: str) -> dict[str, int]:
        """Customer key to verdict of a wave."""
        with self.ledger.read() as connection:
            rows = connection.execute(
                select(t.customer.c.key, t.enrolment.c.verdict)
                .join(t.enrolment, t.enrolment.c.customer == t.customer.c.id)
                .join(t.wave, t.wave.c.id == t.enrolment.c.wave)
                .where(t.wave.c.name == wave)
            )
            return {row.key: row.verdict for row in rows}

    def report(self, touch: int, outcome: Outcome | Side, at: datetime | None = None, **more: Any) -> Recorded:
        """One report from a provider about a touch."""
        self.sent_ids += 1
        moment = at or self.now
        event = Event("", int(outcome), moment, "test", more.pop("ident", f"e{self.sent_ids}"), **more)
        with self.ledger.write() as connection:
            return record_events(connection, [(event, touch)], self.now)

    def called(self, touch: int, disposition: Disposition, at: datetime | None = None, call_id: str = "") -> Recorded:
        """One call reported for a touch."""
        self.sent_ids += 1
        call = Call(disposition, at or self.now, call_id or f"call{self.sent_ids}", "test", touch)
        with self.ledger.write() as connection:
            return record_calls(connection, [call], RULES, self.now)

    def pull(self, wave: str, size: int = 1000, name: str = "test", team: str = "north") -> Any:
        """Cut a dial list; one of the team's that is over and not returned is kept."""
        return pull(self.room, name, wave, team, "today", size, 8, "tester", self.now, keep_last=True)


def make_world(home: Path, url: str | None = None, where: str = "age >= 0", **settings: Any) -> World:
    """A fresh home over a new ledger with a simulated clock."""
    home.mkdir(parents=True, exist_ok=True)
    make_token_key(home)
    if url is None and not (home / "ledger.db").exists():
        (home / "ledger.db").write_bytes(blank_sqlite())
    options: Mapping[str, Any] = {"home": home, "database_url": url, **settings}
    chosen = Settings(**options)
    room = Room(chosen, create_ledger(chosen.url, simulated=True), read_token_key(chosen))
    return World(room, write_config(home / "config", where))
