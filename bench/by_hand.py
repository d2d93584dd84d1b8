"""The limit of the enrolment benchmarks: the two waves as a database administrator would write them for this campaign.

The SQL knows what the product must learn from the plan: channels, goal, holdout, which outcomes enter the second wave.
For each range of customers, in one transaction as the product has it: what was told (suppressions), who converted,
what was heard (outcomes) and how far each address gets are folded to one row a customer, each by one scan of an index
range; joined, they give a temporary table of verdicts, masks and addresses, from which one INSERT writes the
enrolments, one the touches, one the batches. SQLite folds into temporary tables with a key (its joins need an index),
PostgreSQL into materialized CTEs. One statement for the whole wave, and data-modifying CTEs in place of the temporary
table, were tried on both databases and are not faster.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from bench.world import NOW, micros
from ledger.store import Ledger
from waves.draw import BUCKETS, Draw, threshold

BATCH, RANGE = 1_000, 50_000
STEP, NEXT = 1 << 55, 1 << 40  # gate * STEP - preference * NEXT - id: the maximum is the furthest and best address

TOLD = """
SELECT customer, max(CASE WHEN channel = 0 AND reason <> 'open_case' THEN 1 ELSE 0 END) AS stopped,
    max(CASE WHEN channel = 0 AND reason = 'open_case' THEN 1 ELSE 0 END) AS open_case, {stopped_on}
FROM suppression
WHERE customer > :low AND customer <= :high AND {plus}value IS NULL AND (until IS NULL OR until > :now)
GROUP BY customer
"""
MET = """
SELECT DISTINCT customer FROM conversion
WHERE customer > :low AND customer <= :high AND goal = 'renewed' AND at >= :since AND reversed_at IS NULL
"""
HEARD = """
SELECT customer, max(outcome) AS outcome, max(CASE WHEN state IN (2, 3, 7) THEN 1 ELSE 0 END) AS went,
    max(CASE WHEN state = 4 THEN 1 ELSE 0 END) AS refused
FROM touch WHERE wave = :before AND customer > :low AND customer <= :high GROUP BY customer
"""
BEST = """
SELECT customer, {best_on} FROM (
    SELECT a.customer, a.channel, CASE
            WHEN a.state >= 2 THEN 6
            WHEN a.consent <> 1 OR EXISTS (
                SELECT 1 FROM suppression s WHERE s.value = a.value AND s.channel IN (0, a.channel)
                AND (s.until IS NULL OR s.until > :now)) THEN 7
            WHEN a.shared AND EXISTS (
                SELECT 1 FROM address o WHERE o.channel = a.channel AND o.value = a.value AND o.customer < a.customer
                AND o.state < 2 AND o.consent = 1 AND EXISTS (
                    SELECT 1 FROM member r WHERE r.campaign = 1 AND r.customer = o.customer AND r.arm = 0)) THEN 8
            ELSE 13 END * {step} - a.preference * {next} - a.id AS reach
    FROM address a WHERE a.customer > :low AND a.customer <= :high AND {plus}a.channel IN ({channels})
) AS place GROUP BY customer
"""
# Engaged or missed: the outcomes of those parts, and without an outcome a refusal with nothing sent beside it.
ENTERED = """coalesce(CASE
    WHEN heard.outcome IS NOT NULL THEN heard.outcome IN (60, 65, 66, 69, 70, 90, 26, 27, 28, 29, 30, 32, 33, 35, 42)
    ELSE heard.went = 0 AND heard.refused = 1 END, false)"""
ASKED = """
SELECT m.customer, c.bucket, CASE WHEN met.customer IS NOT NULL THEN 1 WHEN m.arm = 1 THEN 2
        WHEN c.erased_at IS NOT NULL OR told.stopped = 1 THEN 3 WHEN told.open_case = 1 THEN 4
        WHEN NOT {entered} THEN 5 ELSE 0 END AS gate, {reaches}
FROM member m JOIN customer c ON c.id = m.customer {joins}
WHERE m.campaign = 1 AND m.customer > :low AND m.customer <= :high
    AND c.id > :low AND c.id <= :high ORDER BY m.customer {unflattened}
"""
FOUND = """
SELECT customer,
    CASE WHEN gate <> 0 THEN gate WHEN {furthest} < 13 THEN {furthest} WHEN {held} THEN 12 ELSE 13 END AS verdict,
    CASE WHEN gate = 0 THEN {mask} ELSE 0 END AS channels, {places}
FROM ({asked}) AS asked
"""
CHOSEN = """
SELECT customer, {c} AS channel, {pos} AS pos, place_{c} AS place
FROM found WHERE verdict = 13 AND channels & {bit} <> 0 AND channels & {before} = 0
"""
ENROLMENTS = """
INSERT INTO enrolment (wave, customer, verdict, channels)
SELECT :wave, customer, verdict, channels FROM found ORDER BY customer
"""
TOUCHES = """
INSERT INTO touch (wave, customer, channel, batch, address, variant, state, not_before, not_after)
SELECT :wave, customer, channel,
    :base + pos * {room} + (row_number() OVER (PARTITION BY pos ORDER BY customer) - 1) / {batch},
    place % {next}, 0, 0, :now, :released
