"""Small changes to a plan's text; every other line, its comments too, stays byte for byte as the author wrote it."""

from __future__ import annotations

from itertools import pairwise

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node


class PlanEdits:
    """Changes to one plan that `check` passed: noted one by one, none of them overlapping, and made at once."""

    def __init__(self, text: str) -> None:
        self._body = text.removeprefix("\ufeff")
        node = YAML(typ="safe", pure=True).compose(self._body)
        assert isinstance(node, MappingNode), "a checked plan is made of keys"
        self.top = node
        self._changes: list[tuple[int, int, str]] = []

    def made(self) -> str:
        """The text with every change."""
        text = self._body
        for start, end, new in sorted(self._changes, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def items(self, key: str) -> list[MappingNode]:
        """The parts of a list at the top of the plan."""
        return list(value_of(self.top, key).value)

    def write(self, owner: MappingNode, key: str, value: str) -> None:
        """Write a value in the place of another."""
        node = value_of(owner, key)
        self._changes.append((node.start_mark.index, _end(node), value))

    def rewrite(self, owner: MappingNode, key: str, line: str) -> None:
        """Write another key with its value in the place of one, and drop the comment at its end."""
        start, end = next((k.start_mark.index, _end(v)) for k, v in owner.value if k.value == key)
        self._changes.append((start, end if owner.flow_style else end + len(self._line_from(end)), line))

    def blank(self, owner: MappingNode, key: str, why: str) -> None:
        """Leave a value out, which `check` refuses, and say beside it what it was."""
        node = value_of(owner, key)
        comment = "" if owner.flow_style else f"# was {node.value}; {why}"
        tail = self._line_from(_end(node)) if comment else ""
        self._changes.append((node.start_mark.index, _end(node) + len(tail), comment))

    def drop(self, owner: MappingNode, *unwanted: str) -> None:
        """Take these keys with their values away, where they are written; one key at least must stay."""
        first = next(i for i, (key, _) in enumerate(owner.value) if key.value not in unwanted)
        if first:
            edge = owner.value[0][0].start_mark.index, owner.value[first][0].start_mark.index
            self._changes.append((*edge, ""))
        for (_, before), (key, value) in pairwise(owner.value[first:]):
            if key.value in unwanted:
                lines = self._line_start(key.start_mark.index), self._next_line(_end(value))
                self._changes.append((*((_end(before), _end(value)) if owner.flow_style else lines), ""))

    def keep(self, key: str, first: int, last: int) -> None:
        """Of a list at the top keep the parts from `first` to `last`; a comment right before a part goes with it."""
        node, parts = value_of(self.top, key), self.items(key)
        for from_, to in ((0, first - 1), (last + 1, len(parts) - 1)):
            if to < from_:
                continue
            start, end = parts[from_].start_mark.index, _end(parts[to])
            if node.flow_style:
                edge = (start, parts[to + 1].start_mark.index) if from_ == 0 else (_end(parts[from_ - 1]), end)
            elif from_ == 0:
                rest = self._body[self._next_line(end) :]
                blank = len(rest) - len(rest.lstrip("\r\n"))
                edge = (self._line_start(self._dash(parts[0])), self._next_line(end) + blank)
            else:
                edge = (self._next_line(_end(parts[from_ - 1])), self._next_line(end))
            self._changes.append((*edge, ""))

    def _dash(self, part: Node) -> int:
        return self._body.rindex("-", 0, part.start_mark.index)

    def _line_start(self, index: int) -> int:
        return self._body.rfind("\n", 0, index) + 1

    def _line_from(self, index: int) -> str:
        return self._body[index:].partition("\n")[0].removesuffix("\r")

    def _next_line(self, index: int) -> int:
        if index and self._body[index - 1] == "\n":  # a block of lines ends where the next line begins
            return index
        found = self._body.find("\n", index)
        return len(self._body) if found < 0 else found + 1


def value_of(owner: MappingNode, key: str) -> Node:
    """The value of a key that is written."""
    return next(value for name, value in owner.value if name.value == key)


def _end(node: Node) -> int:
    """Where a part's own text ends; the parser's mark of a block is the beginning of whatever follows it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, MappingNode) else last)
    return int(node.end_mark.index)
