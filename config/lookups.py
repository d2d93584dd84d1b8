"""What a plan names elsewhere: its segment, its hours rules, its templates and the columns its rules read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from config.hours import FILE as HOURS
from config.hours import hours_problems, hours_set
from config.nearest import nearest, write_instead
from config.segment import FOLDER as SEGMENTS
from config.segment import Segment, mend_segment, segment_path
from config.sentences import Finding, Mended, problems_of
from config.template_checks import template_problems
from config.templates import LANGUAGE, TemplateName, Templates
from config.yaml_lines import Document, Steps, read_document, read_text
from waves.errors import PlanError, Problem, RuleError
from waves.message import CHANNEL_CODES, Capabilities
from waves.plan import HoursChoice, Plan
from waves.rules import Rule, parse_rule, parse_score

TEMPLATES = "templates"

Types = Mapping[str, str]


def rule_findings(
    document: Document, steps: Steps, text: str, parse: Callable[..., Rule], *arguments: object
) -> Iterator[Finding]:
    """The problems of a rule, on the lines of the file where they stand, block scalars included."""
    line, raw = document.scalars.get(steps, (document.line(steps), text))
    found = _wrong(text, parse, arguments)
    if raw.strip() != text.strip():  # folded (`>`, or a long plain line): ask again in the text as it stands
        again = _wrong(raw, parse, arguments)
        found = again if [message for message, _ in again] == [message for message, _ in found] else found
    for message, offset in found:
        yield Finding(steps, message, line + min(offset, len(raw.splitlines()) or 1) - 1)


def _wrong(text: str, parse: Callable[..., Rule], arguments: tuple[object, ...]) -> list[tuple[str, int]]:
    try:
        parse(text, *arguments)
    except RuleError as error:
        return [(str(each), each.line) for each in error.every]
    return []


def plan_rules(plan: Plan, document: Document, types: Types) -> Iterator[Finding]:
    """The problems of every enter and rank rule, and of the columns of skills."""
    names = [wave.wave for wave in plan.waves]
    for i, wave in enumerate(plan.waves):
        if wave.enter is not None:
            earlier = tuple(dict.fromkeys(names[:i]))
            later = tuple(name for name in names[i:] if name not in earlier)
            yield from rule_findings(
                document, ("waves", i, "enter"), wave.enter, parse_rule, types, earlier, True, later
            )
        if wave.rank is not None:
            yield from rule_findings(document, ("waves", i, "rank"), wave.rank, parse_score, types)
        texts = [name for name, kind in types.items() if kind == "text"]
        if wave.skill is not None and wave.skill not in texts:
            message = f"`skill` names no column of text of customers.yaml: {wave.skill}"
            instead = write_instead(wave.skill, texts) if texts else "declare it there"
            yield Finding(("waves", i, "skill"), f"{message}; {instead}")


def find_segment(
    config_dir: Path, name: str, types: Types | None
) -> tuple[Segment | None, str, list[Problem], str | None]:
    """The segment, its text and its problems; the last is what to say in the plan when there is no such segment."""
    path = segment_path(config_dir, name)
    if not path.is_file():
        names = sorted(file.stem for file in (config_dir / SEGMENTS).glob("*.yaml"))
        instead = write_instead(name, names) if names else f"write it in {path}"
        return None, "", [], f"there is no segment {name} ({SEGMENTS}/{name}.yaml); {instead}"
    try:
        document, mended = mend_segment(path)
    except PlanError as error:
        return None, "", list(error.problems), None
    findings = list(mended.findings)
    if mended.record and types is not None and mended.sound(("where",)):
        findings += rule_findings(document, ("where",), mended.record.where, parse_rule, types)
    return mended.record, document.text, problems_of(document, findings), None


def find_hours(config_dir: Path, chosen: HoursChoice) -> tuple[str, list[Problem], list[Finding]]:
    """The text of the hours file and its problems, then what to say in the plan of sets and rows that are not there."""
    path = config_dir / HOURS
    try:
        document = read_document(path)
    except PlanError as error:
        return "", list(error.problems), []
    problems = hours_problems(document)
    if chosen.set not in document.data:
        said = f"there is no set of hours {chosen.set} in {HOURS}; {write_instead(chosen.set, document.data)}"
        return document.text, problems, [Finding(("hours",), said)]
    if problems:
        return document.text, problems, []
    places = [row.place for row in hours_set(document, chosen.set).rows]
    strange = [
        Finding(
            ("hours", "accept_unreviewed", i),
            f"the set {chosen.set} has no row for {place}; {write_instead(place, places)}",
        )
        for i, place in enumerate(chosen.accept_unreviewed)
        if place not in places
    ]
    return document.text, problems, strange


class TemplateFolder:
    """The template files of a configuration, and the problems of those that a plan uses."""

    def __init__(
        self,
        config_dir: Path,
        capabilities: Mapping[str, Capabilities],
        types: Types | None,
        language: str,
        has_pages: bool = True,
    ) -> None:
        self.folder = config_dir / TEMPLATES
        self.capabilities = capabilities
        self.types = types
        self.language = language
        self.has_pages = has_pages
        self.files = {
            path.name: name
            for path in sorted(self.folder.glob("*.j2"))
            if (name := TemplateName.parse(path.name)) is not None
        }
        self.texts: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._read: set[str] = set()

    def use(self, message: str, channels: tuple[str, ...]) -> Iterator[str]:
        """Read what speaks for a message on its channels; yields what to say in the plan of those that are missing."""
        known = sorted({name.message for name in self.files.values()})
        if message not in known:
            near = nearest(message, known)
            instead = f"write {near}" if near else f"write {TEMPLATES}/{message}.{channels[0]}.{self.language}.j2"
            yield f"there is no template for {message}; {instead}"
            return
        for channel in channels:
            if channel in self.capabilities and self.capabilities[channel].kind == "message":
                yield from self._use_channel(message, channel)
        for file, name in self.files.items():
            if name.message == message and name.channel not in CHANNEL_CODES:
                instead = write_instead(name.channel, CHANNEL_CODES)
                self._problem(file, f"there is no channel {name.channel}, so nothing uses this file; {instead}")

    def _use_channel(self, message: str, channel: str) -> Iterator[str]:
        files = {
            name.language: file
            for file, name in self.files.items()
            if (name.message, name.channel) == (message, channel)
        }
        wanted = f"{TEMPLATES}/{message}.{channel}.{self.language}.j2"
        if not files:
            yield f"there is no template of {message} for {channel}; write {wanted}"
        elif not set(Templates({}, self.language).fallbacks(None)) & set(files):
            either = f"{wanted} or {message}.{channel}.j2"
            yield f"{message} has no template for {channel} in other languages; write {either}"
        for language, file in files.items():
            if language is not None and not LANGUAGE.fullmatch(language):
                self._problem(file, f"{language} is no language code; name the file such as {message}.{channel}.en.j2")
            self._read_file(file, self.capabilities[channel])

    def _read_file(self, file: str, capability: Capabilities) -> None:
        if file in self._read:
            return
        self._read.add(file)
        try:
            self.texts[file] = read_text(self.folder / file)
        except PlanError as error:
            self.problems += error.problems
            return
        where = str(self.folder / file)
        self.problems += template_problems(where, self.texts[file], capability, self.types, self.has_pages)

    def _problem(self, file: str, message: str) -> None:
        self.problems.append(Problem(str(self.folder / file), 1, message))


def template_findings(plan: Plan, mended: Mended[Plan], folder: TemplateFolder) -> Iterator[Finding]:
    """What the plan's messages lack; the folder then holds the texts, and the problems inside the files."""
    for i, wave in enumerate(plan.waves):
        named: dict[Steps, str] = {("message",): wave.message} if wave.message else {}
        named |= {("variants", key, "message"): variant.message for key, variant in wave.variants.items()}
        for steps, message in named.items():
            at: Steps = ("waves", i, *steps)
            if mended.sound(at) and mended.sound(("waves", i, "channels")):
                yield from (Finding(at, said) for said in folder.use(message, wave.channel_names))
