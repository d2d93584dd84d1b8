"""The normalised result of one call, what it says of the touch, and which of several calls counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from waves.outcomes import Action, Outcome, Side


class Disposition(IntEnum):
    """The normalised result of one call."""

    SALE = 1
    PROMISE = 2
    INTERESTED = 3
    CALLBACK_AGREED = 4
    CALLBACK_REQUESTED_UNTIMED = 5
    NOT_INTERESTED = 6
    NOT_ELIGIBLE = 7
    ALREADY_CUSTOMER = 8
    LANGUAGE_BARRIER = 9
    GATEKEEPER = 10
    WRONG_NUMBER = 11
    DECEASED = 12
    DNC_REQUEST = 13
    CONNECTED_OTHER = 14
    HUNG_UP = 15
    ABANDONED = 16
    MACHINE = 17
    MACHINE_MESSAGE_LEFT = 18
    FAX = 19
    NO_ANSWER = 20
    BUSY = 21
    INVALID_NUMBER = 22
    TEMPORARY_FAILURE = 23
    DEAD_AIR = 24
    WRONG_TIME = 25
    SUPPRESSED_DNC = 26
    SUPPRESSED_RULE = 27
    AGENT_ERROR = 28
    NOT_ATTEMPTED = 29


@dataclass(frozen=True, slots=True)
class Effect:
    """What a disposition says: the touch's outcome (none: it says nothing), the action, a consent change."""

    outcome: Outcome | None
    action: Action = Action.OK
    side: Side | None = None
    right_party: bool = False
    rang: bool = True


D = Disposition
A = Action
EFFECTS: dict[Disposition, Effect] = {
    D.SALE: Effect(Outcome.AGREED, right_party=True),
    D.PROMISE: Effect(Outcome.AGREED, right_party=True),
    D.INTERESTED: Effect(Outcome.CONNECTED, right_party=True),
    D.CALLBACK_AGREED: Effect(Outcome.CALLBACK_REQUESTED, A.RETRY, right_party=True),
    D.CALLBACK_REQUESTED_UNTIMED: Effect(Outcome.CALLBACK_REQUESTED, A.RETRY, right_party=True),
    D.NOT_INTERESTED: Effect(Outcome.DECLINED, right_party=True),
    D.NOT_ELIGIBLE: Effect(Outcome.CONNECTED, right_party=True),
    D.ALREADY_CUSTOMER: Effect(Outcome.CONNECTED, right_party=True),
    D.LANGUAGE_BARRIER: Effect(Outcome.CONNECTED, A.RETRY, right_party=True),
    D.GATEKEEPER: Effect(Outcome.CONNECTED, A.RETRY),
    D.WRONG_NUMBER: Effect(Outcome.BOUNCED_HARD, A.DROP_ADDRESS),
    D.DECEASED: Effect(Outcome.CONNECTED, A.DROP_CONSENT, Side.UNSUBSCRIBED),
    D.DNC_REQUEST: Effect(Outcome.DECLINED, A.DROP_CONSENT, Side.UNSUBSCRIBED, right_party=True),
    D.CONNECTED_OTHER: Effect(Outcome.CONNECTED),
    D.HUNG_UP: Effect(Outcome.CONNECTED),
    D.ABANDONED: Effect(Outcome.FAILED, A.RETRY),
    D.MACHINE: Effect(Outcome.MACHINE, A.RETRY),
    D.MACHINE_MESSAGE_LEFT: Effect(Outcome.MACHINE, A.RETRY),
    D.FAX: Effect(Outcome.MACHINE, A.DROP_ADDRESS),
    D.NO_ANSWER: Effect(Outcome.NO_ANSWER, A.RETRY),
    D.BUSY: Effect(Outcome.BUSY, A.RETRY),
    D.INVALID_NUMBER: Effect(Outcome.BOUNCED_HARD, A.DROP_ADDRESS),
    D.TEMPORARY_FAILURE: Effect(Outcome.FAILED, A.RETRY),
    D.DEAD_AIR: Effect(Outcome.FAILED, A.RETRY),
    D.WRONG_TIME: Effect(Outcome.REJECTED, A.RETRY, rang=False),
    D.SUPPRESSED_DNC: Effect(Outcome.REJECTED, A.DROP_CONSENT, Side.UNSUBSCRIBED, rang=False),
    D.SUPPRESSED_RULE: Effect(Outcome.REJECTED, A.RETRY, rang=False),
    D.AGENT_ERROR: Effect(None),
    D.NOT_ATTEMPTED: Effect(None, rang=False),
}

ABSORBING = (D.DNC_REQUEST, D.DECEASED, D.SALE)
"""Nothing later replaces these; the first named is the strongest."""

ENDS_ALL_CONTACT = frozenset({D.DNC_REQUEST, D.DECEASED, D.SUPPRESSED_DNC})
"""Dispositions that suppress the customer on every channel, at once."""

ENDS_NUMBER = frozenset({D.WRONG_NUMBER, D.INVALID_NUMBER})
"""Dispositions after which the number is nobody's or somebody else's, whatever the channel."""

HEARD = ENDS_ALL_CONTACT | ENDS_NUMBER
"""Dispositions that act whatever else was said of the same call."""

LIVE = frozenset(
    {
        D.SALE,
        D.PROMISE,
        D.INTERESTED,
        D.CALLBACK_AGREED,
        D.CALLBACK_REQUESTED_UNTIMED,
        D.NOT_INTERESTED,
        D.NOT_ELIGIBLE,
        D.ALREADY_CUSTOMER,
        D.LANGUAGE_BARRIER,
        D.GATEKEEPER,
        D.WRONG_NUMBER,
        D.DECEASED,
        D.DNC_REQUEST,
        D.CONNECTED_OTHER,
        D.HUNG_UP,
        D.ABANDONED,
    }
)
"""Dispositions of calls that a person answered, whoever it was and whether or not an agent came on the line."""

SAYING = frozenset(d for d, effect in EFFECTS.items() if effect.outcome is not None)
"""Dispositions that say something of the touch; what others ended is as if nobody had called."""
DIALS = frozenset(d for d, effect in EFFECTS.items() if effect.rang)
"""Dispositions of calls that went to the carrier."""

RIGHT_PARTY = frozenset(d for d, effect in EFFECTS.items() if effect.right_party)
"""Dispositions of calls in which an agent spoke with whom the call was for."""

COULD_BE_ANSWERED = frozenset(
    d for d, effect in EFFECTS.items() if effect.rang and d not in (D.AGENT_ERROR, D.TEMPORARY_FAILURE)
)
"""Dispositions of calls that could have been answered, so that their answers are a rate."""


def strength(disposition: Disposition) -> int:
    """How a call counts against others of its touch: absorbing 2 to 4, right party 1, else 0; ties by time, call id."""
    if disposition in ABSORBING:
        return 4 - ABSORBING.index(disposition)
    return int(EFFECTS[disposition].right_party)


def finality(disposition: Disposition) -> int:
    """How a word counts against others of the same call: what ends all contact 5 to 3, the right party's 2.

    Then what ends the number 1, else 0: of equals the first.
    """
    if disposition in ENDS_ALL_CONTACT:
        return max(3, strength(disposition) + 1)
    return 2 if EFFECTS[disposition].right_party else int(disposition in ENDS_NUMBER)
