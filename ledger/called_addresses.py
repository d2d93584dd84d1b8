"""What calls do to addresses: numbers that are dead, how addresses stood before a file's calls, and without them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.addresses import FROM_EVENT, burial, dialled
from ledger.dial_tables import called_address, spare_call
from ledger.events import act, speaking
from ledger.sql import among
from waves.dispositions import EFFECTS, ENDS_NUMBER
from waves.message import CHANNEL_CODES, AddressState, Consent
from waves.outcomes import Action, State

CALL = CHANNEL_CODES["call_list"]
SPEAKS = [int(d) for d, effect in EFFECTS.items() if effect.action in (Action.DROP_ADDRESS, Action.DROP_CONSENT)]
STOOD = ("state", "consent", "consent_source", "consent_at")
INHERITED = "inherited"
"""As segments.consent writes it of a new address whose customer had said no on that channel."""
UNKNOWN: dict[str, Any] = {"consent": int(Consent.UNKNOWN), "consent_source": None, "consent_at": None}


def drop_numbers(connection: Connection, said: Select[Any]) -> None:
    """A number that calls (touch, number, disposition) found nobody's or somebody else's is dead for the customer.

    On every channel, but a fax's for calls alone. It is the number that was dialled, or that the list named, when that
    one is none of the customer's.
    """
    k, a, c = said.subquery("said").c, t.address.c, t.touch.c
    listed, of_call = t.address.alias("listed"), t.address.alias("of_call")
    wrong = (
        select(c.customer, c.channel, func.coalesce(of_call.c.value, listed.c.value).label("value"), k.disposition)
        .join_from(t.touch, k.touch.table, c.id == k.touch)
        .join(listed, listed.c.id == c.address)
        .outerjoin(of_call, dialled(of_call, c.customer, k.number))
        .where(k.disposition.in_([int(d) for d, e in EFFECTS.items() if e.action is Action.DROP_ADDRESS]))
        .subquery("wrong")
    )
    covered = or_(a.channel == wrong.c.channel, wrong.c.disposition.in_([int(d) for d in ENDS_NUMBER]))
    connection.execute(
        update(t.address)
        .where(a.customer == wrong.c.customer, a.value == wrong.c.value, covered)
        .values(state=int(AddressState.DEAD))
    )


def told_by_calls(which: ColumnElement[bool]) -> Select[Any]:
    """What `which` calls say of their numbers."""
    k = t.call.c
    return select(k.touch, k.number, k.disposition).where(which)


def remember_addresses(connection: Connection, file: int, mark: int, touches: Collection[int], now: datetime) -> None:
    """Keep the addresses that the calls after `mark`, and more of these `touches`, speak of as they are.

    What a file found first stays.

    A no to calls covers everybody who has the number (ix_address_channel_value).
    """
    k, c, a, told = t.call.c, t.touch.c, t.address.c, t.address.alias("told")
    said = select(c.customer, c.address, k.number).join_from(t.call, t.touch, c.id == k.touch)
    found = [*connection.execute(said.where(k.event > mark, k.disposition.in_(SPEAKS)))]
    if touches:
        also = select(c.customer, c.address, null().label("number")).where(among(c.id, touches))
        found += connection.execute(also)
    if not found:
        return
    values = select(told.c.value).where(among(told.c.id, {row.address for row in found}))
    numbers = {number for row in found if row.number for number in (row.number, f"+{row.number}")}
    alike = (a.channel == CALL) & or_(a.value.in_(values), among(a.value, numbers))
    covered = or_(among(a.customer, {row.customer for row in found}), alike)
    s = called_address.c
    mine = [literal(mark, s.mark.type), literal(now, s.at.type)]
    stood = select(literal(file, s.file.type), a.id, *(a[name] for name in STOOD), *mine)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    columns = ["file", "address", *STOOD, "mark", "at"]
    connection.execute(make(called_address).from_select(columns, stood.where(covered)).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class Restored:
    """How many addresses are as they were, and how many wait for the next import of customers."""

    back: int
    waiting: int


def restore_addresses(connection: Connection, file: int) -> Restored:
    """Take back what a file's calls, which count no more, did to addresses; what others said since acts again.

    Nothing of an address that was erased. Of customers who were imported meanwhile nobody knows what the import
    would have made of the address: it is `replaced` and its consent unknown, until it is imported once more.
    """
    rows = connection.execute(_stood(file)).all()
    _hand_down(connection, file, rows)
    changes = [change for row in rows if (change := _without(row))]
    if changes:
        a = t.address.c
        values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in STOOD}
        connection.execute(update(t.address).where(a.id == bindparam("b_id")).values(values), changes)
    changed = {change["b_id"] for change in changes}
    heirs = _disinherit(connection, rows)
    for mark in sorted({row.mark for row in rows if row.address in changed}):
        _act_again(connection, [row for row in rows if row.mark == mark and row.address in changed], mark)
    imported = {row.address for row in rows if row.imported_at > row.at}
    return Restored(len(changed - imported), len(changed & imported) + heirs)


def waiting_addresses(connection: Connection, file: int) -> int:
    """How many addresses undoing this file would leave to the next import of customers."""
    return sum(row.imported_at > row.at and _without(row) is not None for row in connection.execute(_stood(file)))


def _stood(file: int) -> Any:
    s, a, p = called_address.c, t.address.c, t.customer.c
    now = [a[name].label(f"{name}_now") for name in STOOD]
    return (
        select(s.address, *(s[name] for name in STOOD), s.mark, s.at, *now, a.customer, p.imported_at)
        .join(t.address, a.id == s.address)
        .join(t.customer, p.id == a.customer)
        .where(s.file == file, p.erased_at.is_(None))
    )


def _disinherit(connection: Connection, rows: Sequence[Row[Any]]) -> int:
    """Numbers that came meanwhile and began with the file's no wait for the next import too; how many.

    Not those of a customer who has said no to calls on another number.
    """
    a, other = t.address.c, t.address.alias("other")
    known = [row.address for row in rows]
    no = select(other.c.id).where(among(other.c.id, known), other.c.consent == int(Consent.DENIED))
    no = no.where(other.c.customer == a.customer, other.c.channel == CALL).correlate(t.address)
    began = (a.customer == bindparam("b_customer")) & (a.consent_at == bindparam("b_at")) & ~no.exists()
    heir = (a.channel == CALL, a.consent == int(Consent.DENIED), a.consent_source == INHERITED, began)
    unknown = update(t.address).where(*heir, ~among(a.id, known)).values(UNKNOWN)
    said = {
        (row.customer, row.consent_at_now)
        for row in rows
        if row.imported_at > row.at and row.consent_now == int(Consent.DENIED) != row.consent
    }
    found = [connection.execute(unknown, {"b_customer": who, "b_at": at}).rowcount for who, at in sorted(said)]
    return sum(found)


def _hand_down(connection: Connection, file: int, rows: Sequence[Row[Any]]) -> None:
    """Files that came while this one counted found its doing: for them too its beginning is the beginning."""
    s = called_address.c
    began = [bindparam("b_mark", type_=s.mark.type), bindparam("b_at", type_=s.at.type), literal(file)]
    since = tuple_(s.mark, s.at, s.file) > tuple_(*began)  # a no of a known call is no report: marks may be alike
    later = update(called_address).where(s.address == bindparam("b_address"), since)
    values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in (*STOOD, "at", "mark")}
    given = [{f"b_{name}": getattr(row, name) for name in ("address", *STOOD, "mark", "at")} for row in rows]
    if given:
        connection.execute(later.values(values), given)
    connection.execute(delete(called_address).where(s.file == file))


def _without(row: Row[Any]) -> dict[str, Any] | None:
    """The address without the file's calls, before what others said acts again; None: as it is."""
    imported, dead, denied = row.imported_at > row.at, int(AddressState.DEAD), int(Consent.DENIED)
    after = {name: getattr(row, f"{name}_now") for name in STOOD}
    if row.state_now == dead and row.state < dead:
        after["state"] = int(AddressState.REPLACED) if imported else row.state
    if (row.consent_now, row.consent_source_now) == (denied, FROM_EVENT):
        stood = {name: getattr(row, name) for name in STOOD[1:]}
        after |= UNKNOWN if imported and stood["consent"] != denied else stood
    if all(after[name] == getattr(row, f"{name}_now") for name in STOOD):
        return None
    return {"b_id": row.address, **{f"b_{name}": value for name, value in after.items()}}


