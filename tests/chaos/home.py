"""The home of a chaos run: a ledger on the real clock, customers put in by SQL, a started campaign, `http` senders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from channels.registry import CAPABILITIES
from config.loading import load_plan
from config.settings import Settings
from flows import starting
from flows.room import Room, make_token_key, read_token_key
from ledger import campaigns
from ledger.attributes import declare_attributes
from ledger.store import create_ledger
from ledger.types import EPOCH, MICROSECOND
from tests.builders import TYPES, plan_text, write_config
from tests.chaos.rig import SECRET
from waves.draw import BUCKETS

CAMPAIGN, WAVE = "chaos", "notice"
BOTH = "[sms, email]"
FIRST = "[{first_of: [sms, email]}]"
WAVES = "  - {{wave: notice, channels: {channels}, message: hello, release: 2h, listen: 2h}}\n"
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < :people)"
PEOPLE = (
    "INSERT INTO zone_set (id, zones, jurisdictions) VALUES (1, 'Europe/London', 'GB')",
    f"""INSERT INTO customer (key, name, language, bucket, zone_set, imported_at)
        {NUMBERS} SELECT 'c' || i, 'Customer ' || i, 'en', (i * 742938285 + 12345) % {BUCKETS}, 1, :at FROM n""",
    f"INSERT INTO profile (customer, age, value) {NUMBERS} SELECT i, 40, 1.0 FROM n",
    f"""INSERT INTO address (customer, channel, value, consent, consent_source, consent_at, state, preference, shared)
        {NUMBERS}, way(channel, before, after) AS (VALUES (2, '+1', ''), (3, 'c', '@example.com'))
        SELECT i, channel, before || CASE WHEN channel = 2 THEN 2015550000 + i ELSE i END || after,
            1, 'crm', :at, 0, channel, false FROM n CROSS JOIN way""",
)
SENDER = """\
{name}:
  channel: {channel}
  provider: http
  timeout: 3s
  breaker: {{failures: 99%, of: 100000, pause: 1s}}
  http: {{url: "{url}/messages", status_url: "{url}/status", secret_env: {secret_env}, messages: {messages}}}
"""
WAYS = (("bulk_sms", "sms", 50), ("single_mail", "email", 1))
"""Sender, channel, messages in one request."""


@dataclass(frozen=True)
class Home:
    """A home and what its workers' environment says."""

    folder: Path
    url: str
    environment: dict[str, str]
    batch: int

    def room(self) -> Room:
        """A room of the harness's own."""
        options = {"home": self.folder, "database_url": self.url}
        settings = Settings(**options)  # type: ignore[arg-type]
        return Room(settings, create_ledger(settings.url), read_token_key(settings))


def make_home(folder: Path, url: str, sink: str, secret_env: str, people: int, channels: str, batch: int) -> Home:
    """Everything up to the start: the workers find a campaign that is due to open."""
    folder.mkdir(parents=True)
    make_token_key(folder)
    environment = {
        secret_env: SECRET,  # a fork server that others began earlier has their environment
        "MULTIWAVE_DATABASE_URL": url,
        "MULTIWAVE_LEASE": "10s",
        "MULTIWAVE_BATCH_SIZE": str(batch),
        "MULTIWAVE_ENROL_RANGE": str(people // 4),
    }
    home = Home(folder, url, environment, batch)
    room = home.room()
    now = room.ledger.now()
    config = write_config(folder / "config")
    given = {"url": sink, "secret_env": secret_env}
    texts = [SENDER.format(name=name, channel=channel, messages=n, **given) for name, channel, n in WAYS]
    (config / "senders.yaml").write_text("".join(texts))
    (config / "plans" / "chaos.yaml").write_text(plan_text(WAVES.format(channels=channels), CAMPAIGN, starts=now))
    _fill(room, people, now - timedelta(days=1))
    bundle = load_plan(config / "plans" / "chaos.yaml", config, CAPABILITIES)
    with room.ledger.write() as connection:
        campaigns.approve(connection, bundle.plan.campaign, bundle.digest, "chaos", now)
    starting.start(room, bundle, "chaos", now)
    with room.ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    room.ledger.close()
    return home


def _fill(room: Room, people: int, at: datetime) -> None:
    given = {"people": people, "at": (at - EPOCH) // MICROSECOND}
    with room.ledger.write() as connection:
        declare_attributes(connection, TYPES)
        for statement in PEOPLE:
            connection.execute(text(statement), {name: n for name, n in given.items() if f":{name}" in statement})
