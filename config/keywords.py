"""The file of keywords, `rules/keywords.yaml`: what people write back, by language, each problem on its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from config import PACKAGED
from config.sentences import Finding, mend_record, problems_of
from config.templates import LANGUAGE
from config.yaml_lines import Document, parse_document, read_document
from waves.errors import PlanError, Problem
from waves.plan import Record
from waves.replies import Keywords, normal

FILE = Path("rules") / "keywords.yaml"
CARRIERS_STOPS = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout")
"""A stop whatever the file says: carriers take it for one, and our messages and pages tell people to write it."""
SHORTEST_PHRASE = 4
"""Letters; ideographs say as much in two."""
SAMPLES: Mapping[str, str] = {
    "stop": "[stop, unsubscribe]",
    "stop.*": "stop",
    "start": "[start, unstop]",
    "start.*": "start",
    "help": "[help, info]",
    "help.*": "help",
    "stop_phrases": "[stop writing to me]",
    "stop_phrases.*": "stop writing to me",
    "ask_phrases": "[call me]",
    "ask_phrases.*": "call me",
    "auto_phrases": "[out of office]",
    "auto_phrases.*": "out of office",
}


class Words(Record):
    """What people of one language write."""

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    stop_phrases: tuple[str, ...] = ()
    ask_phrases: tuple[str, ...] = ()
    auto_phrases: tuple[str, ...] = ()


def load_keywords(config_dir: Path) -> Keywords:
    """The keywords of a configuration, this release's where it has no such file; PlanError with every problem."""
    path = config_dir / FILE
    return _keywords(read_document(path if path.exists() else PACKAGED / FILE))


def packaged_keywords() -> Keywords:
    """The keywords that come with this release."""
    return _keywords(read_document(PACKAGED / FILE))


def keywords_problems(config_dir: Path) -> list[Problem]:
    """Every problem of the file of keywords; none without the file."""
    path = config_dir / FILE
    if not path.exists():
        return []
    try:
        return _read(read_document(path))[1]
    except PlanError as error:
        return list(error.problems)


def keywords_of(text: str, file: str = "keywords.yaml") -> Keywords:
    """The keywords in a text."""
    return _keywords(parse_document(text, file))


def _keywords(document: Document) -> Keywords:
    found, problems = _read(document)
    if problems:
        raise PlanError(problems)
    always = Words(stop=CARRIERS_STOPS)
    merged = {name: [text for one in (always, *found) for text in getattr(one, name)] for name in Words.model_fields}
    return Keywords.of(**merged)


def _read(document: Document) -> tuple[list[Words], list[Problem]]:
    found, problems = list[Words](), list[Problem]()
    seen = dict.fromkeys(CARRIERS_STOPS, "stop")
    for language in document.data:
        if not LANGUAGE.fullmatch(language):
            problems.append(document.problem((language,), f"{language} is no language code; write one such as en"))
        part = document.part(language)
        if part is None:
            problems.append(document.problem((language,), f"`{language}` holds no keys; write stop: [...] in it"))
            continue
        mended = mend_record(Words, part, SAMPLES)
        if mended.record is not None:
            said = [each for each in _findings(mended.record, seen) if mended.sound(each.steps)]
            problems += problems_of(part, mended.findings + said)
            found.append(mended.record)
    return found, problems


def _findings(words: Words, seen: dict[str, str]) -> Iterator[Finding]:
    """Texts that say nothing, words that mean two things, phrases so short that they stand in any text."""
    for key in Words.model_fields:
        for i, text in enumerate(getattr(words, key)):
            plain = normal(text)
            if not plain:
                yield Finding((key, i), "there is no letter or digit in it; write a word")
            elif key.endswith("_phrases") and plain.isascii() and len(plain) < SHORTEST_PHRASE:
                yield Finding((key, i), f"a phrase of {len(plain)} letters stands in many texts; write it under a word")
            elif not key.endswith("_phrases") and seen.setdefault(plain, key) != key:
                yield Finding((key, i), f"this word means {seen[plain]} already; keep one of the two")
