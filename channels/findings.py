"""Every problem of a file from outside, collected into one error; what looks like an address is not shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, TypeVar

from waves.errors import InputError, Problem

SHOWN = 20
LOOKS_PRIVATE = re.compile(r"@|(?:\d\D?){6}")
TIME_SHAPED = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[0-9T:.,+Z -]{0,30}")


def shown(value: str) -> str:
    """The value as an error may name it: short, and not when it looks like a phone number or an e-mail address."""
    if LOOKS_PRIVATE.search(value):
        return "(a value not shown here: it looks like an address)"
    return repr(value if len(value) <= 40 else value[:40] + "...")


@dataclass(slots=True)
class Findings:
    """The problems of one file, in the order found: the first 20, and how many there are."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, message: str) -> None:
        """Note one problem of the file."""
        self.count += 1
        if self.count <= SHOWN:
            self.problems.append(Problem(str(self.path), line, message))

    def listed(self) -> list[str]:
        """The first 20 as `file:line: ...`, and how many more there are."""
        more = [f"and {self.count - SHOWN} more"] if self.count > SHOWN else []
        return [*map(str, self.problems), *more]

    def stop_if_any(self) -> None:
        """InputError with what is listed."""
        if self.problems:
            raise InputError("\n".join([*self.listed(), "nothing of this file was stored"]))

    @contextmanager
    def opened(self, newline: str) -> Iterator[TextIO]:
        """The file as text, read as it is asked for; InputError when it cannot be read or is not UTF-8."""
        try:
            with self.path.open(encoding="utf-8-sig", newline=newline) as file:
                yield file
        except UnicodeDecodeError:
            self.add(self._first_bad_line(), "not UTF-8 text; save or export the file as UTF-8")
            self.stop_if_any()
            raise
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _first_bad_line(self) -> int:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return number
        return 1

    def word(self, line: int, what: str, value: str, known: Iterable[str]) -> str | None:
        """The known word, case and space forgiven; or None and a problem with the nearest one."""
        word, words = value.strip().lower(), tuple(known)
        if word in words:
            return word
        near = difflib.get_close_matches(word, words, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(words)}"
        self.add(line, f"unknown {what} {shown(value)}; {hint}" if word else f"{what} is empty")
        return None

    def moment(self, line: int, what: str, value: str) -> datetime | None:
        """The instant in UTC; or None and a problem: a time without a zone would be a guess."""
        name = repr(value.strip()) if TIME_SHAPED.fullmatch(value.strip()) else shown(value)
        try:
            at = datetime.fromisoformat(value.strip())
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.add(line, f"{what} {name} is no time; write 2026-12-01T14:05:00+02:00")
            return None
        self.add(line, f"{what} {name} has no time zone; write 2026-12-01T14:05:00+02:00")
        return None

    def filled(self, line: int, what: str, value: str) -> str:
        """The text without outer space; a problem when nothing is left or it is longer than 200 characters."""
        text = value.strip()
        if not text:
            self.add(line, f"{what} is empty")
        elif len(text) > 200:
            self.add(line, f"{what} is longer than 200 characters")
        return text


T = TypeVar("T")


def read_twice(path: Path, rows: Callable[[Findings], Iterator[T]]) -> Iterator[T]:
    """The rows of a file that was read through once before: InputError, and no row, when anything is wrong in it."""
    found = Findings(path)
    for _ in rows(found):
        pass
    found.stop_if_any()
    return rows(Findings(path))
