"""The lines of a dial list, fitted into a dialler's columns by written rules; whatever did not fit is reported.

* A token is at most 20 letters and digits, a phone is + and 6 to 15 digits: an entry with another one stops the list.
* What people read (names, addresses, notes, your own columns) is cut at the column's length.
* Everything else (an e-mail address, a postal code, a zone) means something else when it is cut: it is left out whole.
* A name that is not known in two parts stands whole in the first of them.
* Numbers of a person beyond the columns there are stay out, and further ones of a country that cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import phonenumbers

from channels.call_list.rows import DialRow, Phone, Shortened
from channels.cells import PHONE, cell
from waves.diallers import Dialler, Layout, filled
from waves.errors import SendRefused

TOKEN = re.compile(r"[A-Za-z0-9]{1,20}")
CUT = frozenset(
    {"name", "first_name", "last_name", "company", "address", "city", "product", "skill", "team", "callback_note"}
)
"""Fields that people read."""
NOTHING: Mapping[str, str] = {}
NUMBERED = re.compile(r"phone(?:_(\d+))?(_kind)?")


def columns_of(dialler: Dialler, layout: Layout, extra: Sequence[str] = ()) -> dict[str, str]:
    """Column -> field, in the order of the file; SendRefused for one that would come twice, or is not in the list."""
    wanted = {name.removeprefix("extra.") for name in dialler.columns.values() if name.startswith("extra.")}
    if unknown := sorted(wanted.difference(extra)):
        have = ", ".join(extra) or "none"
        raise SendRefused(
            f"{dialler.dialler} names extra.{unknown[0]}; the further columns of this list are attributes of "
            f"config/customers.yaml, and: {have}"
        )
    if layout.fixed or dialler.columns or not layout.takes_extra:
        return dict(filled(dialler, layout))
    if layout.max_columns is not None and len(layout.columns) + len(extra) > layout.max_columns:
        raise SendRefused(f"{dialler.dialler} takes {layout.max_columns} columns; name those you need under `columns`")
    if twice := sorted({name for name in extra if name in layout.columns or extra.count(name) > 1}):
        raise SendRefused(f"column {', '.join(twice)} would come twice in the dial list; give it another name")
    return {**layout.columns, **{name: f"extra.{name}" for name in extra}}


def style_of(dialler: Dialler, layout: Layout) -> str:
    """How a connection writes numbers."""
    return dialler.phone_style or layout.phone_styles[0]


def styled(number: str, style: str, region: str) -> str | None:
    """A number in E.164 as a dialler wants it; None for one of another country in national style."""
    if style == "e164":
        return number
    if style == "digits":
        return number[1:]
    parsed = phonenumbers.parse(number)
    if parsed.country_code != phonenumbers.country_code_for_region(region):
        return None
    return str(phonenumbers.national_significant_number(parsed))


def shorten(text: str, limit: int | None) -> str:
    """As much of a text as fits once it is guarded against spreadsheets."""
    kept = text
    while limit is not None and len(cell(kept)) > limit:
        kept = kept[: len(kept) - max(1, len(cell(kept)) - limit)]
    return kept


def checked(row: DialRow) -> DialRow:
    """The entry; SendRefused when its token or a phone cannot be a dialler's."""
    if not TOKEN.fullmatch(row.token):
        raise SendRefused("the token of a dial entry is not 1 to 20 letters and digits; no list was written")
    if not row.phones:
        raise SendRefused(f"dial entry {row.token} has no phone; no list was written")
    for phone in row.phones:
        if not PHONE.fullmatch(phone.number):
            raise SendRefused(f"the phone of dial entry {row.token} is not + and 6 to 15 digits; no list was written")
    return row


@dataclass(slots=True)
class Fitting:
    """Fits the entries of one list into the columns of one connection."""

    dialler: Dialler
    layout: Layout
    columns: Mapping[str, str]
    zone: ZoneInfo | None = None
    shortened: list[Shortened] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.dialler.zone) if self.dialler.zone else None

    @property
    def most(self) -> int | None:
        """Entries in one file at most."""
        limits = [limit for limit in (self.layout.max_rows, self.dialler.limits.rows) if limit is not None]
        return min(limits, default=None)

    def entries(self, rows: Iterable[DialRow]) -> Iterator[DialRow]:
        """Each entry, counted and checked; SendRefused for one entry too many."""
        for row in rows:
            self.count += 1
            if self.most is not None and self.count > self.most:
                raise SendRefused(
                    f"{self.dialler.dialler} takes {self.most:,} entries in one list at most; pull a smaller one"
                )
            yield checked(row)

    def line(self, row: DialRow, own: Mapping[str, str] = NOTHING) -> list[str]:
        """The cells of one entry; `own` holds those that the format makes itself, by column."""
        if len(row.phones) > (most := self.numbers):
            self.shortened.append(Shortened(row.token, "phones", len(row.phones), most))
        return [
            own[column] if column in own else self._cell(row, column, name) for column, name in self.columns.items()
        ]

    @property
    def numbers(self) -> int:
        """How many of a person's numbers the columns hold."""
        return max((place for place in map(_place, self.columns.values()) if place is not None), default=0)

    def _cell(self, row: DialRow, column: str, name: str) -> str:
        if (place := _place(name)) is not None:
            return self._number(row, place)
        value = _value(row, name)
        if name == "caller_id" and row.caller_id is not None:
            style = self.dialler.phone_style or (self.layout.phone_styles or ("national",))[0]
            return styled(row.caller_id, style, self.dialler.region) or row.caller_id
        if isinstance(value, datetime):
            return value.astimezone(self.zone or UTC).isoformat(timespec="seconds")
        if not isinstance(value, str):
            return cell(value)
        return cell(self.fitted(row, column, name, value))

    def fitted(self, row: DialRow, column: str, name: str, text: str) -> str:
        """The text as the column can hold it; what it cannot is reported."""
        own = self.dialler.limits.columns.get(column)
        limit = min((n for n in (self.layout.length(column), own) if n is not None), default=None)
        if limit is None or len(cell(text)) <= limit:
            return text
        if name == "token":
            raise SendRefused(f"column {column} holds {limit} characters, and a token has more; no list was written")
        kept = shorten(text, limit) if name in CUT or name.startswith("extra.") else ""
        self.shortened.append(Shortened(row.token, column, len(text), len(kept)))
        return kept

    def _number(self, row: DialRow, place: int) -> str:
        if place > len(row.phones):
            return ""
        style = style_of(self.dialler, self.layout)
        number = styled(row.phones[place - 1].number, style, self.dialler.region)
        if number is None and place > 1:
            self.shortened.append(Shortened(row.token, "phones", len(row.phones), place - 1))
            return ""
        if number is None:
            raise SendRefused(
                f"the phone of dial entry {row.token} is of no country with {self.dialler.region}'s code, and "
                f"{self.dialler.dialler} writes phone_style: national; write e164 or digits. No list was written"
            )
        return number


def _place(name: str) -> int | None:
    """Which of a person's numbers a field is: `phone` 1, `phone_2` 2; None for another field."""
    match = NUMBERED.fullmatch(name)
    return int(match[1] or 1) if match and not match[2] else None


def _value(row: DialRow, name: str) -> object:
    if name.startswith("extra."):
        return row.extra.get(name.removeprefix("extra."))
    if match := NUMBERED.fullmatch(name):
        return _phone(row, int(match[1] or 1)).kind
    if name == "first_name" and row.first_name is None and row.last_name is None:
        return row.name
    return getattr(row, name) if name else None


def _phone(row: DialRow, place: int) -> Phone:
    return row.phones[place - 1] if place <= len(row.phones) else Phone("")
