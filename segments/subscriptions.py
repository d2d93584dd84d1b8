"""What browsers said of their push subscriptions, laid over the addresses of channel web_push.

A person's own act is heard as a report is: the latest word on an address counts, a no wins a tie, and what standing
instructions (suppressions) say stays as it is. All of it may be told twice and changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.addresses import by_event, yields_to_denial
from ledger.store import record_alone
from segments.addresses import as_kept
from segments.consent import FROM_BROWSER, FROM_EVENT
from segments.customers import IMPORT_LOCK
from waves.message import CHANNEL_CODES, AddressState, Consent, PushChange
from waves.outcomes import State
from waves.subscriptions import endpoint_in, starts_with

CHANNEL = CHANNEL_CODES["web_push"]
OK, REPLACED, DEAD = int(AddressState.OK), int(AddressState.REPLACED), int(AddressState.DEAD)
GRANTED, DENIED = int(Consent.GRANTED), int(Consent.DENIED)


def keep_subscriptions(connection: Connection, changes: Sequence[PushChange]) -> int:
    """Lay these changes over the addresses, in the order of their times; how many of them changed anything."""
    if changes and connection.dialect.name == "postgresql":
        # The others who write addresses, row after row.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK})
        record_alone(connection)
    return sum(ACTS[change.act](connection, change) for change in sorted(changes, key=lambda change: change.at))


def spelled(connection: Connection, typed: str, region: str) -> list[str]:
    """An address that somebody typed, as the ledger spells it, and as it was typed.

    A push endpoint alone names its subscriptions, a mailbox is the same in any case, and a telephone number may be
    written as people of `region` do.
    """
    typed, a = typed.strip(), t.address.c
    if typed.startswith("https://"):
        return sorted({row.value for row in _holders(connection, typed)}) or [typed]
    kept = as_kept(typed, region)
    same = select(a.value).where(a.channel == CHANNEL_CODES["email"], func.lower(a.value) == kept.lower())
    return sorted({typed, kept, *(connection.scalars(same) if "@" in kept else ())})


def is_held(connection: Connection, values: Sequence[str]) -> bool:
    """Whether some customer has one of these addresses (ix_address_channel_value)."""
    a = t.address.c
    found = select(a.id).where(a.channel.in_(CHANNEL_CODES.values()), a.value.in_(values)).limit(1)
    return connection.scalar(found) is not None


def _holders(connection: Connection, endpoint: str) -> Sequence[Row[Any]]:
    """Everybody who has or had this endpoint (ix_address_channel_value)."""
    a, (low, high) = t.address.c, starts_with(endpoint)
    return connection.execute(
        select(t.address).where(a.channel == CHANNEL, a.value >= low, a.value < high).order_by(a.id)
    ).all()


def _subscribe(connection: Connection, change: PushChange) -> bool:
    """This customer holds the browser from now on, and nobody else does; they said yes.

    Not if somebody else said so later, nor for whoever was erased. A subscription that was refused as gone stays dead.
    """
    c = t.customer.c
    live = select(c.id).where(c.id == change.customer, c.erased_at.is_(None))
    if connection.scalar(live) is None or change.value is None:
        return False
    holders = _holders(connection, change.endpoint)
    if any(row.customer != change.customer and _is_later(row, change) for row in holders):
        return False
    changed = _let_go(connection, [row for row in holders if not _is_its_own(row, change)])
    mine = next((row for row in holders if _is_its_own(row, change)), None)
    if mine is None:
        _add(connection, change.customer, change.value, {**_consent(connection, change), "preference": 0})
    else:
        changed |= _take_up(connection, mine.id, change)
    return _prefer(connection, change) or changed or mine is None


def _consent(connection: Connection, change: PushChange) -> dict[str, object]:
    """That of a new address: a yes, unless a no of the person's own that was said since is known already."""
    a = t.address.c
    mine = (a.customer == change.customer, a.channel == CHANNEL)
    no = (a.consent == DENIED, by_event(), a.consent_at >= change.at)
    since = connection.scalar(select(func.max(a.consent_at)).where(*mine, *no))
    if since is None:
        return {"consent": GRANTED, "consent_source": FROM_BROWSER, "consent_at": change.at}
    return {"consent": DENIED, "consent_source": FROM_EVENT, "consent_at": since}


def _visit(connection: Connection, change: PushChange) -> bool:
    """Whose browser it is now; as they were asked nothing, a no of theirs stands, and no older yes becomes newer."""
    a, holders = t.address.c, _holders(connection, change.endpoint)
    known = [row.consent for row in holders if _is_its_own(row, change)] or connection.scalars(
        select(a.consent).where(a.customer == change.customer, a.channel == CHANNEL)
    )
    if DENIED not in known:
        return _subscribe(connection, change)
    return _let_go(
        connection, [one for one in holders if one.customer != change.customer and not _is_later(one, change)]
    )


def _is_later(row: Row[Any], change: PushChange) -> bool:
    return bool(row.state < REPLACED and row.consent_source == FROM_BROWSER and row.consent_at > change.at)


def _is_its_own(row: Row[Any], change: PushChange) -> bool:
    return bool(row.customer == change.customer and row.value == change.value)


