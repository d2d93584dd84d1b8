"""One row of a customers file by the declared schema: a Row to store, or the reasons why it cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from config.schema import CustomersSchema
from segments.addresses import KINDS, Kind, Phone, email, phone, plain, push
from segments.consent import GRANTED, UNKNOWN, Said, read_word
from segments.values import READERS, Unfit, Value, moment, text
from segments.zones import Place, country_code, whereabouts
from waves.message import CHANNEL_CODES

FACTS = ("name", "language", "household", "owner", "branch")
"""The optional columns of `customer` that the schema may point at."""
READ = {"email": email, "push": push}
"""How the addresses of a kind are read, but for phones, which tell of zones as well, and what is plain text."""
PLACES = ("zone", "postal", "country", "state")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Issue:
    """A line of the rejects file: where, what was expected, and whether the whole row was left out for it."""

    line: int
    column: str
    reason: str
    key: str
    rejects: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One customer as the file tells it, every value in the form the database stores."""

    key: str
    facts: tuple[Value, ...]
    profile: tuple[Value, ...]
    zones: str
    jurisdictions: str
    addresses: dict[tuple[int, str], int]
    """(channel, value) to preference."""
    said: dict[int, Said]
    """Channel to what the row says of its consent; a channel that is absent says nothing."""
    gone: bool = False
    """The customer has left, and nothing but the key was read."""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AddressCell:
    """A column of addresses of one kind, and the channels they serve."""

    place: int
    column: str
    kind: Kind
    channels: tuple[int, ...]
    preference: int


