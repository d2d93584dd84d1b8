"""JSON Schemas of the files that people write, made from the records that read them: for completion in editors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from config.abandonment import SAMPLES as ABANDONMENT_SAMPLES
from config.bans import SAMPLES as BANS_SAMPLES
from config.diallers import KEYS as DIALLER_KEYS
from config.diallers import SAMPLES as DIALLERS_SAMPLES
from config.dialling import SAMPLES as DIALLING_SAMPLES
from config.hours import SAMPLES as HOURS_SAMPLES
from config.key_help import KEY_HELP
from config.keywords import SAMPLES as KEYWORDS_SAMPLES
from config.keywords import Words
from config.loading import SAMPLES as PLAN_SAMPLES
from config.schema import SAMPLES as CUSTOMERS_SAMPLES
from config.schema import CustomersSchema
from config.seeds import KEYS as SEED_KEYS
from config.seeds import SAMPLES as SEEDS_SAMPLES
from config.segment import SAMPLES as SEGMENT_SAMPLES
from config.segment import Segment
from config.senders import SAMPLES as SENDERS_SAMPLES
from config.senders import keys_model
from config.yaml_lines import parse_document
from waves.abandonment import AbandonmentRules
from waves.bans import Bans
from waves.diallers import ANSWERS
from waves.dispositions import Disposition
from waves.hours_set import HoursSet
from waves.outcomes import word
from waves.plan import Plan, Record
from waves.recycling import DialRules

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest that every editor reads: the YAML language server took later ones up in 2026 only."""

FOLDER = "schemas"
Schema = dict[str, Any]
FILES: Mapping[str, tuple[str, Any, Mapping[str, str]]] = {
    "plan": ("A plan of multiwave", Plan, PLAN_SAMPLES),
    "segment": ("A segment of multiwave", Segment, SEGMENT_SAMPLES),
    "customers": ("What the columns of a customers file mean", CustomersSchema, CUSTOMERS_SAMPLES),
    "hours": ("When customers may be contacted: sets of hours by name", dict[str, HoursSet], HOURS_SAMPLES),
    "keywords": ("What people write back, by language", dict[str, Words], KEYWORDS_SAMPLES),
    "seeds": ("Our own addresses that tell what arrives", dict[str, SEED_KEYS], SEEDS_SAMPLES),  # type: ignore[valid-type]
    "diallers": (
        "How each dialler's lists are written and its results read",
        dict[str, DIALLER_KEYS],  # type: ignore[valid-type]
        DIALLERS_SAMPLES,
    ),
    "dialling": ("How often and how soon somebody is dialled again", DialRules, DIALLING_SAMPLES),
    "bans": ("Emergency bans: where nobody is contacted for a while", Bans, BANS_SAMPLES),
    "abandonment": ("How many answered calls may find no agent", AbandonmentRules, ABANDONMENT_SAMPLES),
}
SHORT: Mapping[str, Callable[[Schema], Schema]] = {
    "HoursChoice": lambda keys: {"type": "string", "pattern": keys["set"]["pattern"]},
    "Group": lambda keys: keys["first_of"]["items"],
    "Holdout": lambda keys: keys["share"],
    "Team": lambda keys: keys["agents"],
    "ZoneColumn": lambda keys: {"type": "string"},
    "Review": lambda keys: {"enum": ["no", False]},
}
"""The short form of a record, from the schemas of its keys."""


def schema_texts(channels: Collection[str], options: Mapping[str, type[Record]]) -> dict[str, str]:
    """File name to text of each schema; `channels` are those that a plan may name, `options` those of providers."""
    senders = ("What carries the messages of each channel", dict[str, keys_model(options)], SENDERS_SAMPLES)  # type: ignore[misc]
    return {
        f"{name}.schema.json": json.dumps(_schema(title, model, samples, channels), indent=2, ensure_ascii=False) + "\n"
        for name, (title, model, samples) in {**FILES, "senders": senders}.items()
    }