def _let_go(connection: Connection, rows: Sequence[Row[Any]]) -> bool:
    """Nobody is reached at these addresses any more."""
    a, live = t.address.c, [row.id for row in rows if row.state < REPLACED]
    gone = update(t.address).where(a.id.in_(live)).values(state=REPLACED, shared=False)
    return bool(live) and bool(connection.execute(gone).rowcount)


def _add(connection: Connection, customer: int | None, value: str | None, more: Mapping[str, object]) -> int:
    row = {"customer": customer, "channel": CHANNEL, "value": value, "state": OK, "shared": False, **more}
    return int(connection.execute(insert(t.address).values(row).returning(t.address.c.id)).scalar_one())


def _take_up(connection: Connection, address: int, change: PushChange) -> bool:
    """An address that is known already is this customer's again, with their yes unless a later word stands."""
    a, changed = t.address.c, _revive(connection, address)
    older = or_(a.consent_at.is_(None), a.consent_at < change.at)
    if change.act == "visit":
        older &= a.consent != GRANTED
    yes = update(t.address).where(a.id == address, older)
    yes = yes.values(consent=GRANTED, consent_source=FROM_BROWSER, consent_at=change.at)
    return bool(connection.execute(yes).rowcount) or changed


def _revive(connection: Connection, address: int) -> bool:
    """Its customer's again, and nobody else's; one that was refused as gone stays dead."""
    a = t.address.c
    states = update(t.address).where(a.id == address, a.state.not_in([OK, DEAD]) | a.shared)
    alive = case((a.state == DEAD, DEAD), else_=OK)
    return bool(connection.execute(states.values(state=alive, shared=False)).rowcount)


def _prefer(connection: Connection, change: PushChange) -> bool:
    """Of several browsers the one that was seen last is asked."""
    a = t.address.c
    mine = (a.customer == change.customer) & (a.channel == CHANNEL) & (a.consent_source == FROM_BROWSER)
    other = update(t.address).where(mine, a.value != change.value, a.preference == 0, a.consent_at < change.at)
    connection.execute(other.values(preference=1))
    later = select(a.id).where(mine, a.value != change.value, a.preference == 0).exists()
    this = update(t.address).where(mine, a.value == change.value, a.preference != 0, ~later)
    return bool(connection.execute(this.values(preference=0)).rowcount)


def _renew(connection: Connection, change: PushChange) -> bool:
    """The browser's subscription has another endpoint: it is the same person's, with what they said of the old one.

    Not if somebody else said yes there later. The row of the old endpoint stays behind, so that a refusal that is still
    on its way does not bury the new one. What is queued goes to the new one.
    """
    holders = _holders(connection, change.endpoint)
    held = [row for row in holders if row.state != REPLACED and row.value != change.value]
    if not held or change.value is None:
        return False
    for row in held:
        theirs = [one for one in _holders(connection, endpoint_in(change.value) or "") if one.customer != row.customer]
        if not any(_is_later(one, change) for one in theirs):
            _move(connection, row, change)
            _let_go(connection, theirs)
        _let_go(connection, [row])
    return True


def _move(connection: Connection, old: Row[Any], change: PushChange) -> None:
    """What was said of an address, what stands against it and what is queued for it holds at the new one."""
    a, c = t.address.c, t.touch.c
    mine = (a.customer == old.customer, a.channel == CHANNEL, a.value == change.value)
    new = connection.scalar(select(a.id).where(*mine))
    said = {name: getattr(old, name) for name in ("consent", "consent_source", "consent_at")}
    if new is None:
        new = _add(connection, old.customer, change.value, {**said, "preference": old.preference})
    else:
        _revive(connection, new)
        if old.consent_at is not None:
            no_wins_a_tie = (a.consent_at == old.consent_at) & (old.consent == DENIED)
            older = or_(a.consent_at.is_(None), a.consent_at < old.consent_at, no_wins_a_tie)
            connection.execute(update(t.address).where(a.id == new, older).values(said))
    _suppress_too(connection, old.value, change)
    queued = (c.customer == old.customer, c.address == old.id, c.state == int(State.QUEUED))
    connection.execute(update(t.touch).where(*queued).values(address=new))  # ix_touch_customer


def _suppress_too(connection: Connection, old: str, change: PushChange) -> None:
    """What stands against the old address stands against the new one."""
    s = t.suppression.c
    standing = connection.execute(
        select(s.channel, s.reason, s.source, s.since, s.until).where(
            s.value == old, s.customer.is_(None), or_(s.until.is_(None), s.until > change.at)
        )  # ix_suppression_value
    ).all()
    if standing:
        make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        rows = [{**row._mapping, "customer": None, "value": change.value} for row in standing]
        connection.execute(make(t.suppression).on_conflict_do_nothing(), rows)


def _unsubscribe(connection: Connection, change: PushChange) -> bool:
    """Whoever has this browser is not asked there any more, as after a STOP from it; their other browsers are."""
    a, ids = t.address.c, [row.id for row in _holders(connection, change.endpoint)]
    no = update(t.address).where(a.id.in_(ids), yields_to_denial(change.at))
    no = no.values(consent=DENIED, consent_source=FROM_EVENT, consent_at=change.at)
    return bool(ids) and bool(connection.execute(no).rowcount)


ACTS: dict[str, Callable[[Connection, PushChange], bool]] = {
    "subscribe": _subscribe,
    "visit": _visit,
    "renew": _renew,
    "unsubscribe": _unsubscribe,
}
