"""What a provider's code means: one record a code, and the receipt or report that it makes.

The tables of codes stand at the top of each provider's file; their words are those of waves.outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from waves.message import Event, Receipt
from waves.outcomes import Action, Outcome, Reason, Side


@dataclass(frozen=True, slots=True)
class Meaning:
    """One entry of a provider's table: what came back, why, and what that asks of us.

    `outcome` is None where nobody can tell (in doubt). `side` changes the customer's consent beside the touch.
    """

    outcome: Outcome | Side | None
    reason: Reason | None = None
    action: Action = Action.OK
    retry_after_s: float | None = None
    side: Side | None = None
    of_one: bool = False
    """Whether it speaks of this recipient alone, though what it asks is of the whole sender."""


IN_DOUBT = Meaning(None, Reason.PROVIDER, Action.RECONCILE)
"""The provider may have the message, or not: no answer, or one that leaves it open."""
STOPPED_S = 900.0
"""How long a message waits whose provider refused the whole account: what tries a paused sender then is another one.

So a pause of a breaker's default length ends with a message that did not meet the refusal.
"""
TAKEN = frozenset({Outcome.ACCEPTED, Outcome.IN_TRANSIT, Outcome.DELIVERED})
"""Outcomes of an answer given at once that mean: the provider has it."""


def receipt(token: str, meaning: Meaning, ref: str | None = None, retry_after_s: float | None = None) -> Receipt:
    """The receipt of an answer given at once; `retry_after_s` of the answer itself goes before the table's.

    An answer whose action is retry, or whose outcome is deferred, means: provably not sent. So does a refusal of the
    account: it costs its sender a pause (ledger.breaker), and nobody their message.
    """
    if meaning.outcome is None:
        return Receipt(token, "in_doubt", ref, meaning.reason, Action.RECONCILE)
    if meaning.outcome in TAKEN:
        return Receipt(token, "accepted", ref)
    wait = meaning.retry_after_s if retry_after_s is None else retry_after_s
    if meaning.action is Action.RETRY or meaning.outcome is Outcome.DEFERRED:
        return Receipt(token, "not_sent", None, meaning.reason, Action.RETRY, 60.0 if wait is None else wait)
    if meaning.action is Action.STOP_PROVIDER and not meaning.of_one:
        return Receipt(token, "not_sent", None, meaning.reason, meaning.action, max(wait or 0.0, STOPPED_S))
    return Receipt(token, "refused", ref, meaning.reason, meaning.action)


def events(
    meaning: Meaning,
    token: str,
    at: datetime,
    provider: str,
    provider_event_id: str,
    raw: Mapping[str, object],
    ref: str | None = None,
) -> list[Event]:
    """The reports of one event at a provider: the touch's, and the customer's consent where it changes that too.

    What nobody can tell is kept as unknown; it proves all the same that the provider has the message.
    """
    outcome = Side.UNKNOWN if meaning.outcome is None else meaning.outcome
    made = [Event(token, int(outcome), at, provider, provider_event_id, meaning.reason, meaning.action, raw, ref)]
    if meaning.side is not None:
        ident = f"{provider_event_id}/{meaning.side.name.lower()}"
        made.append(Event(token, int(meaning.side), at, provider, ident, meaning.reason, None, raw, ref))
    return made
