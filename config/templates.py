"""Message templates: which file speaks to a customer on a channel in a language, and the text it makes for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from waves.errors import SendRefused

LINK = "link"
OFFERED = ("name", "language", "campaign", "wave", "title", "token", "unsubscribe", LINK)
"""What every template may name, beside the attributes that customers.yaml declares."""

NAMED = re.compile(r"(?P<message>[^.]+)\.(?P<channel>[^.]+)(?:\.(?P<language>[^.]+))?\.j2")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]+)*")
HEADER = re.compile(r"([A-Za-z][A-Za-z-]*):(?!//)[ \t]*(.*)")
COMMENT = re.compile(r"\s*\{#.*?#\}[ \t]*\n?", re.DOTALL)
FAILURES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""All that an expression over plain values can raise inside the sandbox."""

SAME_FOR_ALL = frozenset({"campaign", "wave", "title"})
"""Names whose values are the same for everybody in a wave."""

LOADING = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Missing(TemplateError):
    """A template printed a value that this customer does not have."""


def _printed(value: object) -> object:
    if value is None:
        raise Missing
    return value


def _default(value: object, instead: object = "", boolean: bool = True) -> object:
    """The value, or `instead` where the customer has none (None, empty text); 0 and false are values."""
    return instead if value is None or value == "" else value


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=_printed, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.globals.clear()  # what customers.yaml does not declare is unknown, `range` and `lipsum` too
    environment.filters.update(default=_default, d=_default)
    return environment


ENVIRONMENT = _environment()


@dataclass(frozen=True, slots=True)
class TemplateName:
    """What the name of a template file says."""

    message: str
    channel: str
    language: str | None

    @classmethod
    def parse(cls, filename: str) -> TemplateName | None:
        """MESSAGE.CHANNEL.LANGUAGE.j2 or MESSAGE.CHANNEL.j2; None for any other name."""
        match = NAMED.fullmatch(filename)
        return cls(match["message"], match["channel"], match["language"]) if match else None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a template: its lower-case name, its text, and the line of the file (from 1) where that begins."""

    name: str
    text: str
    line: int


def split_parts(text: str) -> list[Part]:
    """Header lines `Name: text` up to the first empty line, then the body; without such a block all is body.

    A comment `{# ... #}` may stand above. An empty first line says that no header follows."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    skipped = 0
    while comment := COMMENT.match(text, skipped):
        skipped = comment.end()
    first = text.count("\n", 0, skipped) + 1
    lines = text[skipped:].split("\n")
    blank = next((i for i, line in enumerate(lines) if not line.strip()), None)
    headers = [HEADER.fullmatch(line) for line in lines[:blank]] if blank else []
    if not blank or not all(headers):
        return [Part("body", "\n".join(lines), first)]
    parts = [Part(header[1].lower(), header[2].strip(), first + i) for i, header in enumerate(headers) if header]
    return [*parts, Part("body", "\n".join(lines[blank + 1 :]), first + blank + 1)]