def _act_again(connection: Connection, rows: Sequence[Row[Any]], mark: int) -> None:
    """Let what came after `mark` act once more on these addresses: reports, calls that count, refusals."""
    c, ev, a, mine = t.touch.c, t.event.c, t.address.c, t.address.alias("mine")
    ids = [row.address for row in rows]
    alike = select(a.id).join_from(mine, t.address, (a.channel == mine.c.channel) & (a.value == mine.c.value))
    same = alike.where(among(mine.c.id, ids))
    customers = {row.customer for row in rows}
    of_customers = select(c.id).where(among(c.customer, customers))
    spelled = [select(value).where(among(mine.c.id, ids)) for value in (mine.c.value, func.substr(mine.c.value, 2))]
    rung = select(t.call.c.touch).where(t.call.c.number.in_(union_all(*spelled)))  # ix_call_number
    theirs = select(c.id).where(or_(among(c.customer, customers), c.address.in_(same), c.id.in_(rung)))
    act(connection, connection.execute(speaking().where(ev.touch.in_(theirs), ev.id > mark)).all())
    drop_numbers(connection, told_by_calls((t.call.c.event > mark) & t.call.c.touch.in_(of_customers)))
    s = spare_call.c
    further = select(s.touch, s.number, s.disposition).join(
        t.event, (ev.provider == s.provider) & (ev.provider_event_id == s.call_id)
    )
    drop_numbers(connection, further.where(s.touch.in_(of_customers), s.disposition.in_(map(int, ENDS_NUMBER))))
    refused = select(c.address).where(c.state == int(State.REFUSED), c.action == int(Action.DROP_ADDRESS))
    connection.execute(burial(refused.where(c.address.in_(same))))