def write_schemas(folder: Path, channels: Collection[str], options: Mapping[str, type[Record]]) -> list[Path]:
    """Write every schema into the folder, over what an earlier release left there."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in schema_texts(channels, options).items():
        written.append(folder / name)
        written[-1].write_text(text, encoding="utf-8")
    return written


def _schema(title: str, model: Any, samples: Mapping[str, str], channels: Collection[str]) -> Schema:
    made = TypeAdapter(model).json_schema(ref_template="#/definitions/{model}")
    records: dict[str, Schema] = made.pop("$defs", {})
    for name, record in [(made.get("title"), made), *records.items()]:
        for key, part in record.get("properties", {}).items():
            _explain(part, f"{name}.{key}", key, samples)
        record.pop("title", None)
    _name_words({**records, "top": made}, list(channels))
    _short_forms(records)
    if model is Plan:
        made["oneOf"] = [{"required": ["segment"]}, {"required": ["audience"]}]
    return {"$schema": DRAFT, "title": title, **made, **({"definitions": records} if records else {})}


def _explain(part: Schema, place: str, key: str, samples: Mapping[str, str]) -> None:
    """Say what a key is for and show one value; what stands beside a `$ref` would not be read (draft 7)."""
    part.pop("title", None)
    if not _as_written(part.get("default"), part.get("pattern")):
        part.pop("default", None)
    if "$ref" in part:
        part["allOf"] = [{"$ref": part.pop("$ref")}]
    record, _, _ = place.partition(".")
    sample = samples.get(f"{record}.{key}", samples.get(key))
    shown = parse_document(f"sample: {sample}", place).data["sample"] if sample and _is_plain(part) else None
    part["description"] = KEY_HELP.get(place, "")
    if isinstance(shown, str):
        part["examples"] = [shown]


def _as_written(value: object, pattern: str | None) -> bool:
    """Whether a default is what people would write, and not what it is read as (a length of time, a share, nothing)."""
    return isinstance(value, str | int) and (pattern is None or re.match(pattern, str(value)) is not None)


def _is_plain(part: Schema) -> bool:
    kinds = [part, *part.get("anyOf", [])]
    return any(kind.get("type") == "string" and "enum" not in kind and "const" not in kind for kind in kinds)


def _name_words(records: Mapping[str, Schema], channels: list[str]) -> None:
    """Name the words that the records look up in tables."""
    channel = {"type": "string", "enum": channels}
    for owner, key, words in (
        ("Group", "first_of", channel),
        ("AddressColumn", "channels", channel),
        ("Goal", "dispositions", {"type": "string", "enum": [word(one) for one in Disposition]}),
    ):
        if owner in records:
            records[owner]["properties"][key]["items"] = words
    top = records["top"].get("properties", {})
    for kind in top.get("in_doubt", {}).get("anyOf", ()):
        if kind.get("type") == "object":
            kind["propertyNames"] = channel
    if "consent" in top:
        top["consent"]["propertyNames"] = channel
    if "delimiter" in top:
        top["delimiter"]["enum"] += ["tab", "\\t"]
    if "GoneColumn" in records:
        records["GoneColumn"]["properties"]["values"]["items"] = {"type": ["string", "boolean", "integer"]}
    if "Seed" in records:
        records["Seed"]["properties"]["channel"] = {**records["Seed"]["properties"]["channel"], **channel}
        records["top"]["type"] = ["object", "null"]
    if "Dialler" in records:
        told = records["Dialler"]["properties"]
        told["results"]["additionalProperties"] = {"type": "string", "enum": list(ANSWERS)}
        told["wrap_ups"]["additionalProperties"] = {"type": "string", "enum": [word(one) for one in Disposition]}
        records["top"]["type"] = ["object", "null"]
    if "Sender" in records:
        records["Sender"]["properties"]["channel"] = {**records["Sender"]["properties"]["channel"], **channel}
        records["top"]["type"] = ["object", "null"]
    if "Audience" in records:
        records["Audience"]["properties"]["by"]["anyOf"][0] = channel


def _short_forms(records: dict[str, Schema]) -> None:
    """What may be written in the place of a whole record, and is read as one."""
    for name, form in SHORT.items():
        if name in records:
            records[name] = {"anyOf": [form(records[name]["properties"]), records[name]]}
