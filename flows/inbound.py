"""Replies into the ledger: read by the table of keywords, then recorded with the message that they answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from config.keywords import load_keywords, packaged_keywords
from flows.room import Room
from ledger.events import Recorded
from ledger.replies import NewReply, record_replies
from waves.errors import PlanError
from waves.message import CHANNEL_CODES, Inbound
from waves.replies import Keywords
from waves.seals import sealer

NOT_A_PERSON = ("auto-submitted", "auto_submitted", "x-autoreply", "x-autorespond")
"""Headers by which a mail says that a machine wrote it (RFC 3834), where a provider hands them on."""

AT_ONCE = 100
"""Replies in one transaction; each takes a dozen statements, and whoever sends waits meanwhile."""


def keywords_of(room: Room) -> Keywords:
    """The home's table; the packaged one where that cannot be read, so that nobody's STOP waits for a typo."""
    try:
        return load_keywords(room.settings.home / "config")
    except PlanError as error:
        room.tell_once(f"keywords cannot be read, and those of the release are used: {error.problems[0]}")
        return packaged_keywords()


def record_inbound(room: Room, came: Sequence[Inbound], now: datetime) -> Recorded:
    """Store replies; one from an address that nobody has is kept with no message, and its STOP counts all the same."""
    if not came:
        return Recorded(0, 0, 0)
    table, seal = keywords_of(room), sealer(room.token_key)
    new = [
        NewReply(
            channel=CHANNEL_CODES[one.channel],
            value=one.address,
            sealed=seal("address", one.address),
            at=one.at,
            provider=one.provider,
            provider_event_id=one.provider_event_id,
            reading=table.read(one.text, one.keyword, _is_automatic(one)),
            raw={**one.raw, "text": one.text, "from": one.address},
        )
        for one in came
    ]
    new.sort(key=lambda one: (one.at, one.provider_event_id))
    found = Recorded(0, 0, 0)
    for start in range(0, len(new), AT_ONCE):
        began = time.monotonic()
        with room.ledger.write() as connection:
            part = record_replies(connection, new[start : start + AT_ONCE], now)
        found = Recorded(found.new + part.new, found.known + part.known, found.unknown_touch + part.unknown_touch)
        room.ledger.give_way(time.monotonic() - began)
    return found


def _is_automatic(one: Inbound) -> bool:
    said = {str(name).lower(): str(value).strip().lower() for name, value in one.raw.items()}
    return any(said.get(name, "no") not in ("no", "") for name in NOT_A_PERSON)
