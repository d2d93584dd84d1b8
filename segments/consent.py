"""What a customers file says of consent, laid over what the ledger knows: the latest wins, a denial wins in doubt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segments.values import Unfit
from waves.message import Consent

UNKNOWN, GRANTED, DENIED = int(Consent.UNKNOWN), int(Consent.GRANTED), int(Consent.DENIED)

FROM_EVENT = "event"
"""The source that the ledger writes when a STOP or a complaint came back from the address itself."""
FROM_BROWSER = "push_page"
"""The source that the ledger writes when a person allowed pushes on a page: their own act, as good as a report."""
INHERITED = "inherited"
"""The source of a denial that a new address takes from another address of the same customer."""
OWN_SOURCES = frozenset({FROM_EVENT, FROM_BROWSER, INHERITED})

WORDS: dict[str, int] = {
    **dict.fromkeys(("yes", "y", "true", "1", "granted"), GRANTED),
    **dict.fromkeys(("no", "n", "false", "0", "denied", "withdrawn", "stop"), DENIED),
    "unknown": UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The consent of one address: Consent's number, who said so, when (microseconds; None: at no known time)."""

    consent: int
    source: str | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What one row of the file says for one channel; `at` is None when the file gives no time."""

    consent: int
    source: str
    at: int | None = None


NOTHING = Standing(UNKNOWN)


def read_word(cell: str) -> int:
    """The consent a cell names, as Consent's number; an empty cell says nothing."""
    found = WORDS.get(cell.lower()) if cell else UNKNOWN
    if found is None:
        raise Unfit("expected yes, no or an empty cell")
    return found


def lay_over(known: Standing, said: Said | None, now: int) -> Standing:
    """The standing after an import; laying the same words over the result again changes nothing.

    A denial stands until a grant with an explicit later time; a grant stands until a denial without a time, or with
    one that is not earlier. A word without a time takes `now` when it changes something.
    """
    if said is None or said.consent == UNKNOWN:
        return known
    fresh = Standing(said.consent, said.source, now if said.at is None else said.at)
    if known.consent == UNKNOWN:
        return fresh
    if known.consent == said.consent:
        return _repeated(known, said, fresh)
    if said.consent == GRANTED:
        return fresh if said.at is not None and known.at is not None and said.at > known.at else known
    return known if said.at is not None and known.at is not None and said.at < known.at else fresh


def _repeated(known: Standing, said: Said, fresh: Standing) -> Standing:
    """The same word again: the latest time counts; a denial keeps its source and, without a time, outlasts all."""
    if said.at is None or (known.at is not None and said.at <= known.at):
        return known
    if said.consent == GRANTED:
        return fresh
    return known if known.at is None else Standing(DENIED, known.source, said.at)


def inherited(denials: Iterable[Standing]) -> Standing:
    """What a new address starts from: the strongest of the denials that bear on it, else nothing.

    A denial without a time outlasts every grant; a STOP from the very number keeps its source.
    """
    worst: Standing | None = None
    for denial in denials:
        if worst is None or _strength(denial) > _strength(worst):
            worst = denial
    return NOTHING if worst is None else worst


def _strength(denial: Standing) -> tuple[bool, int, bool]:
    return denial.at is None, denial.at or 0, denial.source == FROM_EVENT
