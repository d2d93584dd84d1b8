"""Erase a customer: stop everything at once, then the files that we wrote, then the ledger, last the key."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from channels.forgetting import forget_in_lists, forget_in_outbox
from channels.spool import forget as forget_in_spool
from flows.room import Room
from flows.spooling import merge_spool
from flows.tasks import refresh_worklists
from ledger import erasure
from ledger.store import empty_log
from waves.errors import LedgerError, TokenError
from waves.seals import sealer
from waves.subscriptions import endpoint_in
from waves.tokens import Kind, make_token, read_token

PATIENCE_S = 20.0
"""How long a message that a worker is sending this moment is waited for."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done: whether it was new, lines and entries emptied in files, dial lists still out there."""

    new: bool
    outbox_lines: int
    list_entries: int
    spool_records: int
    lists_out: tuple[int, ...]


def erase_customer(room: Room, key: str, by: str, patience_s: float = PATIENCE_S) -> Erased:
    """Erase the customer with this key everywhere; again, it finishes what was cut off. LedgerError when unknown.

    Their contact is stopped by the first commit, whatever comes after. The ledger is emptied last, because the files
    are found by what it holds.
    """
    seal, began = sealer(room.token_key), time.monotonic()
    while True:
        with room.ledger.write() as connection:
            subject = erasure.stop_for_good(connection, key, seal, room.ledger.now())
        if not subject.in_hand:
            break
        if time.monotonic() - began >= patience_s:
            raise LedgerError(
                "nothing more goes to this customer from now on, but a worker has a message to them in hand; "
                "run the same command again in a few minutes to erase the rest"
            )
        threading.Event().wait(0.2)
    merge_spool(room, room.ledger.now())
    tokens = {make_token(room.token_key, Kind.TOUCH, touch) for touch in subject.touches}
    entries = {make_token(room.token_key, Kind.DIAL_ENTRY, entry) for entry in subject.entries}

    def mine(line: Mapping[str, object]) -> bool:
        return line["token"] in tokens or (line.get("to") in subject.values and _is_test(room, str(line["token"])))

    lines = forget_in_outbox(room.settings.home / "outbox", mine)
    listed = forget_in_lists(room.settings.home / "dial-lists", entries)
    refresh_worklists(room, room.ledger.now())  # from the record, in which they are nobody any more
    endpoints = [found for found in map(endpoint_in, subject.values) if found]  # its quotes are written otherwise there
    named = [f'"customer": {json.dumps(key)}', f'"customer": {subject.id}}}']  # as our own pages keep them
    kept_aside = forget_in_spool(room.settings.spool_folder, [*subject.values, *endpoints, *tokens, *named])
    with room.ledger.write() as connection:
        new = erasure.erase(connection, key, subject, seal, by, room.ledger.now())
    empty_log(room.ledger)
    return Erased(new, lines, listed, kept_aside, subject.lists_out)


def _is_test(room: Room, token: str) -> bool:
    try:
        return read_token(room.token_key, token)[0] is Kind.TEST
    except TokenError:
        return False
