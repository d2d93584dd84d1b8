"""What a run must have kept, from the rows of its ledger and the record of the sink: none of our report code."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.databases import Database
from waves.message import CHANNEL_NAMES
from waves.tokens import Kind, read_token

QUEUED, CLAIMED, SENT, REFUSED, EXPIRED, IN_DOUBT = 0, 1, 2, 4, 5, 7
GO = 13
LEASE_S, HALTS_WITHIN_S, WAKES_WITHIN_S = 10.0, 2.0, 1.0
Halt = tuple[str, float, float]
"""What stopped all sending, from when to when by the monotonic clock."""
STATES = ("queued", "claimed", "sent", "listed", "refused", "expired", "withdrawn", "in_doubt")


@dataclass
class Found:
    """The numbers of one run, and what is wrong with them."""

    touches: int = 0
    in_doubt: int = 0
    resolved: int = 0
    duplicates: int = 0
    lost: int = 0
    late: int = 0
    """Messages that came after a lease, of a worker that was stopped between its look at the clock and the wire."""
    halt_s: float = 0.0
    """How long after a switch or a pause the last message came."""
    wrong: list[str] = field(default_factory=list)

    def expect(self, kept: bool, what: str) -> None:
        if not kept:
            self.wrong.append(what)


@dataclass(frozen=True, slots=True)
class Accepted:
    """One message that the sink took: its touch, and when by the monotonic clock."""

    touch: int
    at: float


def read_record(record: Path, key: bytes) -> list[Accepted]:
    """Every line of the sink's record; an unknown token is a ValueError or SendRefused of `read_token`."""
    found = []
    for line in record.read_text("utf-8").splitlines():
        token, _, _, at = line.split("\t")
        kind, touch = read_token(key, token)
        assert kind is Kind.TOUCH
        found.append(Accepted(touch, float(at)))
    return found


def look(database: Database, record: Path, key: bytes, one_each: bool) -> Found:
    """Everything that law 1, 2 and 3 ask of a wave that has closed; `one_each`: nobody may get both channels."""
    found = Found()
    rows = database.rows("SELECT id, wave, customer, channel, state, reason FROM touch")
    states = {row[0]: row[4] for row in rows}
    said = Counter(accepted.touch for accepted in read_record(record, key))
    counts = Counter(states.values())
    found.touches, found.in_doubt = len(rows), counts[IN_DOUBT]

    found.duplicates = sum(n - 1 for n in said.values())
    found.expect(not found.duplicates, f"{found.duplicates} messages came a second time")
    keys = Counter((wave, customer, channel) for _, wave, customer, channel, _, _ in rows)
    found.expect(max(keys.values(), default=0) <= 1, "two touches of one customer on one channel")
    if one_each:
        reached = Counter(row[2] for row in rows if row[0] in said)
        both = sum(n > 1 for n in reached.values())
        found.duplicates += both
        found.expect(not both, f"{both} customers of a first_of were reached on both channels")

    _count(found, database, counts)
    sent = {touch for touch, state in states.items() if state == SENT}
    refused = {touch for touch, state in states.items() if state == REFUSED}
    unsaid = sent - said.keys()
    found.lost += len(unsaid)
    found.expect(not unsaid, f"{len(unsaid)} touches are sent and never came")
    strangers = {touch for touch in said if states.get(touch) not in (SENT, IN_DOUBT)}
    found.expect(not strangers, f"{len(strangers)} messages came of touches {_words(states, strangers)}")
    found.expect(not refused & said.keys(), "a refused message was accepted")
    return found


def _count(found: Found, database: Database, counts: Counter[int]) -> None:
    """Law 2: members = verdicts, go = touched, and after the close nothing is on its way any more."""
    ((members,),) = database.rows("SELECT count(*) FROM member")
    ((verdicts, people),) = database.rows("SELECT count(*), count(DISTINCT customer) FROM enrolment")
    ((gone,),) = database.rows(f"SELECT count(*) FROM enrolment WHERE verdict = {GO}")
    ((touched,),) = database.rows("SELECT count(DISTINCT customer) FROM touch")
    found.lost += abs(members - people) + abs(gone - touched) + counts[QUEUED] + counts[CLAIMED] + counts[EXPIRED]
    found.expect(members == verdicts == people, f"{members} members, {verdicts} verdicts of {people}")
    found.expect(gone == touched, f"{gone} verdicts say go, {touched} customers have a touch")
    ended = {SENT, REFUSED, IN_DOUBT}
    found.expect(set(counts) <= ended, f"after the close: { {STATES[state]: n for state, n in counts.items()} }")
    ((state, stored),) = database.rows("SELECT state, balance FROM wave")
    found.expect(state == "closed", f"the wave is {state}")
    if stored:
        books = json.loads(stored)
        found.expect(books["balanced"] is True, "the stored balance is not balanced")
        found.expect(books["members"] == members, "the stored balance has other members")
        found.expect(sum(books["states"].values()) == sum(counts.values()), "the stored balance has other touches")
    ((undone,),) = database.rows("SELECT count(*) FROM batch WHERE done_at IS NULL")
    found.expect(not undone, f"{undone} batches are not done")
    ((noted,),) = database.rows("SELECT count(*) FROM doubt d JOIN touch t ON t.id = d.touch WHERE t.state = 7")
    found.expect(noted == counts[IN_DOUBT], f"{counts[IN_DOUBT]} touches in doubt, {noted} of them noted")
    ((ever,),) = database.rows("SELECT count(*) FROM doubt")
    found.resolved = ever - noted


def _words(states: dict[int, int], touches: set[int]) -> dict[str, int]:
    return dict(Counter(STATES[states[touch]] if touch in states else "unknown" for touch in touches))


def look_at_times(
    found: Found, database: Database, record: list[Accepted], halts: list[Halt], woken: list[float]
) -> None:
    """Law 5, and that a worker past its lease sends nothing.

    Nobody looks at a clock between the last look and the wire, and a worker that is stopped right there sends when it
    is woken. Those are counted; at any other time they are wrong.
    """

    def just_woken(at: float) -> bool:
        return any(wake <= at <= wake + WAKES_WITHIN_S for wake in woken)

    wall = time.time() - time.monotonic()
    leased = {touch: us / 1e6 - wall for touch, us in database.rows("SELECT id, claimed_at FROM touch") if us}
    past_lease = [one.at for one in record if one.touch in leased and one.at > leased[one.touch] + LEASE_S]
    found.late = len(past_lease)
    over = [at for at in past_lease if not just_woken(at)]
    found.expect(not over, f"{len(over)} messages came of a worker past its lease")
    for what, begun, ended in halts:
        inside = [one.at for one in record if begun < one.at < ended]
        found.halt_s = max([found.halt_s, *(at - begun for at in inside if not just_woken(at))])
        over = [at - begun for at in inside if at > begun + HALTS_WITHIN_S and not just_woken(at)]
        found.expect(not over, f"{len(over)} messages came up to {max(over, default=0):.2f} s after a {what}")


def look_at_status(found: Found, database: Database, told: Any) -> None:
    """`status` names every customer in doubt, and its books are those of the rows."""
    rows = database.rows(
        f"SELECT c.key, t.channel FROM touch t JOIN customer c ON c.id = t.customer WHERE t.state = {IN_DOUBT}"
    )
    named = {(one["customer"], one["channel"]) for one in told["in_doubt"] if one["state"] == "in_doubt"}
    found.expect(named == {(key, CHANNEL_NAMES[channel]) for key, channel in rows}, "status names others in doubt")
    (wave,) = told["waves"]
    found.expect(wave["balanced"] is True, "status does not call the wave balanced")
