"""What an SMTP server's reply means for a message: RFC 5321 codes, with RFC 3463 enhanced codes where it sends them."""

from __future__ import annotations

import re
from typing import NamedTuple

from channels.meanings import Meaning, receipt
from waves.message import Receipt
from waves.outcomes import Action, Outcome, Reason

LOST_AFTER_THE_DOT = Meaning(None, Reason.PROVIDER, Action.RECONCILE)
"""RFC 1047: the server may have taken it."""
LOST_EARLIER = Meaning(Outcome.DEFERRED, Reason.PROVIDER, Action.RETRY, 60)
"""A message without its final dot is not taken (RFC 5321, 4.1.1.4)."""
GONE = Meaning(Outcome.BOUNCED_HARD, Reason.ADDRESS_GONE, Action.DROP_ADDRESS)
NO = Meaning(Outcome.BOUNCED_SOFT, Reason.OTHER, Action.NEXT_CHANNEL)

REPLIES: tuple[tuple[str, Meaning], ...] = (
    (r"2.. .*", Meaning(Outcome.IN_TRANSIT)),
    (r"53[0458] .*", Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER)),  # 535 carries 5.7.8
    (r"4.. 4\.7\.\d+", Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.RETRY, 900)),
    (r"4.. .*", Meaning(Outcome.DEFERRED, Reason.UNREACHABLE, Action.RETRY, 900)),
    (r"5.. 5\.(1\.(1|2|3|6|10)|2\.1)", GONE),
    (r"55[013] ", GONE),
    (r"5.. 5\.2\.2", Meaning(Outcome.BOUNCED_SOFT, Reason.UNREACHABLE, Action.RETRY, 86_400)),
    (r"5.. 5\.7\.\d+|554 .*", Meaning(Outcome.BOUNCED_SOFT, Reason.BLOCKED, Action.PAUSE_SENDER)),
    (r"552 .*|5.. 5\.(3\.4|2\.3)", Meaning(Outcome.FAILED, Reason.TOO_LARGE, Action.BUG)),
    (r"5.. .*", NO),
)
"""`CODE ENHANCED`, where the enhanced code may be empty, and its meaning; the first match counts."""

SENDER_REFUSED = Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER)
"""A 5xx to MAIL FROM that speaks of no recipient: an address must not die of it."""
OF_THE_MESSAGE = frozenset({Action.BUG, Action.STOP_PROVIDER})
"""What a 5xx to MAIL FROM may mean all the same: too large, or no right to send."""
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")


class Reply(NamedTuple):
    """A reply, whole: its code, and its enhanced code or nothing."""

    code: int
    enhanced: str = ""

    @classmethod
    def of(cls, code: int, text: str) -> Reply:
        """The reply with this text after its code."""
        found = ENHANCED.match(text.lstrip())
        return cls(code, found[0] if found else "")

    @property
    def is_yes(self) -> bool:
        """Whether it says that it was done."""
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}"


def meaning_of(reply: Reply, to_sender: bool = False, to_text: bool = False) -> Meaning | None:
    """The meaning of a reply; None for a code that is none of an end (1xx, 3xx). RFC 5321 4.2.1.

    `to_sender` if MAIL FROM was answered, `to_text` if the text was: what a bare 550 dislikes there may be the text
    (Exim's filters say no more), and the address, which was taken before, must not die of it.
    """
    found = next((meaning for pattern, meaning in REPLIES if re.fullmatch(pattern, str(reply))), None)
    if to_sender and found is not None and reply.code >= 500 and found.action not in OF_THE_MESSAGE:
        return SENDER_REFUSED
    return NO if to_text and found is GONE and not reply.enhanced else found


def receipt_of(token: str, meaning: Meaning, begun: bool = True) -> Receipt:
    """The receipt of a message; where no recipient was named yet, what is wrong with the sender costs no touch."""
    if not begun and meaning.action in (Action.STOP_PROVIDER, Action.PAUSE_SENDER):
        return Receipt(token, "not_sent", None, meaning.reason, meaning.action, LOST_EARLIER.retry_after_s)
    return receipt(token, meaning)
