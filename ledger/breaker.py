"""The breaker of a sender: counts what was its own fault, and says when it should pause.

After the pause it is half open: one message at a time (pace.TRIAL) until the provider takes one; if it does not, the
sender pauses again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from ledger.engine_tables import sender as table
from ledger.pace import hold, locked, on_trial
from ledger.types import EPOCH
from waves.message import Receipt
from waves.outcomes import Action, Reason
from waves.senders import Sender

AT_ONCE = frozenset({Action.PAUSE_SENDER, Action.STOP_PROVIDER})
"""What a provider says of the sender itself: nobody counts on."""
AT_FAULT = AT_ONCE | {Action.BUG}
"""Refusals, of a message or of any before it was begun, that speak of the sender and not of an address."""
RESTS = frozenset({Reason.RATE_LIMITED, Reason.QUEUE_FULL})
"""What is not sent for one of these reasons makes its sender wait as well."""
UNTOLD_S = 1.0
"""How long to wait where a provider says "too fast" and not for how long."""


def heard(connection: Connection, sender: Sender, receipts: Sequence[Receipt], now: datetime) -> str | None:
    """Count a chunk's receipts, and wait as the provider asked; why the sender should pause, else None.

    It counts from the first failure on, over `of` attempts or one chunk, whichever is more.
    """
    receipts = [r for r in receipts if not r.of_address]
    limited = [r for r in receipts if r.result == "not_sent" and r.reason in RESTS]
    longest = max((UNTOLD_S if r.retry_after_s is None else r.retry_after_s for r in limited), default=None)
    if longest is not None:
        hold(connection, sender.sender, now + timedelta(seconds=longest), "the provider asked to wait")
    tried = [r for r in receipts if _is_at_fault(r) or r.result in ("accepted", "refused")]
    failed = [r for r in tried if _is_at_fault(r)]
    counted = connection.execute(select(table.c.attempts, table.c.failures).where(table.c.name == sender.sender))
    known = counted.one_or_none()
    if not tried or (not failed and (known is None or known.failures == 0)):
        return None  # as nearly always: nothing to count, and no row to wait for
    row, _ = locked(connection, sender.sender, EPOCH, True)
    breaker, reasons = sender.breaker, ", ".join(sorted({r.reason.name.lower() for r in failed if r.reason}))
    why = None
    if on_trial(row):
        attempts, failures = (0, 0) if len(failed) < len(tried) else (0, 1)
        if failures:
            why = f"it still fails after its pause ({reasons})"
    else:
        attempts, failures = row.attempts + len(tried), row.failures + len(failed)
        if any(r.action in AT_ONCE for r in failed):
            why, attempts, failures = f"its provider refuses it ({reasons})", 0, 1
        elif failures > breaker.failures * max(breaker.of, attempts):
            why = f"{failures} of its last {attempts} attempts failed ({reasons})"
            attempts, failures = 0, 1
        elif attempts >= breaker.of:
            attempts, failures = 0, 0
    values = {"attempts": attempts, "failures": failures}
    connection.execute(update(table).where(table.c.name == sender.sender).values(values))
    return why


def _is_at_fault(receipt: Receipt) -> bool:
    if receipt.result in ("refused", "not_sent") and receipt.action in AT_FAULT:
        return True
    return receipt.result == "in_doubt" or (receipt.result == "not_sent" and receipt.reason is Reason.PROVIDER)
