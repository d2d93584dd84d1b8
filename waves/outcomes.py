"""The ladder of outcomes, the states of a touch, the verdicts, and the parts a closed wave falls into.

Ranks and meanings follow the project's outcome table; a rank is what the ledger stores, so the fold is a plain maximum.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """What WE did with a touch."""

    QUEUED = 0
    CLAIMED = 1
    SENT = 2
    LISTED = 3
    REFUSED = 4
    EXPIRED = 5
    WITHDRAWN = 6
    IN_DOUBT = 7


class Verdict(IntEnum):
    """Why a member does or does not take part in a wave; the order is the order of the gates."""

    CONVERTED = 1
    HELD_OUT = 2
    SUPPRESSED = 3
    OPEN_CASE = 4
    NOT_ENTERED = 5
    NO_ADDRESS = 6
    NO_CONSENT = 7
    SHARED_ADDRESS = 8
    HOURS_UNKNOWN = 9
    NO_LEGAL_HOUR = 10
    OVER_LIMIT = 11
    WAVE_HELD_OUT = 12
    GO = 13


VERDICT_MEANINGS: dict[Verdict, str] = {
    Verdict.CONVERTED: "already met the campaign's goal",
    Verdict.HELD_OUT: "in the campaign's holdout, or stopped by the holdout of an earlier wave",
    Verdict.SUPPRESSED: "a standing instruction says not to contact this customer",
    Verdict.OPEN_CASE: "a person of ours owes this customer an answer first",
    Verdict.NOT_ENTERED: "the wave's enter rule is not true for this customer",
    Verdict.NO_ADDRESS: "no living address on any channel of the wave",
    Verdict.NO_CONSENT: "no granted consent, or a suppression on that channel or address",
    Verdict.SHARED_ADDRESS: "another member of the campaign has the same address; only that one may be contacted there",
    Verdict.HOURS_UNKNOWN: "nobody knows the customer's time zone, or the holidays there",
    Verdict.NO_LEGAL_HOUR: "no permitted hour on any channel before sending ends",
    Verdict.OVER_LIMIT: "a contact limit is used up",
    Verdict.WAVE_HELD_OUT: "eligible, but drawn into the wave's own holdout",
    Verdict.GO: "takes part",
}


class Reason(IntEnum):
    """Why a touch stands where it stands; 1 to 99 are verdicts found true at the re-check, above them our own words."""

    CONVERTED = 1
    HELD_OUT = 2
    SUPPRESSED = 3
    OPEN_CASE = 4
    NOT_ENTERED = 5
    NO_ADDRESS = 6
    NO_CONSENT = 7
    SHARED_ADDRESS = 8
    HOURS_UNKNOWN = 9
    NO_LEGAL_HOUR = 10
    OVER_LIMIT = 11
    ABORTED = 101
    WAVE_CLOSED = 102
    OVER_CAPACITY = 103
    WORKER_LOST = 104
    PAUSED = 105
    STOPPED = 106
    INVALID_ADDRESS = 110
    ADDRESS_GONE = 111
    NOT_CAPABLE = 112
    UNREACHABLE = 113
    OPTED_OUT = 114
    PREVIOUS_BOUNCE = 115
    PREVIOUS_COMPLAINT = 116
    BLOCKED = 117
    FILTERED = 118
    CONTENT = 119
    TOO_LARGE = 120
    RATE_LIMITED = 121
    CAP_REACHED = 122
    QUEUE_FULL = 123
    QUIET_HOURS = 124
    FRAUD_GUARD = 125
    CARRIER = 126
    PROVIDER = 127
    ACCOUNT = 128
    SENDER = 129
    GEO = 130
    CONFIG = 131
    WINDOW = 132
    OTHER = 133


class Outcome(IntEnum):
    """What CAME BACK; the value is the rank, a higher one replaces a lower one and never the reverse."""

    ACCEPTED = 10
    DEFERRED = 15
    IN_TRANSIT = 20
    CANCELED = 26
    LAPSED = 27
    FAILED = 28
    REJECTED = 29
    BOUNCED_SOFT = 30
    NO_ANSWER = 32
    BUSY = 33
    MACHINE = 35
    DELIVERED = 40
    BOUNCED_HARD = 42
    DISPLAYED = 45
    READ = 50
    AUTO_REPLIED = 55
    CLICKED = 60
    CONNECTED = 65
    VISITED = 66
    DECLINED = 68
    CALLBACK_REQUESTED = 69
    REPLIED = 70
    AGREED = 90


OUTCOME_MEANINGS: dict[Outcome, str] = {
    Outcome.ACCEPTED: "the provider accepted it",
    Outcome.DEFERRED: "not now; the provider tries again",
    Outcome.IN_TRANSIT: "handed to the carrier, mail server or push service",
    Outcome.CANCELED: "withdrawn at the provider before sending",
    Outcome.LAPSED: "its validity ended before delivery",
    Outcome.FAILED: "not completed, cause in the reason",
    Outcome.REJECTED: "refused by the provider before any attempt",
    Outcome.BOUNCED_SOFT: "attempted, not delivered, the address may be good",
    Outcome.NO_ANSWER: "call or visit: nobody",
    Outcome.BUSY: "call: line busy",
    Outcome.MACHINE: "call: answering machine or fax",
    Outcome.DELIVERED: "the receiver's side accepted it",
    Outcome.BOUNCED_HARD: "the address is permanently bad",
    Outcome.DISPLAYED: "shown on a screen",
    Outcome.READ: "opened (inflated by mail privacy proxies)",
    Outcome.AUTO_REPLIED: "an automatic reply",
    Outcome.CLICKED: "followed a link",
    Outcome.CONNECTED: "a human answered",
    Outcome.VISITED: "the account manager met the customer",
    Outcome.DECLINED: "said no",
    Outcome.CALLBACK_REQUESTED: "asked to be called",
    Outcome.REPLIED: "wrote back",
    Outcome.AGREED: "said yes; whether it is a conversion is for the goal to say",
}

TERMINAL = frozenset(
    {
        Outcome.CANCELED,
        Outcome.LAPSED,
        Outcome.FAILED,
        Outcome.REJECTED,
        Outcome.BOUNCED_SOFT,
        Outcome.NO_ANSWER,
        Outcome.BUSY,
        Outcome.MACHINE,
        Outcome.BOUNCED_HARD,
        Outcome.DECLINED,
        Outcome.AGREED,
    }
)


class Side(IntEnum):
    """Reports that change the customer's consent, not the touch; they have no rank."""

    UNSUBSCRIBED = 1001
    COMPLAINED = 1002
    RESUBSCRIBED = 1003
    UNKNOWN = 1004