@dataclass(frozen=True, slots=True)
class ConsentCell:
    """Where a channel's consent stands; `place` is None when the schema itself grants it."""

    channel: int
    place: int | None
    column: str
    at: int | None
    at_column: str
    source: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The schema laid over one header: which cell is what."""

    key: int
    key_column: str
    facts: tuple[tuple[str, int | None, Callable[[str], Value]], ...]
    profile: tuple[tuple[str, int | None, Callable[[str], Value]], ...]
    addresses: tuple[AddressCell, ...]
    consent: tuple[ConsentCell, ...]
    places: tuple[int | None, ...]
    place_columns: dict[str, str]
    region: str
    gone: int | None
    gone_words: frozenset[str]


def declared_columns(schema: CustomersSchema) -> tuple[str, ...]:
    """Every column that the schema needs to find in the header."""
    return tuple(dict.fromkeys(_columns(schema)))


def _columns(schema: CustomersSchema) -> Iterator[str]:
    yield schema.key
    yield from (name for fact in FACTS if (name := getattr(schema, fact)))
    yield from schema.columns
    yield from (entry.column for entry in schema.addresses)
    yield from (name for entry in schema.consent.values() for name in (entry.column, entry.at) if name)
    yield from place_columns(schema).values()
    if schema.gone:
        yield schema.gone.column


def place_columns(schema: CustomersSchema) -> dict[str, str]:
    """The columns of the postal address that the schema names."""
    found = {name: getattr(schema, name) for name in PLACES[1:] if getattr(schema, name)}
    return {"zone": schema.zone.column, **found} if schema.zone else found


def lay_out(schema: CustomersSchema, header: tuple[str, ...]) -> Layout:
    """The layout of a file with this header; a column it lacks is a cell that is always empty."""
    at = {name: place for place, name in enumerate(header)}
    facts = tuple((column, at.get(column), _fact(fact)) for fact in FACTS for column in (getattr(schema, fact) or "",))
    places = place_columns(schema)
    return Layout(
        key=at[schema.key],
        key_column=schema.key,
        facts=tuple((column, place if column else None, read) for column, place, read in facts),
        profile=tuple((name, at.get(name), READERS[kind]) for name, kind in sorted(schema.columns.items())),
        addresses=tuple(_address_cells(schema, at)),
        consent=tuple(
            ConsentCell(
                channel=CHANNEL_CODES[channel],
                place=at.get(entry.column) if entry.column else None,
                column=entry.column or "",
                at=at.get(entry.at) if entry.at else None,
                at_column=entry.at or "",
                source=entry.source,
            )
            for channel, entry in schema.consent.items()
            if entry.always or entry.column in at
        ),
        places=tuple(at.get(places[name]) if name in places else None for name in PLACES),
        place_columns=places,
        region=schema.region,
        gone=at.get(schema.gone.column) if schema.gone else None,
        gone_words=frozenset(word.lower() for word in schema.gone.values) if schema.gone else frozenset(),
    )


def _fact(name: str) -> Callable[[str], Value]:
    return language if name == "language" else text


def language(cell: str) -> str:
    """A language tag in lower case, such as pt-br."""
    tag = cell.replace("_", "-").lower()
    if not LANGUAGE.fullmatch(tag):
        raise Unfit("expected a language tag, such as en or pt-BR")
    return tag


def _address_cells(schema: CustomersSchema, at: dict[str, int]) -> Iterator[AddressCell]:
    for entry in schema.addresses:
        if entry.column not in at:
            continue
        for kind in dict.fromkeys(KINDS[channel] for channel in entry.channels):
            channels = tuple(CHANNEL_CODES[channel] for channel in entry.channels if KINDS[channel] == kind)
            yield AddressCell(at[entry.column], entry.column, kind, channels, entry.preference)


def read_row(layout: Layout, line: int, cells: list[str], now: int) -> tuple[Row | None, list[Issue]]:
    """The row, or None when it must not be stored; and everything that was left out or stood in the way."""
    cells = [cell.strip() for cell in cells]
    wrong: list[tuple[str, str]] = []  # column and reason: the row is rejected
    gone: list[tuple[str, str]] = []  # column and reason: only this part is left out
    key = _key(layout, cells, wrong)
    if layout.gone is not None and cells[layout.gone].lower() in layout.gone_words:
        left = None if wrong else Row(key, (), (), "", "", {}, {}, gone=True, line=line)
        return left, [Issue(line, *each, key, True) for each in wrong]
    facts = [_optional(cells, at, column, read, wrong, gone) for column, at, read in layout.facts]
    profile: list[Value] = []
    for column, cell_at, read in layout.profile:
        try:
            profile.append(read(cells[cell_at]) if cell_at is not None and cells[cell_at] else None)
        except Unfit as unfit:
            wrong.append((column, str(unfit)))
    place = Place(*[cells[at] if at is not None else "" for at in layout.places])
    addresses, phones = _addresses(layout, cells, place, gone)
    said = _said(layout, cells, now, wrong)
    where = whereabouts(phones, place, layout.region)
    gone.extend((layout.place_columns[part], f"{reason}; left out") for part, reason in where.left_out)
    issues: list[Issue] = []
    if wrong or gone:
        issues = [Issue(line, *each, key, True) for each in dict.fromkeys(wrong)]
        if not wrong:
            issues = [Issue(line, *each, key, False) for each in dict.fromkeys(gone)]
    if wrong:
        return None, issues
    return Row(key, tuple(facts), tuple(profile), where.zones, where.jurisdictions, addresses, said, line=line), issues


def _key(layout: Layout, cells: list[str], wrong: list[tuple[str, str]]) -> str:
    try:
        key = text(cells[layout.key])
    except Unfit as unfit:
        wrong.append((layout.key_column, str(unfit)))
        return ""
    if not key:
        wrong.append((layout.key_column, "expected the customer's key; the cell is empty"))
    return key


def _optional(
    cells: list[str],
    place: int | None,
    column: str,
    read: Callable[[str], Value],
    wrong: list[tuple[str, str]],
    gone: list[tuple[str, str]],
) -> Value:
    if place is None or not cells[place]:
        return None
    try:
        return read(cells[place])
    except Unfit as unfit:
        if read is language:  # the templates' default language serves the customer just as well
            gone.append((column, f"{unfit}; left out"))
        else:
            wrong.append((column, str(unfit)))
        return None


def _addresses(
    layout: Layout, cells: list[str], place: Place, gone: list[tuple[str, str]]
) -> tuple[dict[tuple[int, str], int], tuple[tuple[str | None, tuple[str, ...]], ...]]:
    """The addresses by (channel, value) with their best preference; and region and zones of each phone."""
    found: dict[tuple[int, str], int] = {}
    phones: dict[str, Phone] = {}
    region = (country_code(place.country) if place.country else None) or layout.region
    for entry in layout.addresses:
        cell = cells[entry.place]
        if not cell:
            continue
        try:
            if entry.kind == "phone":
                number = phone(cell, region)
                phones[number.value] = number
                value = number.value
            else:
                value = READ.get(entry.kind, plain)(cell)
        except Unfit as unfit:
            gone.append((entry.column, f"{unfit}; address left out"))
            continue
        for channel in entry.channels:
            if found.setdefault((channel, value), entry.preference) > entry.preference:
                found[channel, value] = entry.preference
    return found, tuple((number.region, number.zones) for number in phones.values())


def _said(layout: Layout, cells: list[str], now: int, wrong: list[tuple[str, str]]) -> dict[int, Said]:
    said: dict[int, Said] = {}
    for entry in layout.consent:
        if entry.place is None:
            said[entry.channel] = Said(GRANTED, entry.source)
            continue
        column = entry.column
        try:
            word = read_word(cells[entry.place])
            if word == UNKNOWN:
                continue
            column = entry.at_column
            at = moment(cells[entry.at]) if entry.at is not None and cells[entry.at] else None
            if at is not None and at > now:
                if word == GRANTED:
                    raise Unfit("expected a time that has come: a grant of tomorrow would outlast a STOP of today")
                at = None  # a denial takes effect at once all the same
            said[entry.channel] = Said(word, entry.source, at)
        except Unfit as unfit:
            wrong.append((column, str(unfit)))
    return said
