"""What a text message's fixed text costs already, before any value is filled in: notes of `check`, not errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jinja2 import TemplateError, nodes

from config.templates import ENVIRONMENT, Part, TemplateName, split_parts
from waves.errors import Problem
from waves.sms_units import IN_UNITS, OF_SEVERAL, SEPTETS, WIDE, WIDE_OF_SEVERAL, foreign, sms_units

PLAIN: Mapping[str, str] = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2013": "-",
    "\u2014": "-",
    "\u2026": "...",
    "\u00a0": "a space",
    "\t": "a space",
}
"""What word processors write, and what says the same in the GSM alphabet."""
SHOWN = 5
"""Characters that a note names."""


def sms_notes(folder: str, templates: Mapping[str, str]) -> list[Problem]:
    """What to know of the templates of text messages, by file and line; a template that does not parse has none."""
    found: list[Problem] = []
    for file, text in templates.items():
        name = TemplateName.parse(file)
        if name is not None and name.channel in IN_UNITS:
            found += _notes(f"{folder}/{file}", next(p for p in split_parts(text) if p.name == "body"))
    return sorted(found)


def _notes(file: str, body: Part) -> Iterator[Problem]:
    try:
        tree = ENVIRONMENT.parse(body.text)
    except TemplateError:
        return
    written = [(data.lineno, data.data) for data in tree.find_all(nodes.TemplateData)]
    wide = foreign("".join(text for _, text in written))
    if wide:
        yield Problem(file, body.line + _line_of(written, wide[0]) - 1, _of_characters(wide))
    certain = "".join(_certain(tree)).strip()
    units = sms_units(certain)
    if units > 1:
        single, several = (WIDE, WIDE_OF_SEVERAL) if foreign(certain) else (SEPTETS, OF_SEVERAL)
        said = (
            f"the fixed text alone takes {units} segments: {single} characters are one, and of several {several} each"
        )
        yield Problem(file, body.line, f"{said}; every segment is paid for")


def _certain(tree: nodes.Template) -> Iterator[str]:
    """The text that every customer gets, whatever is in its values."""
    for node in tree.body:
        if isinstance(node, nodes.Output):
            yield from (part.data for part in node.nodes if isinstance(part, nodes.TemplateData))


def _line_of(written: list[tuple[int, str]], character: str) -> int:
    return next(line + text[: text.index(character)].count("\n") for line, text in written if character in text)


def _of_characters(wide: list[str]) -> str:
    named = ", ".join(f"{c if c.isprintable() and c.strip() else 'a blank'} (U+{ord(c):04X})" for c in wide[:SHOWN])
    more = f" and {len(wide) - SHOWN} others" if len(wide) > SHOWN else ""
    known = [f"{PLAIN[c]} for U+{ord(c):04X}" for c in wide if c in PLAIN]
    instead = f"; write {', '.join(known)}" if len(known) == len(wide) else ""
    verb = "is" if len(wide) == 1 else "are"
    return f"{named}{more} {verb} not in the GSM alphabet, so a segment holds {WIDE} characters, not {SEPTETS}{instead}"
