"""The file of diallers, `diallers.yaml`: how each one's lists are written and read, each problem on its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from pydantic import create_model

from config.addresses import check_url
from config.nearest import write_instead
from config.sentences import Finding, mend_record, problems_of
from config.yaml_lines import Document, parse_document, read_text
from waves.diallers import ANSWERS, FIELDS, Dialler, Layout, is_field
from waves.dispositions import ENDS_ALL_CONTACT, Disposition
from waves.errors import PlanError, Problem
from waves.outcomes import word
from waves.plan import NAME, Record

FILE = Path("diallers.yaml")
API_URL = "https://vici.example.com/vicidial/non_agent_api.php"
SAMPLES: Mapping[str, str] = {
    "format": "vicidial",
    "zone": "America/New_York",
    "columns": "{LeadID: token, Phone: phone}",
    "columns.*": "token",
    "results": "{LeadID: token}",
    "results.*": "token",
    "wrap_ups": "{SOLD: sale}",
    "wrap_ups.*": "sale",
    "phone_style": "digits",
    "region": "US",
    "caller_id": '"+12025550100"',
    "delimiter": "tab",
    "limits": "{rows: 5000, columns: {comments: 120}}",
    "ListLimits.columns": "{comments: 120}",
    "rows": "5000",
    "list_id": "998",
    "api": f"{{url: {API_URL}, user_env: VICIDIAL_USER, password_env: VICIDIAL_PASS}}",
    "url": API_URL,
    "user_env": "VICIDIAL_USER",
    "password_env": "VICIDIAL_PASS",
    "source": "multiwave",
    "campaign": "RENEWAL",
    "parallel": "4",
    "timeout": "30s",
    "expires": "10m",
}
KEYS: type[Record] = create_model(
    "Dialler",
    __base__=Record,
    __doc__=Dialler.__doc__,
    **{name: (info.annotation, info) for name, info in Dialler.model_fields.items() if name != "dialler"},  # type: ignore[call-overload]
)
"""The keys of one dialler as people write them, under its name."""
WORDS = {word(one): one for one in Disposition}
OPTIONAL_KEYS = ("list_id", "api", "expires")
Layouts = Mapping[str, Layout]


def load_diallers(config_dir: Path, layouts: Layouts) -> dict[str, Dialler]:
    """The diallers by name, in the order written, none without the file; PlanError with every problem of them."""
    found = _read(config_dir, layouts)
    if found.problems:
        raise PlanError(found.problems)
    return found.diallers


def dialler_problems(config_dir: Path, layouts: Layouts) -> list[Problem]:
    """Every problem of the file of diallers."""
    return sorted(set(_read(config_dir, layouts).problems))


@dataclass
class _Found:
    diallers: dict[str, Dialler] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def _read(config_dir: Path, layouts: Layouts) -> _Found:
    path, found = config_dir / FILE, _Found()
    if not path.exists():
        return found
    try:
        text = read_text(path)
        if not any(re.match(r"\s*[^\s#-]", line) for line in text.removeprefix("\ufeff").splitlines()):
            return found
        document = parse_document(text, str(path))
    except PlanError as error:
        found.problems += error.problems
        return found
    for name in document.data:
        part = _part(document, name)
        if part is None:
            found.problems.append(document.problem((name,), f"`{name}` holds no keys; write format: in it"))
            continue
        mended = mend_record(KEYS, part, SAMPLES)
        findings = [*mended.findings, *_name_findings(name, mended.record, layouts)]
        if mended.record is not None:
            findings += [one for one in _findings(mended.record, layouts) if mended.sound(one.steps)]
        if mended.record is not None and not findings:
            found.diallers[name] = Dialler(dialler=name, **mended.record.model_dump(exclude_unset=True))
        found.problems += problems_of(part, findings)
    return found


def _part(document: Document, name: str) -> Document | None:
    inside: Any = document.data[name]
    if not isinstance(inside, dict):
        return None
    lines = {steps[1:]: line for steps, line in document.lines.items() if steps[0] == name}
    return Document(document.file, document.text, inside, lines)


def _name_findings(name: str, keys: Any, layouts: Layouts) -> Iterator[Finding]:
    if not re.fullmatch(NAME, name):
        yield Finding((), f"`{name}` is no name; write lower-case letters, digits and _, a letter first, such as north")
    elif name in layouts and keys is not None and keys.format != name:
        yield Finding((), f"`{name}` is the name of another format; give this dialler a name of its own")


def _findings(keys: Any, layouts: Layouts) -> Iterator[Finding]:
    layout = layouts.get(keys.format)
    if layout is None:
        yield Finding(("format",), f"there is no format {keys.format}; {write_instead(keys.format, layouts)}")
        return
    yield from _zone(keys, layout)
    yield from _columns(keys, layout)
    yield from _results(keys, layout)
    yield from _wrap_ups(keys, layout)
    yield from _limits(keys, layout)
    yield from _api(keys, layout)
    for key, may in (("phone_style", layout.phone_styles), ("delimiter", layout.delimiters)):
        given = getattr(keys, key)
        if given is not None and given not in may:
            instead = f"write one of {', '.join(may)}" if may else "it has one of its own, delete the line"
            yield Finding((key,), f"`{key}` {given} is nothing that {keys.format} knows; {instead}")
    for key in OPTIONAL_KEYS:
        if key in keys.model_fields_set and key not in layout.options:
            yield Finding((key,), f"`{key}` means nothing to {keys.format}; delete the line")


def _zone(keys: Any, layout: Layout) -> Iterator[Finding]:
    if keys.zone is None:
        if layout.needs_zone:
            said = f"`zone` is missing: the times of {keys.format} are its server's own, without a zone"
            yield Finding((), f"{said}; write zone: America/New_York, or where the server's clock stands")
    elif keys.zone not in available_timezones():
        yield Finding(("zone",), f"{keys.zone} is no time zone; {write_instead(keys.zone, available_timezones())}")


def _columns(keys: Any, layout: Layout) -> Iterator[Finding]:
    for column, name in keys.columns.items():
        steps = ("columns", column)
        if not is_field(name):
            yield Finding(steps, f"a list cannot tell {name}; {write_instead(name, FIELDS)}, or extra.NAME")
        if layout.fixed and column not in layout.columns:
            yield Finding(steps, f"{keys.format} has no column {column}; {write_instead(column, layout.columns)}")
        elif layout.fixed and layout.columns[column].partition("_")[0] in ("token", "phone"):
            yield Finding(steps, f"{column} holds the {layout.columns[column]} and nothing else; delete the line")
        elif not re.fullmatch(layout.header, column):
            yield Finding(steps, f"{column!r} is no name of a column of {keys.format}")
    if layout.fixed or not keys.columns or not all(map(is_field, keys.columns.values())):
        return
    for name in ("token", "phone"):
        if name not in keys.columns.values():
            why = "no result would find its customer" if name == "token" else "nobody could be called"
            yield Finding(("columns",), f"no column holds the {name}: {why}; write NAME: {name}")
    if twice := sorted({c for c in keys.columns if [d.casefold() for d in keys.columns].count(c.casefold()) > 1}):
        yield Finding(("columns",), f"{', '.join(twice)} differ by case only; keep one")
    if layout.max_columns is not None and len(keys.columns) > layout.max_columns:
        yield Finding(("columns",), f"{keys.format} takes {layout.max_columns} columns; these are {len(keys.columns)}")


def _results(keys: Any, layout: Layout) -> Iterator[Finding]:
    if keys.results and not layout.results:
        yield Finding(("results",), f"the columns of {keys.format}'s results are its own; delete `results`")
    told: dict[str, str] = {}
    for column, what in keys.results.items():
        if what not in ANSWERS:
            yield Finding(("results", column), f"results cannot tell {what}; {write_instead(what, ANSWERS)}")
        elif what in told:
            yield Finding(("results", column), f"{told[what]} and {column} both tell the {what}; keep one")
        told.setdefault(what, column)


def _wrap_ups(keys: Any, layout: Layout) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for code, name in keys.wrap_ups.items():
        steps, plain = ("wrap_ups", code), code.strip().casefold()
        if name not in WORDS:
            yield Finding(steps, f"{name} is no disposition; {write_instead(name, WORDS)}")
            continue
        if plain in seen:
            yield Finding(steps, f"{seen[plain]!r} and {code!r} are one to a reader; keep one")
        seen.setdefault(plain, code)
        means = layout.codes.get(code.strip().upper())
        if means in ENDS_ALL_CONTACT and WORDS[name] not in ENDS_ALL_CONTACT:
            said = f"{code} is {keys.format}'s own word for {word(means)}, and who said that is called no more"
            yield Finding(steps, f"{said}; delete the line")


def _api(keys: Any, layout: Layout) -> Iterator[Finding]:
    if keys.api is None or "api" not in layout.options:
        return
    try:
        check_url(keys.api.url, API_URL, "they go into the variables of `user_env` and `password_env`")
    except ValueError as error:
        yield Finding(("api", "url"), f"`url`: {error}")
    if keys.list_id is None:
        yield Finding(("api",), "entries are loaded into a list there; write its number beside `api`: list_id: 998")


def _limits(keys: Any, layout: Layout) -> Iterator[Finding]:
    rows, most = keys.limits.rows, layout.max_rows
    if rows is not None and most is not None and rows > most:
        yield Finding(("limits", "rows"), f"{keys.format} takes {most:,} entries at most; write that or less")
    columns = layout.columns if layout.fixed or not keys.columns else keys.columns
    for column, length in keys.limits.columns.items():
        steps, holds = ("limits", "columns", column), layout.length(column)
        if column not in columns:
            yield Finding(steps, f"there is no column {column}; {write_instead(column, columns)}")
        elif length < 1 or (holds is not None and length > holds):
            yield Finding(steps, f"{column} holds 1 to {holds or 'any number of'} characters; write less")
