"""A made-up ledger of any size for the benchmarks of set work: customers, addresses, suppressions, conversions.

Everything is drawn by arithmetic on the customer's number, in SQL that both databases take as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from ledger.attributes import declare_attributes
from ledger.store import Ledger
from ledger.types import EPOCH, MICROSECOND
from waves.draw import BUCKETS

TYPES = {"age": "integer", "value": "number"}
NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CHUNK = 50_000


def micros(moment: datetime) -> int:
    """The moment as the ledger stores it."""
    return (moment - EPOCH) // MICROSECOND


def _drawn(number: str, lottery: int) -> str:
    """SQL for the customer's ticket of a lottery, 0 to 999."""
    return f"((({number}) * {48_271 + 2 * lottery} + {lottery * 7_919_311}) % {BUCKETS} % 1000)"


NUMBERS = """
WITH RECURSIVE n(i) AS (
    SELECT CAST(:low AS bigint) + 1 UNION ALL SELECT i + 1 FROM n WHERE i < :high
)
"""

# One zone set in London, one in New York, one that may be either side of a border between zones, one unknown.
ZONES = """
INSERT INTO zone_set (id, zones, jurisdictions) VALUES
(1, 'Europe/London', 'GB'), (2, 'America/New_York', 'US US-NY'),
(3, 'America/Chicago America/New_York', 'US'), (4, '', '')
"""

CUSTOMERS = f"""
INSERT INTO customer (key, name, language, bucket, zone_set, imported_at)
{NUMBERS}
SELECT 'c' || i, 'Customer ' || i, 'en', (i * 742938285 + 12345) % {BUCKETS},
    CASE WHEN i % 20 < 10 THEN 1 WHEN i % 20 < 16 THEN 2 WHEN i % 20 < 19 THEN 3 ELSE 4 END, :at FROM n
"""

# Another campaign under way, with a limit of its own: a third of the customers, most of whom it wrote to last week.
RIVAL = """
INSERT INTO campaign (id, name, title, bundle, digest, hours_digest, state, priority, goal, goal_dispositions,
    started_at, started_by, limit_contacts, limit_within_us)
VALUES (1000, 'rival', 'A rival', '{}', '', '', 'running', 50, 'bought', '', :at, 'bench', 2, 1209600000000);
INSERT INTO wave (id, campaign, seq, name, state, channels, holdout_stops, enrolled_to)
VALUES (1000, 1000, 1, 'hello', 'closed', '[[2]]', false, 0);
INSERT INTO wave (id, campaign, seq, name, state, channels, holdout_stops, enrolled_to)
VALUES (1001, 1000, 2, 'again', 'open', '[[3]]', false, 0)
"""
RIVAL_MEMBERS = f"""
INSERT INTO member (campaign, customer, arm) {NUMBERS} SELECT 1000, i, 0 FROM n WHERE i % 3 = 0
"""
RIVAL_TOUCHES = f"""
INSERT INTO touch (wave, customer, channel, address, variant, state, not_before, not_after, sent_at)
{NUMBERS}
SELECT 1000, i, 2, 1, 0, 2, :at, :during, :lately FROM n WHERE i % 3 = 0 AND {_drawn("i", 41)} < 600
UNION ALL SELECT 1001, i, 3, 1, 0, 0, :during, :ahead, NULL FROM n WHERE i % 3 = 0 AND {_drawn("i", 42)} < 300
"""

PROFILES = f"""
INSERT INTO profile (customer, age, value)
{NUMBERS}
SELECT i, 18 + {_drawn("i", 1)} % 70, {_drawn("i", 2)} / 4.0 FROM n
"""

# web_push for 40 %, a mobile for 85 % (a second one for 5 %), e-mail for 70 %; 80 % of them with a granted consent.
# Two customers in fifty share their mobile. Slots 1 to 4 keep the rows of one customer together, as an import does.
ADDRESSES = f"""
INSERT INTO address (customer, channel, value, consent, consent_source, consent_at, state, preference, shared)
{NUMBERS}, slot(s, channel, share) AS (VALUES (1, 1, 400), (2, 2, 850), (3, 2, 50), (4, 3, 700))
SELECT i, channel,
    CASE WHEN s = 2 AND i % 50 < 2 THEN 'shared ' || (i / 50) ELSE 'address ' || s || ' of ' || i END,
    CASE WHEN {_drawn("i + s", 7)} < 800 THEN 1 WHEN {_drawn("i + s", 7)} < 900 THEN 0 ELSE 2 END,
    'crm', :at,
    CASE WHEN {_drawn("i + s", 11)} < 960 THEN 0 WHEN {_drawn("i + s", 11)} < 970 THEN 1
         WHEN {_drawn("i + s", 11)} < 985 THEN 2 ELSE 3 END,
    s, s = 2 AND i % 50 < 2
FROM n CROSS JOIN slot WHERE {_drawn("i * 5 + s", 3)} < share ORDER BY i, s
"""

