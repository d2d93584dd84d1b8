"""What Twilio's words and numbers mean: the status of a message, its error code, and the status of an HTTP answer.

Titles and advice to each code: https://www.twilio.com/docs/api/errors/CODE
"""

from __future__ import annotations

from channels.http_answers import MAY_HAVE_BEEN_READ
from channels.meanings import IN_DOUBT, Meaning
from waves.outcomes import Action, Outcome, Reason, Side

STATUSES: dict[str, Meaning] = {
    "accepted": Meaning(Outcome.ACCEPTED),
    "scheduled": Meaning(Outcome.ACCEPTED),
    "queued": Meaning(Outcome.ACCEPTED),
    "sending": Meaning(Outcome.ACCEPTED),
    "sent": Meaning(Outcome.IN_TRANSIT),
    "delivered": Meaning(Outcome.DELIVERED),
    "partially_delivered": Meaning(Outcome.DELIVERED),
    "read": Meaning(Outcome.READ),
    "undelivered": Meaning(Outcome.BOUNCED_SOFT, Reason.OTHER, Action.NEXT_CHANNEL),
    "failed": Meaning(Outcome.FAILED, Reason.OTHER, Action.NEXT_CHANNEL),
    "canceled": Meaning(Outcome.CANCELED),
    "receiving": Meaning(Outcome.REPLIED),
    "received": Meaning(Outcome.REPLIED),
}
"""MessageStatus of a callback; `receiving` and `received` are messages to us."""

CODES: dict[int, Meaning] = {
    14101: Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
    21202: Meaning(Outcome.BOUNCED_HARD, Reason.NOT_CAPABLE, Action.DROP_ADDRESS),
    21211: Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
    21214: Meaning(Outcome.BOUNCED_HARD, Reason.NOT_CAPABLE, Action.DROP_ADDRESS),
    21217: Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
    21614: Meaning(Outcome.BOUNCED_HARD, Reason.NOT_CAPABLE, Action.DROP_ADDRESS),
    30005: Meaning(Outcome.BOUNCED_HARD, Reason.ADDRESS_GONE, Action.DROP_ADDRESS),
    30006: Meaning(Outcome.BOUNCED_HARD, Reason.NOT_CAPABLE, Action.DROP_ADDRESS),
    63003: Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
    63024: Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
    21610: Meaning(Outcome.REJECTED, Reason.OPTED_OUT, Action.DROP_CONSENT, side=Side.UNSUBSCRIBED),
    63014: Meaning(Outcome.REJECTED, Reason.BLOCKED, Action.DROP_CONSENT, side=Side.UNSUBSCRIBED),
    63033: Meaning(Outcome.REJECTED, Reason.BLOCKED, Action.DROP_CONSENT, side=Side.UNSUBSCRIBED),
    14107: Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.RETRY, 60),
    20429: Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.RETRY, 1),
    30003: Meaning(Outcome.BOUNCED_SOFT, Reason.UNREACHABLE, Action.RETRY, 21600),
    30008: Meaning(Outcome.BOUNCED_SOFT, Reason.CARRIER, Action.RETRY, 21600),
    30017: Meaning(Outcome.BOUNCED_SOFT, Reason.CARRIER, Action.RETRY, 1800),
    30020: Meaning(Outcome.FAILED, Reason.PROVIDER, Action.RETRY, 300),
    30021: Meaning(Outcome.FAILED, Reason.PROVIDER, Action.RETRY, 300),
    30036: Meaning(Outcome.LAPSED, Reason.QUEUE_FULL, Action.RETRY, 3600),
    30450: Meaning(Outcome.BOUNCED_SOFT, Reason.FRAUD_GUARD, Action.RETRY, 3600),
    30453: Meaning(Outcome.BOUNCED_SOFT, Reason.FRAUD_GUARD, Action.RETRY, 14400),
    30610: Meaning(Outcome.REJECTED, Reason.QUIET_HOURS, Action.RETRY, 43200),
    20500: IN_DOUBT,
    20503: IN_DOUBT,
    30410: Meaning(None, Reason.CARRIER, Action.RECONCILE),
    21215: Meaning(Outcome.REJECTED, Reason.GEO, Action.NEXT_CHANNEL),
    21408: Meaning(Outcome.REJECTED, Reason.GEO, Action.NEXT_CHANNEL),
    21612: Meaning(Outcome.BOUNCED_SOFT, Reason.UNREACHABLE, Action.NEXT_CHANNEL),
    21703: Meaning(Outcome.FAILED, Reason.SENDER, Action.NEXT_CHANNEL),
    30004: Meaning(Outcome.BOUNCED_SOFT, Reason.BLOCKED, Action.NEXT_CHANNEL),
    30007: Meaning(Outcome.BOUNCED_SOFT, Reason.FILTERED, Action.NEXT_CHANNEL),
    30011: Meaning(Outcome.FAILED, Reason.NOT_CAPABLE, Action.NEXT_CHANNEL),
    63016: Meaning(Outcome.REJECTED, Reason.WINDOW, Action.NEXT_CHANNEL),
    63032: Meaning(Outcome.REJECTED, Reason.NOT_CAPABLE, Action.NEXT_CHANNEL),
    21212: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    21606: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    21611: Meaning(Outcome.DEFERRED, Reason.QUEUE_FULL, Action.PAUSE_SENDER, 600),
    21618: Meaning(Outcome.REJECTED, Reason.CONTENT, Action.PAUSE_SENDER),
    21659: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    21660: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    21704: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    21705: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    30001: Meaning(Outcome.FAILED, Reason.QUEUE_FULL, Action.PAUSE_SENDER, 600),
    30018: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    30022: Meaning(Outcome.BOUNCED_SOFT, Reason.RATE_LIMITED, Action.PAUSE_SENDER, 60),
    30023: Meaning(Outcome.BOUNCED_SOFT, Reason.CAP_REACHED, Action.PAUSE_SENDER),
    30024: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    30027: Meaning(Outcome.BOUNCED_SOFT, Reason.CAP_REACHED, Action.PAUSE_SENDER),
    30032: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    30033: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    30034: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    30035: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    35125: Meaning(Outcome.DEFERRED, Reason.QUEUE_FULL, Action.PAUSE_SENDER, 3600),
    63007: Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER),
    63013: Meaning(Outcome.REJECTED, Reason.CONTENT, Action.PAUSE_SENDER),
    63018: Meaning(Outcome.FAILED, Reason.RATE_LIMITED, Action.PAUSE_SENDER, 60),
    20003: Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER),
    20005: Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER),
    21608: Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER, of_one=True),  # a trial account's
    30002: Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER),
    63001: Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER),
    63038: Meaning(Outcome.FAILED, Reason.CAP_REACHED, Action.STOP_PROVIDER, 86400),
    21602: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    21603: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    21604: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    21609: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    21617: Meaning(Outcome.FAILED, Reason.TOO_LARGE, Action.BUG),
    21619: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    21656: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    30019: Meaning(Outcome.FAILED, Reason.TOO_LARGE, Action.BUG),
    35114: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    35118: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
}
"""Error code, in an answer or in a callback."""

