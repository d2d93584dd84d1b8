"""The file of seeds, `seeds.yaml`: who gets every wave's message besides its customers, each problem on its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import create_model

from config.nearest import write_instead
from config.sentences import Finding, mend_record, problems_of
from config.yaml_lines import parse_document, read_text, says_something
from waves.errors import PlanError, Problem
from waves.message import Capabilities
from waves.plan import NAME, Record
from waves.seeds import Seed, misfit

FILE = Path("seeds.yaml")
SAMPLES: Mapping[str, str] = {
    "channel": "email",
    "address": "seed@example.com",
    "language": "en",
    "owner": "Anna",
    "campaigns": "[autumn-renewal]",
}
KEYS: type[Record] = create_model(
    "Seed",
    __base__=Record,
    __doc__=Seed.__doc__,
    **{name: (info.annotation, info) for name, info in Seed.model_fields.items() if name != "seed"},  # type: ignore[call-overload]
)
"""The keys of one seed as people write them, under its name."""


def load_seeds(config_dir: Path, capabilities: Mapping[str, Capabilities]) -> tuple[Seed, ...]:
    """The seeds in the order written, none without the file; PlanError with every problem of them."""
    seeds, problems = _read(config_dir, capabilities)
    if problems:
        raise PlanError(problems)
    return tuple(seeds)


def seed_problems(config_dir: Path, capabilities: Mapping[str, Capabilities]) -> list[Problem]:
    """Every problem of the file of seeds."""
    return sorted(set(_read(config_dir, capabilities)[1]))


def _read(config_dir: Path, capabilities: Mapping[str, Capabilities]) -> tuple[list[Seed], list[Problem]]:
    path = config_dir / FILE
    if not path.exists():
        return [], []
    try:
        text = read_text(path)
        if not says_something(text):
            return [], []
        document = parse_document(text, str(path))
    except PlanError as error:
        return [], list(error.problems)
    seeds, problems = list[Seed](), list[Problem]()
    for name in document.data:
        part = document.part(name)
        if part is None:
            message = f"`{name}` holds no keys; write channel: and address: in it"
            problems.append(document.problem((name,), message))
            continue
        mended = mend_record(KEYS, part, SAMPLES)
        findings = [*mended.findings, *_name_findings(name)]
        if mended.record is not None and not findings:
            seed = Seed(seed=name, **mended.record.model_dump(exclude_unset=True))
            findings += _findings(seed, seeds, capabilities)
            seeds.append(seed)
        problems += problems_of(part, findings)
    return seeds, problems


def _name_findings(name: str) -> Iterator[Finding]:
    if not re.fullmatch(NAME, name):
        yield Finding((), f"`{name}` is no name; write lower-case letters, digits and _, a letter first, such as anna")


def _findings(seed: Seed, others: list[Seed], capabilities: Mapping[str, Capabilities]) -> Iterator[Finding]:
    known = [name for name, one in capabilities.items() if one.kind == "message"]
    if seed.channel not in known:
        why = "is dialled from lists, and no seed is called" if seed.channel in capabilities else "is no channel"
        yield Finding(("channel",), f"{seed.channel} {why}; {write_instead(seed.channel, known)}")
        return
    wrong = misfit(seed, capabilities[seed.channel].address_kind)
    if wrong is not None:
        yield Finding(("address",), wrong)
    if any((other.channel, other.address) == (seed.channel, seed.address) for other in others):
        yield Finding(("address",), "another seed has this address on this channel; keep one")
