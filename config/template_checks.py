"""What is wrong with one template file: its header, its names, its syntax, and a trial run with sample values."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime

from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError

from config.nearest import write_instead
from config.templates import ENVIRONMENT, LINK, LOADING, OFFERED, Missing, Part, is_plain_link, linked, split_parts
from waves.errors import Problem
from waves.links import MOST, TOKEN, is_destination
from waves.message import Capabilities

SAMPLE_VALUES: Mapping[str, object] = {
    "integer": 7,
    "number": 7.5,
    "text": "text",
    "boolean": True,
    "date": date(2026, 12, 1),
    "datetime": datetime(2026, 12, 1, 9, tzinfo=UTC),
}
"""One value of each attribute type, for the trial run."""


def template_problems(
    file: str, text: str, capability: Capabilities, types: Mapping[str, str] | None, has_pages: bool = True
) -> list[Problem]:
    """Every problem of a template on its channel; `types` are the declared attributes, None when they are not known.

    `has_pages`: whether our own pages have a public address.
    """
    parts = split_parts(text)
    problems = _header_problems(file, parts, capability)
    for part in parts:
        problems += _part_problems(file, part, types, has_pages)
    return problems


def _header_problems(file: str, parts: list[Part], capability: Capabilities) -> list[Problem]:
    *headers, body = parts
    problems, allowed = [], [name.title() for name in capability.parts]
    for i, part in enumerate(headers):
        if part.name not in {name.lower() for name in capability.parts}:
            instead = write_instead(part.name, allowed) if allowed else "delete it"
            wrong = f"{part.name.title()}: is no header of {capability.channel}"
            message = f"{wrong}; {instead} (if it is text, begin the file with an empty line)"
            problems.append(Problem(file, part.line, message))
        elif part.name in {other.name for other in headers[:i]}:
            problems.append(Problem(file, part.line, f"{part.name.title()}: is written twice; keep one"))
        elif not part.text:
            problems.append(Problem(file, part.line, f"{part.name.title()}: is empty; write its text on the same line"))
    for name in capability.required_parts:
        if name.lower() not in {part.name for part in headers}:
            message = f"{name.title()} is missing; begin with `{name.title()}: ...`, an empty line, then the text"
            problems.append(Problem(file, 1, message))
    if not body.text.strip():
        line = headers[-1].line if headers else body.line
        problems.append(Problem(file, line, "there is no text; write it after the header and an empty line"))
    return problems


def _link_problems(file: str, part: Part, tree: nodes.Template) -> list[Problem]:
    """Links whose destination is not written there: whoever could choose it would have our domain to lead people by."""
    calls = [call for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name) and call.node.name == LINK]
    problems = []
    for call in calls:
        line = part.line + call.lineno - 1
        if not is_plain_link(call):
            message = f'{LINK} takes one constant text; write {{{{ {LINK}("https://shop.example.com/renew") }}}}'
            problems.append(Problem(file, line, message))
        elif not is_destination(call.args[0].value):  # type: ignore[attr-defined]
            message = (
                f"this is no https address to link to; write https://HOST/PATH in plain letters, with {TOKEN} where the"
                " shop is to read the message's token"
            )
            problems.append(Problem(file, line, message))
    own = [call.node for call in calls]
    for name in tree.find_all(nodes.Name):
        if name.name == LINK and not any(name is one for one in own):
            message = f'{LINK} is a word of its own; write {{{{ {LINK}("https://shop.example.com/renew") }}}}'
            problems.append(Problem(file, part.line + name.lineno - 1, message))
    if len(set(linked(tree))) > MOST // 32:
        problems.append(Problem(file, part.line, f"more than {MOST // 32} different links in one text; write fewer"))
    return problems


def _part_problems(file: str, part: Part, types: Mapping[str, str] | None, has_pages: bool) -> list[Problem]:
    try:
        tree = ENVIRONMENT.parse(part.text)
        template = ENVIRONMENT.from_string(part.text)
    except TemplateSyntaxError as error:
        return [Problem(file, part.line + error.lineno - 1, f"the template does not parse: {error.message}")]
    problems = [
        Problem(
            file, part.line + node.lineno - 1, f"{type(node).__name__.lower()} reads another file; write the text here"
        )
        for node in tree.find_all(LOADING)
    ]
    problems += _link_problems(file, part, tree)
    if types is None or problems:
        return problems
    values = {**dict.fromkeys(OFFERED, "text"), **{name: SAMPLE_VALUES[kind] for name, kind in types.items()}}
    values |= {LINK: str, "unsubscribe": "https://go.example.com/u/" if has_pages else None}
    read = meta.find_undeclared_variables(tree)
    for name in sorted(read - set(values)):
        line = part.line + _first_line(part.text, name) - 1
        problems.append(Problem(file, line, f"there is no variable {name}; {write_instead(name, values)}"))
    if problems:
        return problems
    try:
        template.render(values)
    except Missing as error:  # no attribute is missing in a trial run
        message = "it prints `none`, which no message can; write a text, or {{ NAME | default('...') }}"
        if "unsubscribe" in read and not has_pages:
            message = "`unsubscribe` has no page to lead to; set MULTIWAVE_PUBLIC_URL, the address of `multiwave serve`"
        problems.append(Problem(file, _failing_line(error, part), message))
    except (SecurityError, TypeError) as error:
        problems.append(Problem(file, _failing_line(error, part), f"the template cannot run: {error}"))
    except UndefinedError as error:
        if "has no attribute" in str(error):
            problems.append(Problem(file, _failing_line(error, part), f"the template cannot run: {error}"))
    except (TemplateError, ValueError, ArithmeticError, LookupError):
        pass  # depends on the values; the sample's may simply not be a customer's
    return problems


def _first_line(text: str, name: str) -> int:
    """The line of a text where a name first stands inside braces."""
    for block in re.finditer(r"\{[{%].*?[%}]\}", text, re.DOTALL):
        if found := re.search(rf"(?<![\w.'\"]){re.escape(name)}(?!\w)", block[0]):
            return text.count("\n", 0, block.start() + found.start()) + 1
    return 1


def _failing_line(error: BaseException, part: Part) -> int:
    """The line of the file that failed: jinja2 writes the template's own lines into the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return part.line + (lines[-1] or 1) - 1 if lines else part.line
