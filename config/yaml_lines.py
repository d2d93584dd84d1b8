"""Read a YAML file that a person wrote, keeping the line of every part; what cannot be read is a PlanError."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from waves.errors import PlanError, Problem

Steps = tuple[str | int, ...]
"""The way from the top of a file to one of its parts: keys and positions."""

TAG = "tag:yaml.org,2002:"
PLAIN_TAGS = frozenset(TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value"))
HINTS = (
    (
        r"cannot start any token",
        "a tab or a special character starts a value; indent with spaces, quote such text",
    ),
    (
        r"mapping values are not allowed",
        "a second colon on one line, or a wrong indent; quote text that holds a colon",
    ),
    (r"could not find expected ':'", "a line without a colon; write `key: value`"),
    (r"expected <block end>", "the indent does not fit the lines above; align it with its neighbours"),
    (r"expected ',' or '[\]}]'", "a bracket is not closed, or a comma is missing"),
    (r"unexpected end of stream", "a quote is not closed"),
    (r"special characters are not allowed", "a control character is in the text; delete it"),
    (r"expected a single document", "a second `---`; one file holds one document"),
    (r"undefined alias", "`*` starts a value; put it in quotes"),
)
"""What ruamel's commonest complaints mean to someone who writes a plan."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's parsed content, every scalar kept as the text that was written (or None), and where each part stands."""

    file: str
    text: str
    data: dict[str, object]
    lines: dict[Steps, int] = field(default_factory=dict)
    scalars: dict[Steps, tuple[int, str]] = field(default_factory=dict)
    """Of each value that may hold more than one line: the line of its first character, and the text as it stands."""

    def line(self, steps: Steps) -> int:
        """The line (from 1) of a part, or of the nearest part around it when it is not written at all."""
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, 1)

    def problem(self, steps: Steps, message: str) -> Problem:
        return Problem(self.file, self.line(steps), message)

    def part(self, name: str) -> Document | None:
        """What stands under a key of the top, its parts on their lines of this file; None when those are no keys."""
        data = self.data[name]
        if not isinstance(data, dict):
            return None
        lines = {steps[1:]: line for steps, line in self.lines.items() if steps[0] == name}
        return Document(self.file, self.text, data, lines)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, byte for byte; PlanError when it is absent or of another encoding."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise PlanError([Problem(str(path), 1, "there is no such file; write it, or name another")]) from None
    except OSError as error:
        raise PlanError([Problem(str(path), 1, f"cannot be read ({error.strerror})")]) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 text (byte 0x{raw[error.start]:02x}); save the file as UTF-8"
        raise PlanError([Problem(str(path), line, message)]) from None


def says_something(text: str) -> bool:
    """Whether more than comments is written: some files that come with a release are examples alone."""
    return any(line.strip() and not re.match(r"\s*(#|---)", line) for line in text.removeprefix("\ufeff").splitlines())


def read_document(path: Path) -> Document:
    """The YAML file at `path`; PlanError for what cannot be read."""
    return parse_document(read_text(path), str(path))


def parse_document(text: str, file: str) -> Document:
    """The YAML in `text`, `file` being the name to show; PlanError names every broken, doubled or foreign part."""
    body = text.removeprefix("\ufeff")
    try:
        node = _composed(body)
    except YAMLError as error:
        raise PlanError([_broken(error, body, file)]) from error
    except RecursionError:
        raise PlanError([Problem(file, 1, "nested too deep; write it flatter")]) from None
    if not isinstance(node, MappingNode):
        what = "the file is empty" if node is None else "the file is not made of keys"
        raise PlanError([Problem(file, 1, f"{what}; write lines such as `key: value`")])
    reading = _Reading(file, body)
    data = reading.mapping(node, ())
    if reading.problems:
        raise PlanError(reading.problems)
    return Document(file, text, data, reading.lines, reading.scalars)


@lru_cache(maxsize=32)
def _composed(body: str) -> Node | None:
    """The nodes of a text, which nobody changes: an engine reads the same files again and again, for 0.1 s each."""
    node: Node | None = YAML(typ="safe", pure=True).compose(body)
    return node


def _broken(error: YAMLError, text: str, file: str) -> Problem:
    line, said = 1, str(error).splitlines()[0]
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = f"{error.context or ''} {error.problem or ''}".strip()
    elif match := re.search(r"position (\d+)", str(error)):
        line = text.count("\n", 0, int(match[1])) + 1
    line = min(line, max(1, len(text.splitlines())))
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, said)), said)
    return Problem(file, line, f"broken YAML: {hint}")


class _Reading:
    """One walk over a composed file: plain values out, lines and problems noted on the way."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines: dict[Steps, int] = {}
        self.scalars: dict[Steps, tuple[int, str]] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.file, line, message))

    def mapping(self, node: MappingNode, at: Steps) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.problem(line, "a key is a list or a mapping; write a plain word")
                continue
            key = str(key_node.value)
            if key in data:
                first = self.lines[(*at, key)]
                self.problem(line, f"`{key}` is written twice (first on line {first}); keep one")
                continue
            self.lines[(*at, key)] = line
            data[key] = self.value(value_node, (*at, key), line)
        return data

    def value(self, node: Node, at: Steps, line: int) -> object:
        if id(node) in self._seen:
            self.problem(line, "`*` repeats another part of the file; write it out in full")
            return None
        self._seen.add(id(node))
        if isinstance(node, MappingNode) and node.tag == TAG + "map":
            return self.mapping(node, at)
        if isinstance(node, SequenceNode) and node.tag == TAG + "seq":
            return [self.item(child, (*at, i)) for i, child in enumerate(node.value)]
        if isinstance(node, ScalarNode) and node.tag in PLAIN_TAGS:
            return self.scalar(node, at)
        tag = str(node.tag).removeprefix(TAG)
        self.problem(line, f"the tag {tag} is not read; write a plain value")
        return None

    def item(self, node: Node, at: Steps) -> object:
        self.lines[at] = node.start_mark.line + 1
        return self.value(node, at, node.start_mark.line + 1)

    def scalar(self, node: ScalarNode, at: Steps) -> str | None:
        start, raw = node.start_mark.line + 1, self.text[node.start_mark.index : node.end_mark.index]
        if node.style in ("|", ">"):
            start, raw = start + 1, raw.partition("\n")[2]
        elif node.style in ("'", '"'):
            raw = raw[1:-1]
        self.scalars[at] = start, raw
        return None if node.tag == TAG + "null" else str(node.value)
