"""Turn what pydantic says of a file into plain sentences with a line, and mend the file for the checks that follow."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.nearest import nearest, write_instead
from config.yaml_lines import Document, Steps, parse_document, read_document
from waves.errors import PlanError, Problem

R = TypeVar("R", bound=BaseModel)
ROUNDS = 8
"""Mending one part can uncover another; a file that still does not fit after this many rounds is given up."""

LIMITS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
KINDS: dict[str, str] = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "decimal": "a number",
    "string": "one word or text",
    "tuple": "a list",
    "list": "a list",
    "dict": "keys",
    "mapping": "keys",
    "model": "keys",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at a part of a file, before the part is turned into a line; `line` when it is known better."""

    steps: Steps
    message: str
    line: int | None = None


@dataclass(slots=True)
class Mended(Generic[R]):
    """A record read from a file, what was wrong with the file, and the parts that were replaced to make it readable."""

    record: R | None
    findings: list[Finding] = field(default_factory=list)
    parts: set[Steps] = field(default_factory=set)

    def sound(self, steps: Steps) -> bool:
        """Whether nothing at, within or around this part was replaced, so that a finding about it is the author's."""
        return not any(steps[: len(part)] == part or part[: len(steps)] == steps for part in self.parts)


def read_record(model: type[R], path: Path, samples: Mapping[str, str]) -> R:
    """The file as a record; PlanError with every problem. `samples`: what one may write for each key."""
    document = read_document(path)
    mended = mend_record(model, document, samples)
    if mended.record is None or mended.findings:
        raise PlanError(problems_of(document, mended.findings))
    return mended.record


def problems_of(document: Document, findings: list[Finding]) -> list[Problem]:
    """The findings with their file and line."""
    return [Problem(document.file, f.line or document.line(f.steps), f.message) for f in findings]


def mend_record(model: type[R], document: Document, samples: Mapping[str, str]) -> Mended[R]:
    """The record in the document and every problem; parts that do not fit are dropped or replaced by a sample."""
    data = copy.deepcopy(document.data)
    mended: Mended[R] = Mended(None)
    for _ in range(ROUNDS):
        try:
            mended.record = model.model_validate(data)
        except ValidationError as error:
            details = error.errors(include_url=False)
        except OverflowError:
            mended.findings.append(Finding((), "a date or a length of time is out of range; write one of this century"))
            return mended
        else:
            return mended
        changed: set[Steps] = set()
        for steps, detail in _placed(data, details):
            if not any(steps[: len(part)] == part for part in changed):
                _mend(model, data, steps, detail, samples, mended)
                changed.add(steps)
    return mended


def _placed(data: object, details: list[ErrorDetails]) -> list[tuple[Steps, ErrorDetails]]:
    """Each error with its part of the file, once a part: of a union's branches the deepest, and missing keys last."""
    placed: dict[Steps, ErrorDetails] = {}
    for detail in sorted(details, key=lambda d: d["type"] == "missing"):
        placed.setdefault(_written(data, detail["loc"], detail["type"] == "missing"), detail)
    branches = [steps for steps, detail in placed.items() if any("[" in str(step) for step in detail["loc"])]
    shallow = {steps for steps in branches for other in placed if other != steps and other[: len(steps)] == steps}
    return [(steps, detail) for steps, detail in placed.items() if steps not in shallow]


def _mend(
    model: type[BaseModel],
    data: dict[str, Any],
    steps: Steps,
    detail: ErrorDetails,
    samples: Mapping[str, str],
    mended: Mended[R],
) -> None:
    owner = record_at(model, steps[:-1])
    if mended.sound(steps):  # otherwise a misspelt key or a bad part has said already why this does not fit
        mended.findings.append(Finding(steps, _sentence(detail, owner, steps, _sample(model, steps, samples))))
    mended.parts.add(steps)
    if not steps:
        return
    around = _at(data, steps[:-1])
    if detail["type"] == "extra_forbidden" and owner is not None:
        around.pop(steps[-1])
        meant = nearest(steps[-1], keys_of(owner))
        if meant is None or meant in around:
            return
        steps = (*steps[:-1], meant)
        mended.parts.add(steps)
    if isinstance(steps[-1], int) or (owner is not None and keys_of(owner)[steps[-1]].is_required()):
        around[steps[-1]] = parse_document(f"sample: {_sample(model, steps, samples)}", "sample").data["sample"]
    else:
        around.pop(steps[-1], None)


