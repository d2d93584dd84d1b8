"""What a reply means: to stop, to start again, for help, sent by a machine, or asking a person to act."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Keyword = Literal["stop", "start", "help"]
QUOTE = re.compile(
    r"(>|-{2,}\s*(original|forwarded|пересл|ursprüngliche|mensaje|message d)|_{10,}$|on .{1,200} wrote:\s*$|"
    r"am .{1,200} schrieb.*:\s*$|le .{1,200} a écrit\s*:\s*$|el .{1,200} escribió\s*:\s*$|.{1,200} пише:\s*$|"
    r"(from|von|de|від|od|发件人)\s*[:：]\s*\S)",
    re.IGNORECASE,
)
"""The line at which a mail quotes what it answers: our own text speaks of unsubscribing too."""
ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
MOST = 2000
"""Characters of a reply that are looked at."""
QUESTION = "?？؟"
APOSTROPHES = re.compile("['’‘`´ʼ＇]")
MARKS = re.compile("[\u0300-\u036f]")
"""Accents over Latin, Greek and Cyrillic letters: people leave them out; those of other scripts are letters."""
INVISIBLE = re.compile("[\u00ad\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\u20e3]")
"""What phones put around emoji (a selector, a keycap) and into words, and nobody sees."""


def normal(text: str) -> str:
    """The text as it is compared: one form of each letter, lower case, no accents, the rest as single blanks."""
    bare = INVISIBLE.sub("", APOSTROPHES.sub("", text))
    parted = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", bare).casefold())
    folded = unicodedata.normalize("NFC", MARKS.sub("", parted))
    kept = "".join(each if each.isalnum() or unicodedata.category(each).startswith("M") else " " for each in folded)
    return " ".join(kept.split())


def own_words(text: str) -> str:
    """What the person wrote, without what their mail program quotes below it."""
    lines, begun = list[str](), False
    for line in text[: 4 * MOST].splitlines():
        bare = line.strip()
        if begun and QUOTE.match(bare):
            break
        if not bare.startswith(">"):
            lines.append(line)
            begun = begun or bool(bare)
    return "\n".join(lines)[:MOST]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply was taken for."""

    keyword: Keyword | None = None
    is_automatic: bool = False
    asks: str | None = None
    """What in it asks a person to act: `question`, or the phrase of the table."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """The table: whole replies by word, and phrases that may stand anywhere in one."""

    words: dict[str, Keyword]
    stop_phrases: tuple[str, ...]
    ask_phrases: tuple[str, ...]
    auto_phrases: tuple[str, ...]

    @classmethod
    def of(
        cls,
        stop: Iterable[str],
        start: Iterable[str],
        help: Iterable[str],
        stop_phrases: Iterable[str],
        ask_phrases: Iterable[str],
        auto_phrases: Iterable[str],
    ) -> Keywords:
        """The table of these texts, as they are compared."""
        words: dict[str, Keyword] = {}
        words.update((normal(text), "help") for text in help)
        words.update((normal(text), "start") for text in start)
        words.update((normal(text), "stop") for text in stop)  # the last one wins
        phrases = [tuple(map(normal, texts)) for texts in (stop_phrases, ask_phrases, auto_phrases)]
        return cls(words, *phrases)

    def read(self, text: str, said: Keyword | None = None, is_automatic: bool = False) -> Reading:
        """What a reply means; what the carrier itself took it for (`said`) goes before the table."""
        own = own_words(text)
        plain = normal(own)
        keyword = said or self.words.get(plain) or self._first_line(own)
        if keyword is not None:
            return Reading(keyword)
        padded = f" {plain} "
        if is_automatic or _stands_in(self.auto_phrases, padded):
            return Reading(is_automatic=True)
        if _stands_in(self.stop_phrases, padded):
            return Reading("stop")
        phrase = _stands_in(self.ask_phrases, padded)
        asked = any(mark in ADDRESS.sub(" ", own) for mark in QUESTION)
        return Reading(asks=phrase or ("question" if asked else None))

    def _first_line(self, own: str) -> Keyword | None:
        """A stop that stands alone on the first line: what follows is a signature, or says it again."""
        first = self.words.get(normal(own.strip().partition("\n")[0]))
        return first if first == "stop" else None


def _stands_in(phrases: Iterable[str], padded: str) -> str | None:
    """The first phrase in a text: whole words, but for scripts that do not part them."""
    for phrase in phrases:
        if (phrase if _is_unparted(phrase) else f" {phrase} ") in padded:
            return phrase
    return None


def _is_unparted(phrase: str) -> bool:
    return any("\u2e80" <= each <= "\u9fff" or "\u0e00" <= each <= "\u0e7f" for each in phrase)