class Templates:
    """The templates of a plan by file name; each is compiled once, on its first use.

    A part that is the same for everybody, as most headers are, is written once for a wave.
    """

    def __init__(self, texts: Mapping[str, str], default_language: str = "en") -> None:
        self.texts = dict(texts)
        self.default_language = default_language
        self._compiled: dict[str, tuple[tuple[str, Template, bool], ...]] = {}
        self._written: dict[tuple[object, ...], str] = {}
        self._named: dict[tuple[str, str], frozenset[str]] = {}
        self._links: dict[tuple[str, str], tuple[str, ...]] = {}
        self._chosen: dict[tuple[str, str, str | None], str] = {}

    @cached_property
    def names(self) -> dict[str, TemplateName]:
        """What each file name says; files with another kind of name are left out."""
        return {file: name for file in self.texts if (name := TemplateName.parse(file))}

    def fallbacks(self, language: str | None) -> Iterator[str | None]:
        """The languages to try, in order: exact, its base, the default and its base, none."""
        for wanted in (language, self.default_language):
            code = (wanted or "").strip().lower().replace("_", "-")
            while code:
                yield code
                code = code.rpartition("-")[0]
        yield None

    def choose(self, message: str, channel: str, language: str | None) -> str:
        """The file that speaks this language, or the nearest that falls back for it; SendRefused when there is none."""
        key = (message, channel, language)
        if key not in self._chosen:
            files = {n.language: f for f, n in self.names.items() if (n.message, n.channel) == (message, channel)}
            found = next((files[code] for code in self.fallbacks(language) if code in files), None)
            if found is None:
                raise SendRefused(f"no template {message}.{channel} for this language; write {message}.{channel}.j2")
            self._chosen[key] = found
        return self._chosen[key]

    def variables(self, filename: str) -> set[str]:
        """The names that a template reads from outside; jinja2's TemplateSyntaxError when it does not parse."""
        return {
            name
            for part in split_parts(self.texts[filename])
            for name in meta.find_undeclared_variables(ENVIRONMENT.parse(part.text))
        }

    def named(self, message: str, channel: str) -> frozenset[str]:
        """The names that a message reads on a channel, in whichever language; a file that does not parse reads none."""
        key = (message, channel)
        if key not in self._named:
            found = set[str]()
            for file, name in self.names.items():
                if (name.message, name.channel) == key:
                    with suppress(TemplateError):
                        found |= self.variables(file)
            self._named[key] = frozenset(found)
        return self._named[key]

    def links(self, message: str, channel: str) -> tuple[str, ...]:
        """The addresses that a message links to on a channel, over all its languages: a link's number is its place.

        Whoever's language has changed since is led where the message they got leads.
        """
        key = (message, channel)
        if key not in self._links:
            found = dict[str, None]()
            for file, name in sorted(self.names.items()):
                if (name.message, name.channel) == key:
                    with suppress(TemplateError):
                        parts = [ENVIRONMENT.parse(part.text) for part in split_parts(self.texts[file])]
                        found |= dict.fromkeys(url for tree in parts for url in linked(tree))
            self._links[key] = tuple(found)
        return self._links[key]

    def render(self, message: str, channel: str, language: str | None, values: Mapping[str, object]) -> dict[str, str]:
        """The message's parts by lower-case name, `body` among them; SendRefused, with no value in it, if it fails.

        A missing value is None: it can be tested and given a `default`, and printing it is refused."""
        filename = self.choose(message, channel, language)
        return self.render_file(filename, values)

    def render_file(self, filename: str, values: Mapping[str, object]) -> dict[str, str]:
        """As `render`, for a file already chosen."""
        parts, shown = {}, dict(values)
        wave = tuple([shown.get(name) for name in SAME_FOR_ALL])
        for name, template, is_fixed in self._parts(filename):
            if is_fixed and (filename, name, wave) in self._written:
                parts[name] = self._written[filename, name, wave]
                continue
            try:
                # Not by `new_context`: there are no globals to mix in, and that takes longer than most texts.
                context = ENVIRONMENT.context_class(ENVIRONMENT, shown, template.name, template.blocks)
                text = "".join(template.root_render_func(context))
            except FAILURES as error:  # `from None`: what it says may hold a person's data
                raise SendRefused(f"{filename}: {_why(error)}") from None
            # One line per header: a line break in a customer's name must not begin a header of its own.
            parts[name] = text.strip() if name == "body" else " ".join(text.split())
            if is_fixed:
                self._written[filename, name, wave] = parts[name]
        if not parts["body"]:
            raise SendRefused(f"{filename}: the text came out empty; nothing was sent")
        return parts

    def _parts(self, filename: str) -> tuple[tuple[str, Template, bool], ...]:
        if filename not in self._compiled:
            parts = split_parts(self.texts[filename])
            try:
                self._compiled[filename] = tuple(
                    (part.name, ENVIRONMENT.from_string(part.text), _is_fixed(part.text)) for part in parts
                )
            except TemplateError as error:
                raise SendRefused(f"{filename}: the template does not parse; run `multiwave check`") from error
        return self._compiled[filename]


def linked(tree: nodes.Template) -> Iterator[str]:
    """The constant address of each `link("...")` in a template, in order."""
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == LINK and is_plain_link(call):
            yield call.args[0].value  # type: ignore[attr-defined]


def is_plain_link(call: nodes.Call) -> bool:
    """Whether a call of `link` is given one constant text and nothing else."""
    given = call.args
    extra = call.kwargs or call.dyn_args or call.dyn_kwargs
    return len(given) == 1 and not extra and isinstance(given[0], nodes.Const) and isinstance(given[0].value, str)


def _is_fixed(text: str) -> bool:
    """Whether the text prints nothing but itself and what is the same for all."""
    return all(
        isinstance(node, nodes.Output)
        and all(
            isinstance(part, nodes.TemplateData) or (isinstance(part, nodes.Name) and part.name in SAME_FOR_ALL)
            for part in node.nodes
        )
        for node in ENVIRONMENT.parse(text).body
    )


def _why(error: Exception) -> str:
    if isinstance(error, Missing):
        return "prints a value that this customer does not have; write {{ NAME | default('...') }}"
    return f"the template fails for this customer ({type(error).__name__}); run `multiwave check`"