def _written(data: object, loc: tuple[int | str, ...], missing: bool) -> Steps:
    """The part of the file that pydantic's location means: its inventions (union branches, `[key]`) left out."""
    steps: Steps = ()
    for i, step in enumerate(loc):
        if isinstance(data, dict) and step in data:  # noqa: SIM114 - a branch for each type
            data = data[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        elif missing and i == len(loc) - 1 and isinstance(data, dict):
            pass
        else:
            continue
        steps = (*steps, step)
    return steps


def _at(data: Any, steps: Steps) -> Any:
    for step in steps:
        data = data[step]
    return data


def _sample(model: type[BaseModel], steps: Steps, samples: Mapping[str, str]) -> str:
    """What one may write at a part: by `Record.key`, by key, or `key.*` for what is in a list or under free keys."""
    for end in range(len(steps), 0, -1):
        owner, key = record_at(model, steps[: end - 1]), steps[end - 1]
        if owner is not None and key in keys_of(owner):
            name = str(key) if end == len(steps) else f"{key}.*"
            return samples.get(f"{owner.__name__}.{name}", samples.get(name, "name"))
    return "name"


def keys_of(record: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys that an author writes in a record of this kind."""
    return {field.alias or name: field for name, field in record.model_fields.items()}


def record_at(model: Any, steps: Steps) -> type[BaseModel] | None:
    """The record that stands at a part of a file of this model; None where a plain value, a list or free keys stand."""
    kind = model
    for step in steps:
        kind = _plain(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if step not in keys_of(kind):
                return None
            kind = keys_of(kind)[str(step)].annotation
        elif get_origin(kind) in (tuple, list):
            kind = get_args(kind)[0]
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            return None
    kind = _plain(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _plain(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        kinds = [_plain(arg) for arg in get_args(kind)]
        return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), kinds[0])
    return kind


def _sentence(detail: ErrorDetails, owner: type[BaseModel] | None, steps: Steps, sample: str) -> str:
    """What is wrong and what to write instead, in one sentence."""
    kind, value = detail["type"], detail.get("input")
    key = next((step for step in reversed(steps) if isinstance(step, str)), "the file")
    if kind == "missing":
        return f"`{key}` is missing; write {key}: {sample}"
    if kind == "extra_forbidden":
        return f"there is no key `{key}` here; {write_instead(key, keys_of(owner) if owner else [])}"
    if value is None:
        return f"`{key}` is empty; write {key}: {sample}" + (" or delete the line" if not _required(owner, key) else "")
    if kind == "value_error":
        said = str(detail["ctx"]["error"])
        return said if not steps else f"`{key}`: {said}"
    one = "one of " if steps and isinstance(steps[-1], int) else ""
    return f"{one}`{key}` is {_shown(value)}; {_write(kind, detail.get('ctx', {}), sample)}"


def _required(owner: type[BaseModel] | None, key: str) -> bool:
    return owner is None or key not in keys_of(owner) or keys_of(owner)[key].is_required()


def _write(kind: str, ctx: Mapping[str, Any], sample: str) -> str:
    if kind in LIMITS:
        name, words = LIMITS[kind]
        return f"write {words} {ctx[name]:g}"
    special: dict[str, Callable[[], str]] = {
        "literal_error": lambda: "write " + re.sub(r"'(\w+)'", r"\1", str(ctx["expected"])),
        "string_pattern_mismatch": lambda: f"write {_alphabet(str(ctx['pattern']))}, such as {sample}",
        "string_too_short": lambda: f"write a text, such as {sample}",
        "string_too_long": lambda: f"write at most {ctx['max_length']} characters",
        "too_short": lambda: f"write at least {ctx['min_length']}, such as {sample}",
        "too_long": lambda: f"write at most {ctx['max_length']}",
    }
    if kind in special:
        return special[kind]()
    wanted = KINDS.get(kind.split("_")[0])
    return f"write {wanted}, such as {sample}" if wanted else f"write {sample}"


def _alphabet(pattern: str) -> str:
    if pattern.startswith("^[A-Z]"):
        return "two capital letters"
    return f"lower-case letters, digits{', -' if '_-' in pattern else ''} and _, a letter first"


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "keys with values"
    text = " ".join(str(value).split())
    return f"{text[:37]}..." if len(text) > 40 else text or "empty"
