"""One reading of a dialler's file of results: every problem found, no code guessed, doubtful parts told."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers

from channels.call_list.local_times import instant
from channels.call_list.rows import DispositionRow, Results
from channels.cells import PHONE
from channels.findings import TIME_SHAPED, Findings, shown
from waves.diallers import Dialler, Layout
from waves.dispositions import Disposition
from waves.errors import InputError
from waves.outcomes import word

DISPOSITIONS = {word(code): code for code in Disposition}
SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")
CLOCK = re.compile(r"([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])")
NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""What an escape of JSON may say, and no database can keep."""
SHOWN = 40
DOUBT = {
    "twice": "times in the hour that came twice when the clocks of {zone} went back, read as the later one",
    "never": "times in an hour that the clocks of {zone} skipped (is `zone` right?)",
}


@dataclass(slots=True)
class Reading:
    """What one reading of a file finds; its methods are None for what cannot be read, which is a problem then."""

    found: Findings
    dialler: Dialler
    layout: Layout
    unknown: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    zone: ZoneInfo | None = None
    wrap_ups: dict[str, Disposition] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    """What a column tells -> the column: as `results` says, of the token else as in the lists, else as usual."""
    names: dict[str, str] = field(default_factory=dict)
    """Column of the file, lower case -> what it tells."""

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.dialler.zone) if self.dialler.zone else None
        self.wrap_ups = {key.strip().casefold(): DISPOSITIONS[to] for key, to in self.dialler.wrap_ups.items()}
        listed = {column: name for column, name in self.dialler.columns.items() if name == "token"}
        for source in (self.dialler.results, listed, self.layout.results):
            for column, told in source.items():
                if told not in self.columns and column.strip().lower() not in self.names:
                    self.columns[told] = column
                    self.names[column.strip().lower()] = told

    def agreed(self, code: str) -> Disposition | None:
        """What the connection's `wrap_ups` make of a code."""
        return self.wrap_ups.get(code.strip().casefold())

    def known(self, code: str) -> Disposition | None:
        """What a code means by the connection's `wrap_ups`, else by the dialler's own table; None: nobody said."""
        return self.agreed(code) or self.layout.codes.get(code.strip().upper())

    def goes_on(self, code: str) -> bool:
        """Whether a code says that the call is not over, which is counted then; `wrap_ups` may say otherwise."""
        found = self.agreed(code) is None and code.strip().upper() in self.layout.not_over
        if found:
            self.note("calls that are not over yet left out (export and import them again later)")
        return found

    def disposition(self, line: int, code: str) -> Disposition | None:
        """What a code means; an unknown one is counted, and stops the file."""
        found = self.known(code)
        if found is None and code.strip():
            self.unknown[code.strip()] += 1
        elif found is None:
            self.found.add(line, "the call has no disposition")
        return found

    def moment(
        self, line: int, what: str, text: str, form: str | None = None, near: datetime | None = None
    ) -> datetime | None:
        """The instant in UTC: ISO with a zone, or ISO or `form` (strptime) without one, in the connection's zone."""
        at = _parsed(text.strip(), form)
        if at is not None and at.tzinfo is not None:
            return at.astimezone(UTC)
        if at is None or self.zone is None:
            name = repr(text.strip()) if TIME_SHAPED.fullmatch(text.strip()) else shown(text)
            advice = "write 2026-12-01T14:05:00+02:00"
            if at is not None and self.dialler.dialler != self.dialler.format:
                advice += f", or say in config/diallers.yaml what zone {self.dialler.dialler} is in"
            self.found.add(line, f"{what} {name} {'is no time' if at is None else 'has no time zone'}; {advice}")
            return None
        found, doubt = instant(at, self.zone, near)
        if doubt and not (near and doubt == "twice"):
            self.note(DOUBT[doubt].format(zone=self.zone.key))
        return found

    def seconds(self, line: int, what: str, value: str) -> float | None:
        """A length of time in seconds, written as 12, 12.5 or 00:00:12."""
        text = value.strip()
        if clock := CLOCK.fullmatch(text):
            return float(int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3]))
        if text and not SECONDS.fullmatch(text):
            self.found.add(line, f"{what} {shown(text)} is no number of seconds; write 12 or 12.5")
            return None
        return float(text) if text else None

    def number(self, text: str, style: str | None = None) -> str | None:
        """The number in E.164 if it can be read as one, else as it stands."""
        bare = text.strip()
        style = style or self.dialler.phone_style or self.layout.phone_styles[0]
        if not bare or bare.startswith("+") or style == "e164":
            return bare or None
        if style == "digits":
            return f"+{bare}" if PHONE.fullmatch(f"+{bare}") else bare
        try:
            parsed = phonenumbers.parse(bare, self.dialler.region)
        except phonenumbers.NumberParseException:
            return bare
        return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))

    def note(self, what: str) -> None:
        """Count one doubtful or left-out part of the file, told as `what: N`."""
        self.notes[what] += 1

    def stop_if_any(self) -> None:
        """InputError with every problem, and with every unknown code and what to write for it."""
        if not self.unknown:
            self.found.stop_if_any()
            return
        raise InputError("\n".join([*self.found.listed(), *self._unknown_codes(), "nothing of this file was stored"]))

    def _unknown_codes(self) -> Iterator[str]:
        name, of_one = self.dialler.dialler, "call" if self.unknown.total() == 1 else "calls"
        yield (
            f"{self.found.path}: {self.unknown.total():,} {of_one} ended in a way that {name} has no meaning for; "
            "a code is never guessed"
        )
        if name == self.dialler.format:
            yield f"name a dialler of format {name} in config/diallers.yaml and import with --dialler; give it:"
        else:
            yield f"write under {name} in config/diallers.yaml, each with a disposition (sale, no_answer, ...):"
        yield "  wrap_ups:"
        for code, count in self.unknown.most_common(SHOWN):
            yield f"    {_quoted(code)}: ...   # {count:,} {'call' if count == 1 else 'calls'}"
        if len(self.unknown) > SHOWN:
            yield f"    and {len(self.unknown) - SHOWN} more"


def by_code(table: Mapping[Disposition, Iterable[str]]) -> dict[str, Disposition]:
    """Code, upper case -> its disposition, from a table of dispositions."""
    return {code.upper(): disposition for disposition, codes in table.items() for code in codes}


Rows = Callable[[Reading], Iterator[DispositionRow]]


def read_results(path: Path, dialler: Dialler, layout: Layout, rows: Rows) -> Results:
    """The calls of a file that was read through once before: InputError, and no call, when anything is wrong in it."""
    reading = Reading(Findings(path), dialler, layout)
    for row in rows(reading):
        texts = {"token": row.token, "call id": row.call_id, "number": row.number, "agent": row.agent}
        for what, text in texts.items():
            if text and NO_TEXT.search(text):
                reading.found.add(row.line, f"a character in the {what} that no text may hold")
    reading.stop_if_any()
    said = tuple(f"{what}: {count:,}" for what, count in reading.notes.items())
    return Results(rows(Reading(Findings(path), dialler, layout)), said)


def _parsed(text: str, form: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.strptime(text, form) if form else None  # noqa: DTZ007
    except ValueError:
        return None


def _quoted(code: str) -> str:
    return json.dumps(code, ensure_ascii=False) if shown(code) == repr(code) else shown(code)