SUPPRESSIONS = f"""
INSERT INTO suppression (customer, channel, value, reason, source, since, until)
{NUMBERS}
SELECT i, 0, CAST(NULL AS text), 'stop', 'bench', :at, CAST(NULL AS bigint) FROM n WHERE {_drawn("i", 21)} < 20
UNION ALL SELECT i, 0, NULL, 'open_case', 'bench', :at, NULL FROM n WHERE {_drawn("i", 22)} < 5
UNION ALL SELECT i, 0, NULL, 'rest', 'bench', :at, :past FROM n WHERE {_drawn("i", 23)} < 5
UNION ALL SELECT i, 2, NULL, 'stop', 'bench', :at, NULL FROM n WHERE {_drawn("i", 24)} < 10
UNION ALL SELECT NULL, 3, 'address 4 of ' || i, 'complaint', 'bench', :at, NULL FROM n WHERE {_drawn("i", 25)} < 10
"""

CONVERSIONS = f"""
INSERT INTO conversion (customer, goal, at, source, source_id, reversed_at)
{NUMBERS}
SELECT i, 'renewed', CASE WHEN {_drawn("i", 32)} < 700 THEN :during ELSE :at END, 'bench', 'sale ' || i,
    CASE WHEN {_drawn("i", 33)} < 50 THEN :during END
FROM n WHERE {_drawn("i", 31)} < 40
"""


EACH = (CUSTOMERS, PROFILES, ADDRESSES, SUPPRESSIONS, CONVERSIONS, RIVAL_MEMBERS, RIVAL_TOUCHES)


def populate(ledger: Ledger, n: int) -> None:
    """Fill an empty ledger with `n` customers and what is known of them."""
    times = {"at": micros(NOW - 30 * DAY), "past": micros(NOW - DAY), "during": micros(NOW)}
    times |= {"lately": micros(NOW - 5 * DAY), "ahead": micros(NOW + 9 * DAY)}
    with ledger.write() as connection:
        declare_attributes(connection, TYPES)
        for statement in (ZONES, *RIVAL.split(";")):
            connection.execute(text(statement), {"at": times["at"]} if ":at" in statement else {})
    for low in range(0, n, CHUNK):
        span = {"low": low, "high": min(low + CHUNK, n)}
        with ledger.write() as connection:
            for statement in EACH:
                wanted = {name: value for name, value in (times | span).items() if f":{name}" in statement}
                connection.execute(text(statement), wanted)
    settle(ledger)


def settle(ledger: Ledger) -> None:
    """Fresh statistics, and on PostgreSQL the visibility map that autovacuum would have made by now."""
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if ledger.dialect == "postgresql" else "ANALYZE")


def counts(connection: Connection, wave: int) -> list[tuple[object, ...]]:
    """All that an enrolment writes, folded: verdicts and masks, touches with their addresses, batches.

    Of batches what must hold wherever the ranges of an enrolment end: each touch is in one of its channel that is due
    with its first, and none is overfull.
    """
    found: list[tuple[object, ...]] = []
    for statement in (
        "SELECT verdict, channels, count(*), sum(customer) FROM enrolment WHERE wave = :wave "
        "GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT channel, variant, state, not_before, not_after, count(*), sum(customer), sum(address) "
        "FROM touch WHERE wave = :wave GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
        "SELECT b.channel, sum(b.n), sum(CASE WHEN b.n > 1000 OR b.due <> b.first THEN 1 ELSE 0 END) FROM ("
        "SELECT b.id, b.channel, b.due, count(*) AS n, min(t.not_before) AS first FROM batch b "
        "JOIN touch t ON t.batch = b.id AND t.channel = b.channel WHERE b.wave = :wave AND b.done_at IS NULL "
        "GROUP BY b.id, b.channel, b.due) AS b GROUP BY b.channel ORDER BY b.channel",
    ):
        found += [tuple(map(str, row)) for row in connection.execute(text(statement), {"wave": wave})]
    return found