class Action(IntEnum):
    """What a report asks of us."""

    OK = 0
    DROP_ADDRESS = 1
    DROP_CONSENT = 2
    RETRY = 3
    NEXT_CHANNEL = 4
    PAUSE_SENDER = 5
    STOP_PROVIDER = 6
    BUG = 7
    RECONCILE = 8


DEFAULT_ACTIONS: dict[int, Action] = {
    Outcome.BOUNCED_HARD: Action.DROP_ADDRESS,
    Outcome.BOUNCED_SOFT: Action.NEXT_CHANNEL,
    Outcome.FAILED: Action.NEXT_CHANNEL,
    Outcome.REJECTED: Action.NEXT_CHANNEL,
    Side.UNSUBSCRIBED: Action.DROP_CONSENT,
    Side.COMPLAINED: Action.DROP_CONSENT,
}
"""The action of a report that names none."""

FALLS_THROUGH = frozenset({Action.NEXT_CHANNEL, Action.DROP_ADDRESS})
"""Actions after which `first_of` goes on to its next channel."""


FAILURES = frozenset({Outcome.LAPSED, Outcome.FAILED, Outcome.REJECTED, Outcome.BOUNCED_SOFT, Outcome.BOUNCED_HARD})
"""Outcomes after which nothing reached the customer on that channel."""


