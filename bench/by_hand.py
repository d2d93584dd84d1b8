"""The limit of the enrolment benchmarks: the two waves as a database administrator would write them for this campaign.

The SQL knows what the product must learn from the plan and the ledger: channels, goal, holdout, which outcomes enter
the second wave, both limits that bind, and that nobody of these customers was ever called. Both sides find the hours of
the four zone sets worked out. For each range of customers, in one transaction as the product has it: what was told
(suppressions), who converted, what was heard (outcomes), who was contacted lately and how far each address gets are
folded to one row a customer, each by one scan of an index range; joined, they give a temporary table of verdicts,
masks, hours and addresses, from which one INSERT writes the enrolments, one the touches, one the batches. SQLite folds
into temporary tables with a key (its joins need an index), PostgreSQL into materialized CTEs. One statement for the
whole wave, and data-modifying CTEs in place of the temporary table, were tried on both databases and are not faster.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from bench.world import NOW, micros
from ledger.store import Ledger
from waves.draw import BUCKETS, Draw, threshold

BATCH, RANGE = 1_000, 50_000
DAY_US = 86_400_000_000
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
                    SELECT 1 FROM member r
                    WHERE r.campaign = :campaign AND r.customer = o.customer AND r.arm = 0)) THEN 8
            ELSE 13 END * {step} - a.preference * {next} - a.id AS reach
    FROM address a WHERE a.customer > :low AND a.customer <= :high AND {plus}a.channel IN ({channels})
) AS place GROUP BY customer
"""
# Contacts of the last 7 and 14 days: what was sent, and what waits in campaigns that matter as much or more.
CONTACTED = """
SELECT t.customer, count(*) AS n14,
    sum(CASE WHEN t.state IN (0, 1) OR coalesce(t.sent_at, t.claimed_at) > :week THEN 1 ELSE 0 END) AS n7
FROM touch t WHERE t.customer > :low AND t.customer <= :high AND t.channel <> 4
    AND (t.state IN (2, 7) AND coalesce(t.sent_at, t.claimed_at) > :fortnight OR t.state = 1
        OR t.state = 0 AND t.not_after > :now AND t.wave IN (
            SELECT w.id FROM wave w JOIN campaign k ON k.id = w.campaign WHERE k.priority >= 50))
GROUP BY t.customer
"""
OTHERS = "SELECT customer FROM member WHERE campaign = 1000 AND customer > :low AND customer <= :high"
HOURS = """
SELECT s.zone_set AS customer, s.known, min(CASE WHEN w.opens < :now THEN :now ELSE w.opens END) AS hour
FROM legal_span s LEFT JOIN legal_window w ON w.rules = s.rules AND w.zone_set = s.zone_set AND w.kind = 1
    AND w.closes > :now AND w.opens < :released
WHERE s.rules = :rules GROUP BY s.zone_set, s.known
"""
# Engaged or missed: the outcomes of those parts, and without an outcome a refusal with nothing sent beside it.
ENTERED = """coalesce(CASE
    WHEN heard.outcome IS NOT NULL THEN heard.outcome IN (60, 65, 66, 69, 70, 90, 26, 27, 28, 29, 30, 32, 33, 35, 42)
    ELSE heard.went = 0 AND heard.refused = 1 END, false)"""
ASKED = """
SELECT m.customer, c.bucket, CASE WHEN met.customer IS NOT NULL THEN 1 WHEN m.arm = 1 THEN 2
        WHEN c.erased_at IS NOT NULL OR told.stopped = 1 THEN 3 WHEN told.open_case = 1 THEN 4
        WHEN NOT {entered} THEN 5 ELSE 0 END AS gate, hours.hour, {left_over} AS left_over,
    CASE WHEN NOT coalesce(hours.known, false) THEN 9 WHEN hours.hour IS NULL THEN 10
        WHEN {left_over} <= 0 THEN 11 ELSE 13 END AS timed, {reaches}
FROM member m JOIN customer c ON c.id = m.customer {joins} LEFT JOIN hours ON hours.customer = c.zone_set
WHERE m.campaign = :campaign AND m.customer > :low AND m.customer <= :high
    AND c.id > :low AND c.id <= :high ORDER BY m.customer {unflattened}
"""
FOUND = """
SELECT customer,
    CASE WHEN gate <> 0 THEN gate WHEN {furthest} < 13 THEN {furthest} WHEN timed < 13 THEN timed
        WHEN {held} THEN 12 ELSE 13 END AS verdict,
    CASE WHEN gate = 0 AND timed = 13 THEN {mask} ELSE 0 END AS channels, hour, {places}
FROM ({asked}) AS asked
"""
CHOSEN = """
SELECT customer, {c} AS channel, {pos} AS pos, place_{c} AS place, hour
FROM found WHERE verdict = 13 AND channels & {bit} <> 0 AND channels & {before} = 0
"""
ENROLMENTS = """
INSERT INTO enrolment (wave, customer, verdict, channels)
SELECT :wave, customer, verdict, channels FROM found ORDER BY customer
"""
TOUCHES = """
INSERT INTO touch (wave, customer, channel, batch, address, variant, state, not_before, not_after)
SELECT :wave, customer, channel,
    :base + pos * 2 * {room} + (row_number() OVER (PARTITION BY pos ORDER BY hour, customer) - 1) / {batch},
    place % {next}, 0, 0, hour, :released
FROM ({chosen}) AS chosen ORDER BY pos, hour, customer
"""
BATCHES = """
INSERT INTO batch (id, wave, channel, due)
SELECT batch, wave, channel, min(not_before) FROM touch WHERE batch >= :base GROUP BY batch, wave, channel
"""