TOO_MANY = Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.RETRY, 1)
NOT_LET_IN = Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER)
WRONG = Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG)
FIRST_CODE = 1000
"""An error body that is no JSON gives the SDK the HTTP status for a code: Twilio's own begin here."""


def meaning_of_error(status: int, code: object) -> Meaning:
    """What an answer to a create call means that is no success.

    Above 499 nobody can tell, whatever its code says: Twilio may have the message. 429 is never acted on. Of the rest
    the code decides, then the status; a redirect is not followed and leaves it open.
    """
    if status >= 500 or status in MAY_HAVE_BEEN_READ or status < 400:
        return IN_DOUBT
    known = meaning_of_code(code)
    if status == 429:
        waits = known is not None and known.outcome is Outcome.DEFERRED
        return known if known is not None and waits else TOO_MANY
    if known is not None:
        return known
    return NOT_LET_IN if status in (401, 403) else WRONG


def meaning_of_code(code: object) -> Meaning | None:
    """The table's entry for a code, given as a number or as its digits; None for an unknown one."""
    text = str(code)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    return CODES.get(number) if number >= FIRST_CODE else None


def meaning_of_status(status: str, code: object = None) -> Meaning:
    """What a callback means; the code says more of a message that failed, and nothing of any other.

    A code that would mean "not now" in an answer is the reason of a failure here: this message will not be sent again.
    """
    said = STATUSES.get(status.lower(), Meaning(Side.UNKNOWN))
    known = meaning_of_code(code)
    if known is None or said.outcome not in (Outcome.FAILED, Outcome.BOUNCED_SOFT):
        return said
    if known.outcome is Outcome.DEFERRED:
        return Meaning(said.outcome, known.reason, known.action, known.retry_after_s)
    return known
