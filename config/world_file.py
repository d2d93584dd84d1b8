"""Read a world file, or say every problem of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from config.lookups import rule_findings
from config.nearest import write_instead
from config.sentences import Finding, mend_record, problems_of
from config.world import World
from config.yaml_lines import Document, Steps, read_document, read_text
from waves.errors import PlanError
from waves.plan import Plan
from waves.rules import parse_rule


@dataclass(frozen=True, slots=True)
class WorldFile:
    """A world and the customer keys that its segments list in files."""

    world: World
    keys: Mapping[str, frozenset[str]]


def load_world(path: Path, types: Mapping[str, str], plan: Plan | None = None) -> WorldFile:
    """The world at `path`, its rules over columns of these `types`; PlanError with every problem by file and line.

    With a plan it must say something of every channel that the plan uses.
    """
    document = read_document(path)
    mended = mend_record(World, document, SAMPLES)
    findings, keys = list(mended.findings), dict[str, frozenset[str]]()
    if mended.record is not None:
        for found in _findings(mended.record, document, types):
            findings += [found] if mended.sound(found.steps) else []
        for name, segment in mended.record.segments.items():
            if segment.keys is not None and mended.sound(("segments", name)):
                try:
                    keys[name] = frozenset(read_text(path.parent / segment.keys).split())
                except PlanError as error:
                    findings.append(Finding(("segments", name, "keys"), str(error.problems[0])))
        if plan is not None and not findings:
            findings += [Finding((), said) for said in dict.fromkeys(gaps(mended.record, plan))]
    if mended.record is None or findings:
        raise PlanError(problems_of(document, findings))
    return WorldFile(mended.record, keys)


def gaps(world: World, plan: Plan) -> Iterator[str]:
    """What this plan needs to know and the world does not say."""
    for wave in plan.waves:
        for channel in wave.channel_names:
            if channel == "call_list":
                if world.calls is None:
                    yield f"the world says nothing of calls, which wave {wave.wave} makes; write `calls:`"
                if wave.capacity is None and world.agents.capacity is None:
                    yield f"wave {wave.wave} has no capacity; write one in the plan, or under `agents:` here"
            elif channel not in world.channels:
                yield f"the world says nothing of {channel}, which wave {wave.wave} uses; write it under `channels:`"


def _findings(world: World, document: Document, types: Mapping[str, str]) -> Iterator[Finding]:
    for name, segment in world.segments.items():
        if segment.where is not None:
            yield from rule_findings(document, ("segments", name, "where"), segment.where, parse_rule, types)
    if "call_list" in world.channels:
        yield Finding(("channels", "call_list"), "calls are described under `calls`, not under `channels`; move it")
    parts: list[tuple[Steps, Any]] = [(("channels", name), odds) for name, odds in world.channels.items()]
    parts += [(("calls",), world.calls), (("conversions",), world.conversions)]
    for steps, odds in parts:
        for name in odds.segments if odds is not None else ():
            if name not in world.segments:
                instead = write_instead(name, world.segments) if world.segments else "name it under `segments:` first"
                yield Finding((*steps, "segments", name), f"there is no segment {name} in this world; {instead}")


def world_text(world: Mapping[str, Any], origin: str) -> str:
    """A world as YAML that `load_world` reads, `origin` saying above it where its numbers come from."""
    yaml, text = YAML(), StringIO()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.dump(dict(world), text)
    return f"# {origin}\n# What the keys mean says config/examples/world.yaml.\n{text.getvalue()}"


SAMPLES: Mapping[str, str] = {
    "seed": "1",
    "where": "value >= 100",
    "keys": "keys.txt",
    "segments.*": "{where: value >= 100}",
    "channels": "{sms: {bounced_soft: 0.02, silent: 0.1, seen: 0.8, clicked: 0.05}}",
    "channels.*": "{seen: 0.8, clicked: 0.05}",
    "answers": "{right_party: 0.4, no_answer: 0.6}",
    "answers.*": "0.4",
    "attempts": "{2: {right_party: 0.3, no_answer: 0.7}}",
    "says": "{sale: 0.1, not_interested: 0.9}",
    "says.*": "0.1",
    "hours": "{17-20: 1.2}",
    "hours.*": "1.2",
    "starts": "9",
    "days": "[mon, tue]",
    "days.*": "mon",
    "median": "100",
    "spread": "0.5",
    "currency": "USD",
    "capacity": "{teams: {north: 4}, hours: 7.5, handle_time: 180s}",
    "ring_s": "18",
    "talk_s": "120",
    "wrap_s": "35",
    "delivered": "20s",
    "seen_as": "read",
    "answered": "3m",
    "converted": "2h",
} | dict.fromkeys(
    ("refused", "bounced_hard", "bounced_soft", "silent", "seen", "clicked", "replied", "unsubscribed", "complained"),
    "0.05",
)
"""What to write for each key."""
