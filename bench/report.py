"""The numbers of one wave's report at a million members, against one statement by hand over the same rows.

The rate counts members. The wave wrote two messages to most of them, half of which came back with one or two reports;
conversions and refunds are among them. By hand it is known that the wave made no calls.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, text

from bench.campaign import FIRST, SECOND_OPENS, answer, enrol, open_room, opened, start_campaign
from bench.databases import Database, both
from bench.race import compare
from bench.world import NOW, micros, populate, settle
from flows.running import load_running
from ledger.report import COUNTS, WaveCounts, count_wave
from ledger.report_rows import Lens, OpenedWave, opened_waves
from ledger.store import create_ledger
from waves.outcomes import Part, Verdict, word

ROUNDS = 3
EVENTS = """
INSERT INTO event (provider, provider_event_id, touch, outcome, action, at, received_at, raw)
SELECT 'bench', 'd' || id, id, 40, 0, :now, :now, '' FROM touch WHERE wave = :wave AND outcome IN (40, 60, 70, 68)
UNION ALL SELECT 'bench', 'o' || id, id, outcome, 0, :now, :now, '' FROM touch WHERE wave = :wave AND outcome <> 40
"""
BY_HAND = """
WITH said AS {materialized} (
    SELECT touch, max(CASE WHEN outcome <= 90 THEN outcome END) AS heard,
        max(CASE WHEN outcome <= 90 AND id <= :mark THEN outcome END) AS early,
        max(CASE WHEN id <= :mark THEN 1 ELSE 0 END) AS proof_early,
        max(CASE WHEN outcome IN (1001, 1002) OR action = 2 THEN 1 ELSE 0 END) AS stop
    FROM event WHERE received_at <= :as_of AND touch IS NOT NULL GROUP BY touch
), each_touch AS (
    SELECT t.customer, t.state, t.cost, s.heard, s.early, coalesce(s.stop, 0) AS stop,
        CASE WHEN s.touch IS NOT NULL OR t.state IN (2, 7) AND t.sent_at <= :as_of THEN 1 ELSE 0 END AS sent,
        CASE WHEN coalesce(s.proof_early, 0) = 1 OR t.state IN (2, 7) AND t.sent_at <= :as_of THEN 1 ELSE 0 END
            AS sent_early
    FROM touch t LEFT JOIN said s ON s.touch = t.id WHERE t.wave = :wave
), person AS (
    SELECT customer,
        max(CASE WHEN early IN {answered} THEN 3 WHEN early IN {arrived} THEN 2 ELSE sent_early END) AS level,
        max(CASE WHEN heard IN {answered} THEN 3 WHEN heard IN {arrived} THEN 2 ELSE sent END) AS by_now,
        max(CASE WHEN early IS NOT NULL THEN early * 8 WHEN sent_early = 1 AND state = 7 THEN 4
            WHEN sent_early = 1 THEN 3 WHEN state = 4 THEN 1 ELSE 0 END) AS code,
        max(heard) AS heard, max(stop) AS stop, sum(sent) AS touches,
        sum(CASE WHEN sent = 1 THEN cost END) AS cost,
        sum(CASE WHEN sent = 1 AND cost IS NULL THEN 1 ELSE 0 END) AS free
    FROM each_touch GROUP BY customer
), bought AS (
    SELECT customer, min(at) AS at FROM conversion
    WHERE goal = 'renewed' AND at >= :opened AND at < :until AND at <= :as_of AND source <> 'call'
        AND (reversed_at IS NULL OR reversed_at > :as_of) GROUP BY customer
)
SELECT e.verdict, p.code, count(*), {sums}
FROM enrolment e LEFT JOIN person p ON p.customer = e.customer LEFT JOIN bought b ON b.customer = e.customer
WHERE e.wave = :wave GROUP BY e.verdict, p.code
"""
SUMS = {
    "sent": "p.level >= 1",
    "delivered": "p.level >= 2",
    "reached": "p.level >= 3",
    "sent_by_now": "p.by_now >= 1",
    "delivered_by_now": "p.by_now >= 2",
    "reached_by_now": "p.by_now >= 3",
    "engaged_by_now": "p.heard IN (60, 65, 66, 69, 70, 90)",
    "opted_out": "p.stop = 1",
    "converted": "b.customer IS NOT NULL",
}
ENGAGED = (60, 65, 66, 69, 70, 90)


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases."""
    members = max(1_000, round(1_000_000 * scale))
    with both() as databases:
        return [report_on(database, members) for database in databases]