FROM ({chosen}) AS chosen ORDER BY pos, customer
"""
BATCHES = """
INSERT INTO batch (id, wave, channel, due)
SELECT batch, wave, channel, min(not_before) FROM touch WHERE batch >= :base GROUP BY batch, wave, channel
"""


@dataclass(frozen=True, slots=True)
class Wave:
    """One of the campaign's two waves, as the SQL needs it."""

    id: int
    groups: tuple[tuple[int, ...], ...]
    opened: int
    released: int
    before: int | None = None
    holdout: Draw | None = None

    @property
    def channels(self) -> tuple[int, ...]:
        return tuple(code for group in self.groups for code in group)


def enrol_by_hand(ledger: Ledger, wave: Wave, members: int) -> None:
    """Every verdict, touch and batch of the wave for customers 1 to `members`, a range a transaction."""
    statements = _statements(wave, ledger.dialect == "postgresql")
    times = {"now": wave.opened, "since": micros(NOW), "released": wave.released}
    for low in range(0, members, RANGE):
        with ledger.write() as connection:
            base = 1 + (connection.scalar(text("SELECT max(id) FROM batch")) or 0)
            ids = {"wave": wave.id, "before": wave.before, "base": base, "low": low, "high": min(low + RANGE, members)}
            for statement in statements:
                known = {name: value for name, value in (times | ids).items() if f":{name}" in statement}
                connection.execute(text(statement), known)


def _statements(wave: Wave, postgresql: bool) -> list[str]:
    folds = _folds(wave, postgresql)
    found = _found(wave, list(folds), postgresql)
    laid = [ENROLMENTS, TOUCHES.format(room=RANGE // BATCH + 2, batch=BATCH, next=NEXT, chosen=_chosen(wave)), BATCHES]
    if postgresql:
        listed = ", ".join(f"{name} AS MATERIALIZED ({query})" for name, query in folds.items())
        return [f"CREATE TEMP TABLE found ON COMMIT DROP AS WITH {listed} {found}", *laid]
    tables = folds | {"found": found}
    made = [
        statement
        for name, query in tables.items()
        for statement in (f"CREATE TEMP TABLE {name} ({_columns(name, wave)})", f"INSERT INTO {name} {query}")
    ]
    return [*made, *laid, *[f"DROP TABLE {name}" for name in tables]]


def _columns(name: str, wave: Wave) -> str:
    rest = {
        "told": ["stopped", "open_case", *[f"stopped_{c}" for c in wave.channels]],
        "met": [],
        "heard": ["outcome", "went", "refused"],
        "best": [f"best_{c}" for c in wave.channels],
        "found": ["verdict", "channels", *[f"place_{c}" for c in wave.channels]],
    }[name]
    return ", ".join(["customer INTEGER PRIMARY KEY", *rest])


def _folds(wave: Wave, postgresql: bool) -> dict[str, str]:
    plus = "" if postgresql else "+"  # keeps SQLite from the index on value, or on channel, for a range of customers
    stopped = ", ".join(f"max(CASE WHEN channel = {c} THEN 1 ELSE 0 END) AS stopped_{c}" for c in wave.channels)
    best = ", ".join(f"max(CASE WHEN channel = {c} THEN reach END) AS best_{c}" for c in wave.channels)
    channels = ", ".join(map(str, wave.channels))
    folds = {"told": TOLD.format(plus=plus, stopped_on=stopped), "met": MET}
    if wave.before is not None:
        folds["heard"] = HEARD
    big = (f"CAST({STEP} AS bigint)", f"CAST({NEXT} AS bigint)") if postgresql else (STEP, NEXT)
    folds["best"] = BEST.format(plus=plus, best_on=best, channels=channels, step=big[0], next=big[1])
    return folds


def _found(wave: Wave, folds: list[str], postgresql: bool) -> str:
    reaches = ", ".join(
        f"CASE WHEN told.stopped_{c} = 1 AND best.best_{c} > {6 * STEP} THEN {7 * STEP} "
        f"ELSE coalesce(best.best_{c}, {6 * STEP}) END AS reach_{c}"
        for c in wave.channels
    )
    asked = ASKED.format(
        entered="true" if wave.before is None else ENTERED,
        reaches=reaches,
        joins=" ".join(f"LEFT JOIN {name} ON {name}.customer = m.customer" for name in folds),
        unflattened="" if postgresql else "LIMIT -1",  # SQLite would else work each reach out wherever it is named
    )
    each = ", ".join(f"reach_{c}" for c in wave.channels)
    draw = wave.holdout
    return FOUND.format(
        furthest=f"({'greatest' if postgresql else 'max'}({each}) + {STEP - 1}) / {STEP}",
        held=f"(bucket * {draw.a} + {draw.b}) % {BUCKETS} < {threshold(0.05)}" if draw else "false",
        mask=" + ".join(f"CASE WHEN reach_{c} > {12 * STEP} THEN {1 << c} ELSE 0 END" for c in wave.channels),
        places=", ".join(f"{13 * STEP} - reach_{c} AS place_{c}" for c in wave.channels),
        asked=asked,
    )


def _chosen(wave: Wave) -> str:
    parts: list[str] = []
    for group in wave.groups:
        before = 0
        for c in group:
            parts.append(CHOSEN.format(c=c, pos=len(parts), bit=1 << c, before=before))
            before |= 1 << c
    return " UNION ALL ".join(parts)
