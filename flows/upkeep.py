"""Housekeeping at every tick, a short list of steps; each is cheap when there is nothing to do, and safe to kill."""

from __future__ import annotations

from datetime import datetime

from channels import spool
from flows.dial_expiry import keep_leases
from flows.doubting import clear_doubts
from flows.reports import record_early
from flows.room import Room
from flows.spooling import merge_spool
from flows.stops import keep_stops
from flows.tasks import refresh_worklists
from ledger import workers
from ledger.provider_refs import drop_old_refs
from ledger.retention import drop_old_raw
from ledger.touches import sweep


def upkeep(room: Room, now: datetime) -> int:
    """Merge, sweep, clear doubts, keep stops and leases; how many touches of lost workers are in doubt or proved sent.

    The spool comes first: what providers said decides what a lost worker's touch is, and who may be contacted now.
    """
    merged = merge_spool(room, now)
    if merged.aside:
        room.tell(f"{merged.aside} callbacks could not be read and are kept aside; multiwave doctor tells more")
    record_early(room, now)
    with room.ledger.write() as connection:
        workers.forget(connection)
        gone = room.all_workers_gone and not workers.others_work(connection, room.instance, room.settings.lease)
        swept = sweep(connection, now, gone)
    clear_doubts(room, now)
    keep_stops(room, now)
    keep_leases(room, now)
    _keep_worklists(room, now)
    spool.drop_old(room.settings.spool_folder, room.settings.keep_raw)
    drop_old_raw(room.ledger, now - room.settings.keep_raw)
    drop_old_refs(room.ledger, now - room.settings.keep_raw)
    return swept


def _keep_worklists(room: Room, now: datetime) -> None:
    """One that cannot be written stops no campaign: the record of sending is the truth."""
    try:
        refresh_worklists(room, now, only_if_changed=True)
    except OSError as error:
        room.tell(f"worklists cannot be made anew: {error.strerror}")