def report_on(database: Database, members: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """The row of one database; RuntimeError when the two sides did not count the same."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        ledger = create_ledger(database.make("base"), simulated=True)
        populate(ledger, members)
        room = open_room(Path(home), ledger)
        start_campaign(room)
        enrol(room, opened(room, FIRST), FIRST)
        answer(room)
        wave_id = load_running(ledger, "bench").row(FIRST).id
        with ledger.write() as connection:
            connection.execute(text(EVENTS), {"wave": wave_id, "now": micros(NOW)})
        settle(ledger)
        seconds: list[list[float]] = [[], []]
        for _ in range(rounds):
            with ledger.read() as connection:
                running = load_running(ledger, "bench")
                wave = opened_waves(connection, running.id, SECOND_OPENS)[0]
                lens = Lens("renewed", running.plan.goal.within, SECOND_OPENS, {})
                began = time.perf_counter()
                ours = count_wave(connection, wave, lens)
                between = time.perf_counter()
                hand = by_hand(connection, wave, lens, ledger.dialect == "postgresql")
                seconds[0].append(between - began)
                seconds[1].append(time.perf_counter() - between)
            compare(told(ours), hand)
        ledger.close()
        database.drop("base")
    best, limit = min(seconds[0]), min(seconds[1])
    print(f"report on {database.name}: {best:.2f} s, by hand {limit:.2f} s", file=sys.stderr)
    return {"database": database.name, "n": members, "rate": members / best, "limit_rate": members / limit}


def told(counted: WaveCounts) -> list[object]:
    """The numbers that both sides give, in one order."""
    counts = [counted.counts[name] for name in COUNTS if name != "right_party"]
    worth = [(one.held_out, one.currency, one.conversions, one.reversed) for one in counted.worth]
    arms = [counted.treated.assigned, counted.treated.converted, counted.held_out.assigned, counted.held_out.converted]
    return [counted.members, *counts, *arms, sorted(counted.parts.items()), sorted(counted.verdicts.items()), worth]


def by_hand(connection: Connection, wave: OpenedWave, lens: Lens, postgresql: bool) -> list[object]:
    """The same numbers by two statements, as a database administrator would write them for this wave."""
    sums = ", ".join(f"sum(CASE WHEN {test} THEN 1 ELSE 0 END)" for test in SUMS.values())
    statement = BY_HAND.format(
        materialized="MATERIALIZED" if postgresql else "",
        answered=(60, 65, 66, 68, 69, 70, 90),
        arrived=(40, 45, 50, 55),
        sums=f"{sums}, sum(p.touches), sum(p.free)",
    )
    times = {
        "wave": wave.id,
        "mark": wave.mark or 1 << 60,
        "as_of": micros(lens.as_of),
        "opened": micros(wave.opened),
        "until": micros(wave.opened + lens.within),
    }
    rows = connection.execute(text(statement), times).all()
    went, held = int(Verdict.GO), int(Verdict.WAVE_HELD_OUT)
    names = (*SUMS, "touches", "uncosted")
    total = {name: sum(row[3 + at] or 0 for row in rows) for at, name in enumerate(names)}
    parts: dict[str, int] = {}
    for row in rows:
        if row[0] == went:
            parts[_part(row[1] or 0)] = parts.get(_part(row[1] or 0), 0) + row[2]
    sizes = {verdict: sum(row[2] for row in rows if row[0] == verdict) for verdict in {row[0] for row in rows}}
    total |= {"treated": sizes[went], "held_out": sizes.get(held, 0), "engaged": parts.get("engaged", 0)}
    total["eligible"] = total["treated"] + total["held_out"]
    converted = {v: sum(row[3 + names.index("converted")] for row in rows if row[0] == v) for v in (went, held)}
    arms = [sizes[went], converted[went], sizes.get(held, 0), converted[held]]
    verdicts = sorted((word(Verdict(verdict)), size) for verdict, size in sizes.items())
    counts = [total[name] for name in COUNTS if name != "right_party"]
    return [sum(sizes.values()), *counts, *arms, sorted(parts.items()), verdicts, _worth(connection, times)]


def _worth(connection: Connection, times: dict[str, int]) -> list[object]:
    rows = connection.execute(
        text(
            "SELECT e.verdict = 12, v.currency, sum(CASE WHEN v.reversed_at > :as_of OR v.reversed_at IS NULL "
            "THEN 1 ELSE 0 END), sum(CASE WHEN v.reversed_at <= :as_of THEN 1 ELSE 0 END), sum(v.value) "
            "FROM enrolment e JOIN conversion v ON v.customer = e.customer WHERE e.wave = :wave "
            "AND e.verdict IN (12, 13) AND v.goal = 'renewed' AND v.at >= :opened AND v.at < :until AND v.at <= :as_of "
            "AND v.source <> 'call' GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        {name: times[name] for name in ("as_of", "wave", "opened", "until")},
    )
    return [(bool(row[0]), row[1], row[2], row[3]) for row in rows]


def _part(code: int) -> str:
    outcome = code // 8
    if outcome:
        if outcome in ENGAGED:
            return word(Part.ENGAGED)
        if outcome == 68:
            return word(Part.DECLINED)
        return word(Part.RECEIVED if outcome in (40, 45, 50, 55) else Part.MISSED)
    return word({4: Part.IN_DOUBT, 3: Part.UNCONFIRMED, 1: Part.MISSED, 0: Part.UNTRIED}[code])
