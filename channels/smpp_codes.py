"""What the codes of an SMSC mean: command_status of its answers, the state of a message in its receipts."""

from __future__ import annotations

from channels.meanings import Meaning
from waves.outcomes import Action, Outcome, Reason, Side

REJECTED = Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG)
WRONG_SOURCE = Meaning(Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER)
NO_ENTRY = Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER)
NOT_NOW = Meaning(Outcome.DEFERRED, Reason.PROVIDER, Action.RETRY, 60)

STATUS: dict[int, Meaning] = {
    0x00: Meaning(Outcome.ACCEPTED),  # ESME_ROK
    0x01: Meaning(Outcome.FAILED, Reason.TOO_LARGE, Action.BUG),  # ESME_RINVMSGLEN
    0x02: REJECTED,  # ESME_RINVCMDLEN
    0x03: REJECTED,  # ESME_RINVCMDID
    0x04: NOT_NOW,  # ESME_RINVBNDSTS: it takes us for not bound
    0x05: NOT_NOW,  # ESME_RALYBND: another session of ours is still there
    0x06: REJECTED,  # ESME_RINVPRTFLG
    0x07: REJECTED,  # ESME_RINVREGDLVFLG
    0x08: NOT_NOW,  # ESME_RSYSERR
    0x0A: WRONG_SOURCE,  # ESME_RINVSRCADR
    0x0B: Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),  # ESME_RINVDSTADR
    0x0D: NO_ENTRY,  # ESME_RBINDFAIL
    0x0E: NO_ENTRY,  # ESME_RINVPASWD
    0x0F: NO_ENTRY,  # ESME_RINVSYSID
    0x14: Meaning(Outcome.DEFERRED, Reason.QUEUE_FULL, Action.PAUSE_SENDER, 60),  # ESME_RMSGQFUL
    0x15: Meaning(Outcome.FAILED, Reason.CONFIG, Action.PAUSE_SENDER),  # ESME_RINVSERTYP
    0x43: REJECTED,  # ESME_RINVESMCLASS
    0x45: Meaning(Outcome.FAILED, Reason.PROVIDER, Action.RETRY, 60),  # ESME_RSUBMITFAIL
    0x48: WRONG_SOURCE,  # ESME_RINVSRCTON
    0x49: WRONG_SOURCE,  # ESME_RINVSRCNPI
    0x50: Meaning(Outcome.FAILED, Reason.CONFIG, Action.PAUSE_SENDER),  # ESME_RINVDSTTON
    0x51: Meaning(Outcome.FAILED, Reason.CONFIG, Action.PAUSE_SENDER),  # ESME_RINVDSTNPI
    0x53: NO_ENTRY,  # ESME_RINVSYSTYP
    0x58: Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.PAUSE_SENDER, 1),  # ESME_RTHROTTLED
    0x61: REJECTED,  # ESME_RINVSCHED
    0x62: REJECTED,  # ESME_RINVEXPIRY
}
"""command_status of a submit_sm_resp, a bind_resp or a generic_nack (SMPP 3.4, 5.1.3)."""
UNKNOWN_STATUS = Meaning(Outcome.FAILED, Reason.OTHER, Action.NEXT_CHANNEL)
"""Any other one, such as a vendor's own: the SMSC said no to this message, and nobody knows whether it ever says yes.

So it is refused and not tried again there; `first_of` may go on, as after any failure that names no other action.
"""

STATE: dict[int, Meaning] = {
    1: Meaning(Outcome.IN_TRANSIT),  # ENROUTE
    2: Meaning(Outcome.DELIVERED),  # DELIVERED
    3: Meaning(Outcome.LAPSED, Reason.UNREACHABLE, Action.NEXT_CHANNEL),  # EXPIRED
    4: Meaning(Outcome.CANCELED),  # DELETED
    5: Meaning(Outcome.BOUNCED_SOFT, Reason.UNREACHABLE, Action.NEXT_CHANNEL),  # UNDELIVERABLE
    6: Meaning(Outcome.IN_TRANSIT),  # ACCEPTED
    7: Meaning(Side.UNKNOWN),  # UNKNOWN
    8: Meaning(Outcome.REJECTED, Reason.BLOCKED, Action.NEXT_CHANNEL),  # REJECTED
}
"""The TLV message_state of a receipt (5.2.28)."""

STAT: dict[str, int] = {
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
}
"""The word behind `stat:` in a receipt's text (appendix B) -> the state it spells."""
STATE_WORDS = {state: stat for stat, state in STAT.items()}


def status_meaning(status: int) -> Meaning:
    """What an answer's command_status means."""
    return STATUS.get(status, UNKNOWN_STATUS)


def state_meaning(state: int) -> Meaning:
    """What a receipt's state means; one that SMPP 3.4 does not have is unknown."""
    return STATE.get(state, STATE[7])
