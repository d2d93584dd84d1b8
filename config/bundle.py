"""Everything a campaign rests on, in one record that can be stored: a started campaign never reads its YAML again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from config.hours import FILE as HOURS_FILE
from config.hours import hours_set
from config.segment import Segment
from config.templates import Templates
from config.yaml_lines import parse_document
from waves.hours_set import HoursSet, accepting
from waves.plan import Plan, plan_of
from waves.rules import Rule, parse_rule, parse_score

FORMAT = 1
"""The shape of the stored JSON."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked plan with the texts it was read from; `templates` are by file name, `types` attribute to type word.

    A plan for an `audience` has no segment, and its text is empty.
    """

    plan: Plan
    plan_text: str
    segment: Segment | None
    segment_text: str
    templates: Mapping[str, str]
    hours_text: str
    types: Mapping[str, str]
    default_language: str = "en"

    @classmethod
    def of(cls, texts: Mapping[str, Any]) -> Bundle:
        """The bundle of the texts that `texts` made; they were checked before they were stored."""
        plan_text, segment_text = str(texts["plan_text"]), str(texts["segment_text"])
        return cls(
            plan_of(parse_document(plan_text, "plan").data),
            plan_text,
            Segment.model_validate(parse_document(segment_text, "segment").data) if segment_text else None,
            segment_text,
            dict(texts["templates"]),
            str(texts["hours_text"]),
            dict(texts["types"]),
            str(texts["default_language"]),
        )

    @property
    def texts(self) -> dict[str, object]:
        """All that decides what the campaign does, as plain values."""
        return {
            "plan_text": self.plan_text,
            "segment_text": self.segment_text,
            "templates": dict(self.templates),
            "hours_text": self.hours_text,
            "types": dict(self.types),
            "default_language": self.default_language,
        }

    @property
    def digest(self) -> str:
        """SHA-256, in hex, over every text: one changed byte makes another digest."""
        return _sha256(_canonical(self.texts))

    @property
    def hours_digest(self) -> str:
        """SHA-256, in hex, of the hours rules alone."""
        return _sha256(self.hours_text)

    @property
    def hours(self) -> HoursSet:
        """The set of hours that the plan names, as frozen, with the rows it accepts; PlanError for an older form."""
        return accepting(_hours(self.hours_text, self.plan.hours.set), self.plan.hours.accept_unreviewed)

    def to_json(self) -> str:
        """The bundle as the ledger stores it."""
        return _canonical({"format": FORMAT, **self.texts})

    @classmethod
    def from_json(cls, text: str) -> Bundle:
        """The bundle that `to_json` wrote."""
        return cls.of(json.loads(text))

    def enter_rule(self, wave_name: str) -> Rule | None:
        """The rule that lets members into the wave, None when all may enter."""
        enter = self.plan.wave(wave_name).enter
        return None if enter is None else _enter(enter, self._columns, self.plan.earlier(wave_name))

    def rank_rule(self, wave_name: str) -> Rule | None:
        """The score by which a call wave is ranked, None when the plan gives none."""
        rank = self.plan.wave(wave_name).rank
        return None if rank is None else _rank(rank, self._columns)

    def segment_rule(self) -> Rule | None:
        """The rule that says who is in the segment, None when the plan names an audience instead."""
        return None if self.segment is None else _where(self.segment.where, self._columns)

    @property
    def member_columns(self) -> frozenset[str]:
        """The columns that enter and rank rules name: what a member keeps a copy of."""
        names = [wave.wave for wave in self.plan.waves]
        rules = [rule(name) for name in names for rule in (self.enter_rule, self.rank_rule)]
        return frozenset(column for rule in rules if rule for column in rule.columns)

    def open_templates(self) -> Templates:
        """The templates, ready to render; all who ask share what is compiled."""
        return _templates(tuple(self.templates.items()), self.default_language)

    @property
    def _columns(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.types.items()))


Columns = tuple[tuple[str, str], ...]


@lru_cache(maxsize=32)
def _templates(texts: tuple[tuple[str, str], ...], default_language: str) -> Templates:
    return Templates(dict(texts), default_language)


@lru_cache(maxsize=512)
def _enter(text: str, columns: Columns, earlier: tuple[str, ...]) -> Rule:
    return parse_rule(text, dict(columns), earlier, allow_converted=True)


@lru_cache(maxsize=512)
def _rank(text: str, columns: Columns) -> Rule:
    return parse_score(text, dict(columns))


@lru_cache(maxsize=512)
def _where(text: str, columns: Columns) -> Rule:
    return parse_rule(text, dict(columns))


@lru_cache(maxsize=512)
def _hours(text: str, name: str) -> HoursSet:
    return hours_set(parse_document(text, str(HOURS_FILE)), name)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
