"""Load a plan with everything it names, or say every problem at once; no database is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.bundle import Bundle
from config.checks import plan_findings
from config.lookups import TemplateFolder, find_hours, find_segment, plan_rules, template_findings
from config.schema import attribute_types, load_schema
from config.sentences import Finding, mend_record, problems_of
from config.yaml_lines import read_document
from waves.errors import PlanError, Problem
from waves.message import Capabilities
from waves.plan import Plan

SAMPLES: Mapping[str, str] = {
    "campaign": "autumn-renewal",
    "title": "Autumn contract renewal",
    "segment": "renewal_due",
    "audience": "{campaign: autumn-renewal, wave: notice, who: not_got}",
    "who": "not_got",
    "by": "sms",
    "variant": "1",
    "starts": "2026-12-01 09:00 Europe/Kyiv",
    "at": "2026-12-01 09:00 Europe/Kyiv",
    "holdout": "5%",
    "share": "5%",
    "goal": "{event: renewed, within: 14d}",
    "event": "renewed",
    "dispositions": "[sale]",
    "dispositions.*": "sale",
    "within": "14d",
    "limits": "{contacts: 3, within: 7d}",
    "contacts": "3",
    "priority": "50",
    "Plan.hours": "house",
    "HoursChoice.set": "house",
    "accept_unreviewed": "[US-TX]",
    "accept_unreviewed.*": "US-TX",
    "in_doubt": "assume_sent",
    "in_doubt.*": "assume_sent",
    "waves": "[{wave: notice, channels: [sms], message: renewal_notice, listen: 48h}]",
    "waves.*": "{wave: notice, channels: [sms], message: renewal_notice, listen: 48h}",
    "wave": "notice",
    "enter": "not converted",
    "channels": "[web_push, {first_of: [sms, email]}]",
    "channels.*": "{first_of: [sms, email]}",
    "first_of": "[sms, email]",
    "first_of.*": "sms",
    "message": "renewal_notice",
    "variants": "{short: {message: renewal_short, weight: 50%}, long: {message: renewal_long, weight: 50%}}",
    "variants.*": "{message: renewal_notice, weight: 50%}",
    "weight": "50%",
    "ramp": "{first: 1%, hold: 2h}",
    "first": "1%",
    "hold": "2h",
    "alarm": "{failed: 10%, opted_out: 2%}",
    "failed": "10%",
    "opted_out": "2%",
    "wait": "2h",
    "release": "24h",
    "listen": "48h",
    "capacity": "{teams: {north: 12}, hours: 7.5, handle_time: 180s}",
    "teams": "{north: 12}",
    "teams.*": "12",
    "agents": "12",
    "languages": "[en, uk]",
    "languages.*": "en",
    "skill": "product_line",
    "skills": "[loans]",
    "skills.*": "loans",
    "shrinkage": "12%",
    "occupancy": "80%",
    "Capacity.hours": "7.5",
    "handle_time": "180s",
    "rank": "value",
    "explore": "5%",
}
"""What to write for each key of a plan (`key`, `Record.key`, or `key.*` for what stands inside it)."""


def load_plan(
    path: Path,
    config_dir: Path,
    capabilities: Mapping[str, Capabilities],
    default_language: str = "en",
    has_pages: bool = True,
) -> Bundle:
    """The plan at `path` with all it rests on; PlanError carries every problem.

    `has_pages`: whether our own pages have a public address, which a template may want to print.
    """
    bundle, problems = _examine(path, config_dir, capabilities, default_language, has_pages)
    if bundle is None or problems:
        raise PlanError(problems)
    return bundle


def check_plan(
    path: Path,
    config_dir: Path,
    capabilities: Mapping[str, Capabilities],
    default_language: str = "en",
    has_pages: bool = True,
) -> list[Problem]:
    """Every problem of the plan and of the files it uses, by file and line; empty when it can be started."""
    return sorted(set(_examine(path, config_dir, capabilities, default_language, has_pages)[1]))


def _examine(
    path: Path, config_dir: Path, capabilities: Mapping[str, Capabilities], language: str, has_pages: bool
) -> tuple[Bundle | None, list[Problem]]:
    problems: list[Problem] = []
    types: dict[str, str] | None = None
    try:
        types = attribute_types(load_schema(config_dir))
    except PlanError as error:
        problems += error.problems
    try:
        document = read_document(path)
    except PlanError as error:
        return None, [*problems, *error.problems]
    mended = mend_record(Plan, document, SAMPLES)
    plan = mended.record
    if plan is None:
        return None, problems + problems_of(document, mended.findings)

    findings = [*plan_findings(plan, capabilities, mended.sound)]
    if types is not None:
        findings += plan_rules(plan, document, types)
    folder = TemplateFolder(config_dir, capabilities, types, language, has_pages)
    findings += template_findings(plan, mended, folder)
    problems += folder.problems

    segment, segment_text, said, unknown = (
        find_segment(config_dir, plan.segment, types) if plan.segment else (None, "", [], None)
    )
    problems += said if mended.sound(("segment",)) else []
    findings += [Finding(("segment",), unknown)] if unknown else []
    hours_text, said, strange = find_hours(config_dir, plan.hours)
    problems += said
    findings += strange

    kept = [finding for finding in findings if mended.sound(finding.steps)]
    problems += problems_of(document, mended.findings + kept)
    if types is None or (segment is None and plan.audience is None):
        return None, problems
    bundle = Bundle(plan, document.text, segment, segment_text, folder.texts, hours_text, types, language)
    return bundle, problems