@dataclass(frozen=True, slots=True)
class Wave:
    """One of the campaign's two waves, as the SQL needs it."""

    id: int
    campaign: int
    groups: tuple[tuple[int, ...], ...]
    opened: int
    released: int
    rules: int
    before: int | None = None
    holdout: Draw | None = None

    @property
    def channels(self) -> tuple[int, ...]:
        return tuple(code for group in self.groups for code in group)


def enrol_by_hand(ledger: Ledger, wave: Wave, members: int) -> None:
    """Every verdict, touch and batch of the wave for customers 1 to `members`, a range a transaction."""
    statements = _statements(wave, ledger.dialect == "postgresql")
    times = {"now": wave.opened, "since": micros(NOW), "released": wave.released, "rules": wave.rules}
    times |= {"week": wave.opened - 7 * DAY_US, "fortnight": wave.opened - 14 * DAY_US}
    for low in range(0, members, RANGE):
        with ledger.write() as connection:
            base = 1 + (connection.scalar(text("SELECT max(id) FROM batch")) or 0)
            ids = {
                "wave": wave.id,
                "campaign": wave.campaign,
                "before": wave.before,
                "base": base,
                "low": low,
                "high": min(low + RANGE, members),
            }
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
        "contacted": ["n14", "n7"],
        "others": [],
        "hours": ["known", "hour"],
        "found": ["verdict", "channels", "hour", *[f"place_{c}" for c in wave.channels]],
    }[name]
    return ", ".join(["customer INTEGER PRIMARY KEY", *rest])


def _folds(wave: Wave, postgresql: bool) -> dict[str, str]:
    plus = "" if postgresql else "+"  # keeps SQLite from the index on value, or on channel, for a range of customers
    stopped = ", ".join(f"max(CASE WHEN channel = {c} THEN 1 ELSE 0 END) AS stopped_{c}" for c in wave.channels)
    best = ", ".join(f"max(CASE WHEN channel = {c} THEN reach END) AS best_{c}" for c in wave.channels)
    channels = ", ".join(map(str, wave.channels))
    folds = {"told": TOLD.format(plus=plus, stopped_on=stopped), "met": MET, "contacted": CONTACTED, "others": OTHERS}
    folds["hours"] = HOURS
    if wave.before is not None:
        folds["heard"] = HEARD
    big = (f"CAST({STEP} AS bigint)", f"CAST({NEXT} AS bigint)") if postgresql else (STEP, NEXT)
    folds["best"] = BEST.format(plus=plus, best_on=best, channels=channels, step=big[0], next=big[1])
    return folds


def _found(wave: Wave, folds: list[str], postgresql: bool) -> str:
    least = "least" if postgresql else "min"
    reaches = ", ".join(
        f"CASE WHEN told.stopped_{c} = 1 AND best.best_{c} > {6 * STEP} THEN {7 * STEP} "
        f"ELSE coalesce(best.best_{c}, {6 * STEP}) END AS reach_{c}"
        for c in wave.channels
    )
    groups = len(wave.groups)
    theirs = "CASE WHEN others.customer IS NULL THEN 99 ELSE 2 - coalesce(contacted.n14, 0) END"
    left = f"{least}({groups}, 3 - coalesce(contacted.n7, 0), {theirs})"
    asked = ASKED.format(
        left_over=left,
        entered="true" if wave.before is None else ENTERED,
        reaches=reaches,
        joins=" ".join(f"LEFT JOIN {name} ON {name}.customer = m.customer" for name in folds if name != "hours"),
        unflattened="" if postgresql else "LIMIT -1",  # SQLite would else work each reach out wherever it is named
    )
    each = ", ".join(f"reach_{c}" for c in wave.channels)
    draw = wave.holdout
    return FOUND.format(
        furthest=f"({'greatest' if postgresql else 'max'}({each}) + {STEP - 1}) / {STEP}",
        held=f"(bucket * {draw.a} + {draw.b}) % {BUCKETS} < {threshold(0.05)}" if draw else "false",
        mask=_mask(wave),
        places=", ".join(f"{13 * STEP} - reach_{c} AS place_{c}" for c in wave.channels),
        asked=asked,
    )


def _mask(wave: Wave) -> str:
    """The channels that passed, of several groups the first ones only as far as the contacts left go."""
    bits = [
        "(" + " + ".join(f"CASE WHEN reach_{c} > {12 * STEP} THEN {1 << c} ELSE 0 END" for c in group) + ")"
        for group in wave.groups
    ]
    taken = ["0", *[f"(CASE WHEN {bit} > 0 THEN 1 ELSE 0 END)" for bit in bits[:-1]]]
    return " + ".join(f"CASE WHEN {n} < left_over THEN {bit} ELSE 0 END" for n, bit in zip(taken, bits, strict=True))


def _chosen(wave: Wave) -> str:
    parts: list[str] = []
    for group in wave.groups:
        before = 0
        for c in group:
            parts.append(CHOSEN.format(c=c, pos=len(parts), bit=1 << c, before=before))
            before |= 1 << c
    return " UNION ALL ".join(parts)
