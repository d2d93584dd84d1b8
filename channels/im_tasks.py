"""Provider `im_tasks`: messages that a person types by hand, on services that let no program of ours send.

An address is `SERVICE:ACCOUNT`, such as `qq:12345678`. A service that has closed is a fine address and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from channels.opening import Opening
from channels.task_record import TaskRecord
from waves.message import Channel, Message, Receipt
from waves.outcomes import Action, Reason

FOLDER = "im"
ADDRESS = re.compile(r"([a-z][a-z0-9_]{1,19}):\s*(\S(?:.*\S)?)")
CLOSED: Mapping[str, str] = {
    "msn": "MSN Messenger closed in 2013 (in mainland China in 2014); its users were moved to Skype",
    "skype": "Skype closed in May 2025; its users were moved to Teams",
    "yahoo": "Yahoo Messenger closed in July 2018",
    "aim": "AOL Instant Messenger closed in December 2017",
    "icq": "ICQ closed in June 2024",
    "google_talk": "Google Talk closed in June 2022",
    "hangouts": "Google Hangouts closed in November 2022",
    "bbm": "BlackBerry Messenger for consumers closed in May 2019",
}
"""Services that nobody can be reached on any more: since when, and what became of them."""


def open_im(opening: Opening) -> Channel:
    """The messages of a home that people send by hand, their lists in its folder `im`."""
    return TaskRecord("im_tasks", opening.capabilities, opening.folder, opening.folder.parent / FOLDER, unreachable)


def unreachable(message: Message) -> Receipt | None:
    """Refused: an address that names no service, and, as `not_capable`, one on a service that has closed."""
    found = ADDRESS.fullmatch(message.address.strip().lower())
    if found is None:
        said = "the address names no service; write it as qq:ACCOUNT, wechat:ACCOUNT or the like"
        return Receipt(message.token, "refused", said, Reason.INVALID_ADDRESS, Action.NEXT_CHANNEL)
    if found[1] in CLOSED:
        return Receipt(message.token, "refused", CLOSED[found[1]], Reason.NOT_CAPABLE, Action.NEXT_CHANNEL)
    return None
