"""The limit of `claim_settle`: the same marks and commits, written by hand for this campaign.

The transactions are the product's: lease, claim and settle of each chunk, let go. The claim asks of every touch what
the product's does, in joins written for this campaign: conversions, arm, suppressions of the customer and of the
address, consent, an address shared with another member, permitted hours, and the contacts under both limits that bind.
It leaves out what nobody set here (kill switches, calls, an enter rule, campaigns of other priorities), does not say
why a touch fails but leaves it queued, and settles a chunk by its batch and owner in place of a list of touches.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from bench.world import micros
from ledger.store import Ledger

LEASE = """
UPDATE batch SET lease_owner = :owner, lease_until = :until WHERE id = (
    SELECT b.id FROM batch b JOIN wave w ON w.id = b.wave JOIN campaign k ON k.id = w.campaign
    WHERE b.wave = :wave AND b.channel = :channel AND b.done_at IS NULL AND b.due <= :now
        AND (b.lease_until IS NULL OR b.lease_until <= :now) AND w.state = 'open' AND k.state = 'running'
    ORDER BY b.due, b.id LIMIT 1 {locked})
RETURNING id
"""
CLAIM = """
UPDATE touch SET state = 1, claimed_by = :owner, claimed_at = :now WHERE id IN (
    SELECT t.id FROM touch t JOIN member m ON m.campaign = :campaign AND m.customer = t.customer
    JOIN customer c ON c.id = t.customer JOIN address a ON a.id = t.address
    WHERE t.batch = :batch AND t.state = 0 AND t.not_before <= :now AND t.not_after > :now
        AND EXISTS (SELECT 1 FROM batch b JOIN wave w ON w.id = b.wave JOIN campaign k ON k.id = w.campaign
            WHERE b.id = :batch AND b.lease_owner = :owner AND b.lease_until > :now
            AND w.state = 'open' AND k.state = 'running')
        AND m.arm = 0 AND c.erased_at IS NULL AND a.state < 2 AND a.consent = 1
        AND NOT EXISTS (SELECT 1 FROM conversion v WHERE v.customer = t.customer AND v.goal = 'renewed'
            AND v.at >= :since AND v.reversed_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.customer = t.customer AND s.channel IN (0, :channel)
            AND {plus}s.value IS NULL AND (s.until IS NULL OR s.until > :now))
        AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.value = a.value AND s.channel IN (0, :channel)
            AND (s.until IS NULL OR s.until > :now))
        AND NOT (a.shared AND EXISTS (SELECT 1 FROM address o WHERE o.channel = a.channel AND o.value = a.value
            AND o.customer < a.customer AND o.state < 2 AND o.consent = 1 AND EXISTS (
                SELECT 1 FROM member r WHERE r.campaign = :campaign AND r.customer = o.customer AND r.arm = 0)))
        AND EXISTS (SELECT 1 FROM legal_window l WHERE l.rules = :rules AND l.kind = 1 AND l.zone_set = c.zone_set
            AND l.opens <= :now AND l.closes > :now + 5000000)
        AND NOT EXISTS (SELECT 1 FROM campaign k JOIN member b ON b.campaign = k.id AND b.customer = t.customer
            WHERE k.limit_contacts IS NOT NULL AND k.state IN ('running', 'paused') AND k.limit_contacts <= (
                SELECT count(*) FROM touch o WHERE o.customer = b.customer AND o.channel <> 4 AND (o.state = 1
                    OR o.state IN (2, 7) AND coalesce(o.sent_at, o.claimed_at) > :now - k.limit_within_us
                    OR o.state = 0 AND o.not_after > :now AND o.id < t.id)))
    LIMIT :size {locked_touch})
RETURNING id, customer, address, variant
"""
SETTLE = """
UPDATE touch SET state = 2, provider = 'outbox', sent_at = :now
WHERE batch = :batch AND claimed_by = :owner AND state = 1
"""
FINISH = """
UPDATE batch SET lease_owner = NULL, lease_until = NULL, done_at = :now WHERE id = :batch AND lease_owner = :owner
    AND NOT EXISTS (SELECT 1 FROM touch WHERE batch = :batch AND state IN (0, 1))
"""


def claim_by_hand(
    ledger: Ledger, wave: int, campaign: int, rules: int, since: datetime, now: datetime, channels: list[int], size: int
) -> int:
    """Every due batch of these channels leased, claimed in chunks, marked as sent and done; how many touches."""
    postgresql = ledger.dialect == "postgresql"
    lease = text(LEASE.format(locked="FOR UPDATE OF b SKIP LOCKED" if postgresql else ""))
    locked = "FOR UPDATE OF t SKIP LOCKED" if postgresql else ""
    claim = text(CLAIM.format(plus="" if postgresql else "+", locked_touch=locked))
    settle, finish = text(SETTLE), text(FINISH)
    known = {"now": micros(now), "owner": "by hand", "campaign": campaign, "wave": wave, "rules": rules}
    known |= {"since": micros(since), "until": micros(now + timedelta(minutes=2)), "size": size}
    done = 0
    for channel in channels:
        known["channel"] = channel
        while True:
            with ledger.write() as connection:
                batch = connection.scalar(lease, _named(lease, known))
            if batch is None:
                break
            known["batch"] = batch
            while True:
                with ledger.write() as connection:
                    claimed = connection.execute(claim, _named(claim, known)).all()
                if not claimed:
                    break
                done += len(claimed)
                with ledger.write() as connection:
                    connection.execute(settle, _named(settle, known))
                if len(claimed) < size:
                    break
            with ledger.write() as connection:
                connection.execute(finish, _named(finish, known))
    return done


def _named(statement: object, known: dict[str, object]) -> dict[str, object]:
    return {name: known[name] for name in statement.compile().params}  # type: ignore[attr-defined]
