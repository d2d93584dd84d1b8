"""Which of a channel's senders carries it now: the first that may, by the channel's policy of failover.

What is in doubt is nobody else's: the lease names its sender (ledger.owners), and a resend goes by the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flows.room import Room
from ledger.breaker import AT_ONCE
from ledger.kill_switches import switches_on
from ledger.pace import held, hold
from waves.message import Receipt
from waves.outcomes import Action, Reason
from waves.senders import Sender

PATIENCE = timedelta(seconds=5)
"""A worker waits so long for room at its sender; for longer waits it lets the batch go, and others of its kind be."""
AT_ONCE_S = 0.5
"""What one sender did not take is the next one's after so long."""
RESTS = timedelta(minutes=1)
"""A sender whose provider could not be reached is passed over for so long, and for three ticks at least.

Or each tick would begin with it again, and what it cannot take would wait for ever.
"""


def policy(room: Room, channel: str) -> str:
    """When the channel's next sender takes over: never, stopped, not_sent."""
    return room.settings.failover.get(channel, "not_sent")


def carrier(room: Room, channel: str, connection: Any, now: datetime) -> Sender:
    """The first of the channel's senders that may carry it; the very first when none may, and all wait for it."""
    senders = room.senders_of(channel)
    return senders[0] if len(senders) == 1 else (_usable(room, senders, connection, now) or senders)[0]


def carried_by(room: Room, channel: str, name: str | None) -> Sender:
    """The sender of this name; the first for None, and for one that the settings do not name any more."""
    senders = room.senders_of(channel)
    return next((sender for sender in senders if sender.sender == name), senders[0])


def _usable(room: Room, senders: Sequence[Sender], connection: Any, now: datetime) -> list[Sender]:
    """Those that no kill switch stops and, unless only that counts, whose provider did not ask for a long wait."""
    how = policy(room, senders[0].channel)
    if how == "never":
        return list(senders[:1])
    off = {switch.scope for switch in switches_on(connection, now)}
    waits = {row.name for row in held(connection, now + PATIENCE)} if how == "not_sent" else set()
    stopped = waits | {s.sender for s in senders if f"sender:{s.sender}" in off or f"provider:{s.provider}" in off}
    return [sender for sender in senders if sender.sender not in stopped]


def passed_on(
    room: Room, sender: Sender, receipts: Sequence[tuple[int, Receipt]], connection: Any, now: datetime
) -> list[tuple[int, Receipt]]:
    """The receipts as they are settled: what this sender surely did not take is queued for the next one, if there is.

    That is what its provider refused because of the sender itself, and by the policy `not_sent` what it could not be
    given. Never what is in doubt.
    """
    senders = room.senders_of(sender.channel)
    if len(senders) == 1 or not any(_is_senders_own(receipt) for _, receipt in receipts):
        return list(receipts)
    if not [other for other in _usable(room, senders, connection, now) if other != sender]:
        return list(receipts)
    how = policy(room, sender.channel)
    if how == "not_sent" and any(_is_unreached(receipt) for _, receipt in receipts):
        rests = max(RESTS, 3 * room.settings.tick)
        hold(connection, sender.sender, now + rests, "its provider could not be reached")
    return [(touch, _for_the_next(receipt, how)) for touch, receipt in receipts]


def _is_senders_own(receipt: Receipt) -> bool:
    """Whether a message was surely not taken, for a reason that is its sender's and not its own."""
    return _is_stopped(receipt) or _is_unreached(receipt)


def _is_stopped(receipt: Receipt) -> bool:
    return receipt.result in ("refused", "not_sent") and receipt.action in AT_ONCE


def _is_unreached(receipt: Receipt) -> bool:
    return receipt.result == "not_sent" and receipt.reason is Reason.PROVIDER and not receipt.of_address


def _for_the_next(receipt: Receipt, how: str) -> Receipt:
    if not (_is_stopped(receipt) or (how == "not_sent" and _is_unreached(receipt))):
        return receipt
    return replace(receipt, result="not_sent", provider_ref=None, action=Action.RETRY, retry_after_s=AT_ONCE_S)
