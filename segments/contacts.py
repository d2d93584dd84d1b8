"""A customer's addresses: what an import makes of the ones known, the ones named, and the ones no longer named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from segments.consent import DENIED, FROM_BROWSER, FROM_EVENT, INHERITED, NOTHING, Said, Standing, inherited, lay_over
from segments.staging import staged
from waves.message import AddressState

OK, REPLACED, DEAD = int(AddressState.OK), int(AddressState.REPLACED), int(AddressState.DEAD)
Stops = dict[tuple[int, str], Standing]
"""(channel, value) to the denial that came back from that very address, whoever holds it."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One row of `address`, without its customer."""

    channel: int
    value: str
    standing: Standing
    state: int
    preference: int


def merged(
    known: Sequence[Contact],
    named: Mapping[tuple[int, str], int],
    said: Mapping[int, Said],
    covered: frozenset[int],
    stops: Stops,
    now: int,
) -> Iterator[Contact]:
    """The addresses that change or are new; `named` is (channel, value) to preference, `covered` the schema's channels.

    A dead address stays dead, a soft one soft; one that the file no longer names is replaced until it comes back.
    A denial covers every address of its channel, and a new address starts from the denials that stand there already.
    """
    held = {(contact.channel, contact.value) for contact in known}
    for contact in known:
        at = contact.channel, contact.value
        words = said.get(contact.channel)
        if at in named:
            state = OK if contact.state == REPLACED else contact.state
            standing = lay_over(contact.standing, words, now)
            after = Contact(*at, standing, state, named[at])
        else:
            stays = contact.standing.source == FROM_BROWSER  # no file can know what a browser told us
            state = REPLACED if contact.channel in covered and contact.state < REPLACED and not stays else contact.state
            denied = words if words is not None and words.consent == DENIED else None
            after = Contact(*at, lay_over(contact.standing, denied, now), state, contact.preference)
        if after != contact:
            yield after
    for at, preference in named.items():
        if at not in held:
            channel, value = at
            start = _start(known, channel, stops.get(at)) if known or at in stops else NOTHING
            yield Contact(channel, value, lay_over(start, said.get(channel), now), OK, preference)


def _start(known: Sequence[Contact], channel: int, stop: Standing | None) -> Standing:
    denials = [
        Standing(DENIED, INHERITED, contact.standing.at)
        for contact in known
        if contact.channel == channel and contact.standing.consent == DENIED
    ]
    return inherited([*denials, stop] if stop else denials)


def read_stops(connection: Connection) -> Stops:
    """Every address that a report from the address itself denied; read once, so that the order of rows is no matter."""
    rows = connection.exec_driver_sql(
        "SELECT channel, value, max(consent_at) FROM address "
        f"WHERE consent = {DENIED} AND consent_source = '{FROM_EVENT}' GROUP BY channel, value"
    )
    return {(channel, value): Standing(DENIED, FROM_EVENT, at) for channel, value, at in rows}


def known_contacts(connection: Connection, customers: Sequence[int]) -> dict[int, list[Contact]]:
    """The addresses of these customers, held until the transaction ends (uq_address_customer_channel_value)."""
    found: dict[int, list[Contact]] = {}
    if not customers:
        return found
    held = "FOR NO KEY UPDATE OF a" if connection.dialect.name == "postgresql" else ""
    with staged(connection, "stage_known", {"customer": "integer"}, [(id_,) for id_ in customers]):
        rows = connection.exec_driver_sql(
            "SELECT a.customer, a.channel, a.value, a.consent, a.consent_source, a.consent_at, a.state, a.preference "
            f"FROM stage_known s CROSS JOIN address a WHERE a.customer = s.customer ORDER BY a.id {held}"
        )
        for customer, channel, value, consent, source, at, state, preference in rows:
            contact = Contact(channel, value, Standing(consent, source, at), state, preference)
            found.setdefault(customer, []).append(contact)
    return found


def write_contacts(connection: Connection, changes: Sequence[tuple[int, Contact]], stops: Stops) -> None:
    """Insert or update these (customer, address) rows, then say anew which of their values are shared."""
    if not changes:
        return
    columns = {
        "n": "integer",
        "customer": "integer",
        "channel": "integer",
        "value": "text",
        "consent": "integer",
        "consent_source": "text",
        "consent_at": "integer",
        "state": "integer",
        "preference": "integer",
    }
    rows = [
        (n, id_, c.channel, c.value, c.standing.consent, c.standing.source, c.standing.at, c.state, c.preference)
        for n, (id_, c) in enumerate(changes)
    ]
    listed = ", ".join(list(columns)[1:])
    with staged(connection, "stage_address", columns, rows):
        connection.exec_driver_sql(
            f"INSERT INTO address ({listed}) SELECT {listed} FROM stage_address WHERE true ORDER BY n "
            "ON CONFLICT (customer, channel, value) DO UPDATE SET consent = excluded.consent, "
            "consent_source = excluded.consent_source, consent_at = excluded.consent_at, "
            "state = excluded.state, preference = excluded.preference"
        )
        _mark_shared(connection, stops)


LIVE = f"address.state < {REPLACED}"


def _mark_shared(connection: Connection, stops: Stops) -> None:
    """Set `shared` on the live rows of staged values that several customers hold (ix_address_channel_value)."""
    living, marked = f"sum(CASE WHEN {LIVE} THEN 1 ELSE 0 END)", "max(CASE WHEN address.shared THEN 1 ELSE 0 END)"
    stopped = f"max(CASE WHEN address.consent = {DENIED} AND address.consent_source = '{FROM_EVENT}' THEN 1 ELSE 0 END)"
    groups = connection.exec_driver_sql(
        f"SELECT v.channel, v.value, {living}, {stopped} "
        "FROM (SELECT DISTINCT channel, value FROM stage_address) v CROSS JOIN address "
        "WHERE address.channel = v.channel AND address.value = v.value GROUP BY v.channel, v.value "
        f"HAVING {living} > 1 OR {marked} = 1 OR {stopped} = 1"
    ).all()
    if not groups:
        return
    columns = {"channel": "integer", "value": "text", "living": "integer"}
    with staged(connection, "stage_shared", columns, [tuple(row[:3]) for row in groups]):
        connection.exec_driver_sql(
            f"UPDATE address SET shared = ({LIVE} AND g.living > 1) FROM stage_shared g "
            "WHERE address.channel = g.channel AND address.value = g.value "
            f"AND address.shared <> ({LIVE} AND g.living > 1)"
        )
    _deny_stopped(connection, [(channel, value) for channel, value, _, denied in groups if denied], stops)


def _deny_stopped(connection: Connection, values: Sequence[tuple[int, str]], stops: Stops) -> None:
    """Deny the values that were stopped after `read_stops`, while this import ran."""
    late = [(channel, value) for channel, value in values if (channel, value) not in stops]
    if not late:
        return
    with staged(connection, "stage_late", {"channel": "integer", "value": "text"}, late):
        connection.exec_driver_sql(
            f"UPDATE address SET consent = {DENIED}, consent_source = '{FROM_EVENT}', consent_at = "
            "(SELECT max(b.consent_at) FROM address b WHERE b.channel = address.channel AND b.value = address.value "
            f"AND b.consent = {DENIED} AND b.consent_source = '{FROM_EVENT}') FROM stage_late g "
            "WHERE address.channel = g.channel AND address.value = g.value "
            f"AND address.consent <> {DENIED}"
        )