class Part(IntEnum):
    """The one part of a closed wave that each of its treated `go` members falls into."""

    ENGAGED = 1
    DECLINED = 2
    RECEIVED = 3
    MISSED = 4
    UNCONFIRMED = 5
    IN_DOUBT = 6
    UNTRIED = 7


PART_MEANINGS: dict[Part, str] = {
    Part.ENGAGED: "clicked, replied, agreed, connected, visited or asked for a call",
    Part.DECLINED: "said no",
    Part.RECEIVED: "delivered, displayed or read, and nothing more",
    Part.MISSED: "bounced, failed, rejected, lapsed, refused, no answer, busy or machine",
    Part.UNCONFIRMED: "sent, and nothing came back from beyond the provider",
    Part.IN_DOUBT: "the send was cut off and nobody knows",
    Part.UNTRIED: "expired, withdrawn or never listed",
}

PART_OF_OUTCOME: dict[Outcome, Part] = {
    Outcome.ACCEPTED: Part.UNCONFIRMED,
    Outcome.DEFERRED: Part.UNCONFIRMED,
    Outcome.IN_TRANSIT: Part.UNCONFIRMED,
    Outcome.CANCELED: Part.MISSED,
    Outcome.LAPSED: Part.MISSED,
    Outcome.FAILED: Part.MISSED,
    Outcome.REJECTED: Part.MISSED,
    Outcome.BOUNCED_SOFT: Part.MISSED,
    Outcome.NO_ANSWER: Part.MISSED,
    Outcome.BUSY: Part.MISSED,
    Outcome.MACHINE: Part.MISSED,
    Outcome.DELIVERED: Part.RECEIVED,
    Outcome.BOUNCED_HARD: Part.MISSED,
    Outcome.DISPLAYED: Part.RECEIVED,
    Outcome.READ: Part.RECEIVED,
    Outcome.AUTO_REPLIED: Part.RECEIVED,
    Outcome.CLICKED: Part.ENGAGED,
    Outcome.CONNECTED: Part.ENGAGED,
    Outcome.VISITED: Part.ENGAGED,
    Outcome.DECLINED: Part.DECLINED,
    Outcome.CALLBACK_REQUESTED: Part.ENGAGED,
    Outcome.REPLIED: Part.ENGAGED,
    Outcome.AGREED: Part.ENGAGED,
}

STATE_MEANINGS: dict[State, str] = {
    State.QUEUED: "waits for its hour",
    State.CLAIMED: "in the hands of a worker",
    State.SENT: "handed to the provider, once",
    State.LISTED: "on a dial list",
    State.REFUSED: "the provider said no at once",
    State.EXPIRED: "its time passed: the wave closed, or its campaign was paused",
    State.WITHDRAWN: "something changed before it could be sent; the reason says what",
    State.IN_DOUBT: "the send was cut off; sent again only where the plan says resend, never failed over",
}

PART_OF_STATE: tuple[tuple[State, Part], ...] = (
    (State.IN_DOUBT, Part.IN_DOUBT),
    (State.SENT, Part.UNCONFIRMED),
    (State.LISTED, Part.UNCONFIRMED),
    (State.REFUSED, Part.MISSED),
)
"""The part of a member without any outcome: by the first of these states that a touch is in, else untried."""


def word(code: IntEnum) -> str:
    """The word people read for a code: lower case, as in the plan."""
    return code.name.lower()


def part_of(outcome: int | None, states: set[State]) -> Part:
    """The part of a `go` member from the highest outcome over its touches and, with none, the states of its touches."""
    if outcome is not None:
        return PART_OF_OUTCOME[Outcome(outcome)]
    return next((part for state, part in PART_OF_STATE if state in states), Part.UNTRIED)
