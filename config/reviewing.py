"""Write into a file of hours that a person reviewed a row: that value alone changes, in one atomic replacement."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from config.hours import hours_problems, hours_set
from config.yaml_lines import Document, parse_document, read_text
from waves.errors import InputError, PlanError
from waves.hours_set import HoursRow, Review


def sets_in(document: Document) -> dict[str, tuple[HoursRow, ...]]:
    """The rows of every set of the file; PlanError with every problem of it."""
    if problems := hours_problems(document):
        raise PlanError(problems)
    return {name: hours_set(document, name).rows for name in document.data}


def unreviewed(document: Document, only: str | None = None) -> list[tuple[str, HoursRow]]:
    """The set and row of everything that nobody has reviewed, in the file's order; of one set when it is named."""
    found = sets_in(document)
    if only is not None:
        hours_set(document, only)
    return [
        (name, row) for name, rows in found.items() for row in rows if row.reviewed is None and only in (None, name)
    ]


def mark_reviewed(path: Path, name: str, row: HoursRow, by: str, on: date) -> None:
    """Say in the file that `by` reviewed the row of this set; InputError when it does not read like that any more."""
    text = read_text(path)
    document = parse_document(text, str(path))
    if row not in (there for of, there in unreviewed(document, name) if of == name):
        raise InputError(f"{path}: the row for {row.place} of {name} was changed meanwhile; look at it again")
    place = next(i for i, there in enumerate(hours_set(document, name).rows) if there.place == row.place)
    start, end = _value(text.removeprefix("\ufeff"), name, place)
    mark = len(text) - len(text.removeprefix("\ufeff"))
    said = f"{{by: {json.dumps(by, ensure_ascii=False)}, on: {on.isoformat()}}}"
    gap = " " if start == end else ""
    changed = f"{text[: start + mark]}{gap}{said}{text[end + mark :]}"
    rows = hours_set(parse_document(changed, str(path)), name).rows
    if rows[place] != row.model_copy(update={"reviewed": Review(by=by, on=on)}):
        raise InputError(f"{path}: cannot write the review of {row.place} there; write reviewed: {said} yourself")
    replace_text(path, changed)


def replace_text(path: Path, text: str) -> None:
    """The file with this text, or as it was: never half of it."""
    with NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline=""
    ) as new:
        try:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
            shutil.copymode(path, new.name)
            os.replace(new.name, path)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


def _value(text: str, name: str, place: int) -> tuple[int, int]:
    """Where in the text the value of a row's `reviewed` begins and ends."""
    top: Any = YAML(typ="safe", pure=True).compose(text)
    rows = _under(_under(top, name), "rows")
    assert isinstance(rows, SequenceNode)
    row = rows.value[place]
    key, node = next(pair for pair in row.value if pair[0].value == "reviewed")
    if node.start_mark.index < node.end_mark.index:
        return node.start_mark.index, node.end_mark.index
    after = text.index(":", key.end_mark.index) + 1  # nothing is written: its marks may stand lines below
    return after, after


def _under(node: Node, key: str) -> Node:
    assert isinstance(node, MappingNode)
    return next(value for at, value in node.value if at.value == key)
