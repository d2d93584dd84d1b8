"""Who holds a lease: a word of its own for each, and which of a channel's senders it sends by.

The word is written on every touch it claims. So it is known, after a kill too, whom a message may have been handed to.
"""

from __future__ import annotations

import secrets

from sqlalchemy import ColumnElement, case, func

from ledger import tables as t

BYTES, LENGTH = 6, 8
"""That nobody else has the word is all it says, so it is short."""
MARK = "/"


def new_owner(sender: str | None = None) -> str:
    """A word nobody has had; with the sender, where there may be another one some day."""
    word = secrets.token_urlsafe(BYTES)
    return word if sender is None else f"{word}{MARK}{sender}"


def sender_in(owner: str) -> str | None:
    """The sender that a lease sends by; None where its channel has only one, on this machine."""
    return owner[LENGTH + 1 :] if owner[LENGTH : LENGTH + 1] == MARK else None


def claimed_by_sender() -> ColumnElement[str | None]:
    """The sender that a touch was or will be handed to, as far as anybody knows."""
    c = t.touch.c
    named = func.substr(c.claimed_by, LENGTH + 2)
    return case((func.substr(c.claimed_by, LENGTH + 1, 1) == MARK, named), else_=c.provider)
