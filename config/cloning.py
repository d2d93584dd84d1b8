"""A campaign's stored plan as the text of another: last season's again, the rest of a stopped wave, a correction."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from config.bundle import Bundle
from config.plan_edits import PlanEdits
from waves.errors import CampaignError
from waves.plan import Plan

OF_A_START = ("enter", "at", "wait", "holdout")
"""What a wave loses that opens a plan of its own for people who were chosen already."""


def again(bundle: Bundle, name: str | None, starts: str | None) -> str:
    """The plan as it was started; what can never be the same, its name and its start, is asked for when not given."""
    edits = PlanEdits(bundle.plan_text)
    for key, value, why in (
        ("campaign", name, "a name is used once"),
        ("starts", starts, "write when this one starts"),
    ):
        if value is None:
            edits.blank(edits.top, key, why)
        else:
            edits.write(edits.top, key, value)
    return edits.made()


def remainder(bundle: Bundle, wave: str, name: str, starts: str | None, only: bool) -> str:
    """The wave and the later ones for those who were to get it and did not; `only` leaves the later ones out.

    It starts as the campaign did unless told otherwise, so that a conversion since then still ends it for a customer.
    CampaignError when a later wave's rule reads a wave that the remainder does not have.
    """
    plan = bundle.plan
    first = _position(plan, wave)
    last = first if only else len(plan.waves) - 1
    gone = {one.wave for one in plan.waves[:first]}
    for one in plan.waves[first + 1 : last + 1]:
        rule = bundle.enter_rule(one.wave)
        if missing := sorted(gone & rule.waves) if rule else []:
            raise CampaignError(
                f"the rule of wave {one.wave} reads {', '.join(missing)}, which a remainder from {wave} on does not "
                f"have; add --only to take {wave} alone, and plan the later waves anew"
            )
    edits = _aimed(bundle, name, f"{{campaign: {plan.campaign}, wave: {wave}, who: not_got}}")
    edits.keep("waves", first, last)
    edits.drop(edits.items("waves")[first], *OF_A_START)
    if starts:
        edits.write(edits.top, "starts", starts)
    return edits.made()


def correction(
    bundle: Bundle, wave: str, name: str, starts: str | None, channel: str, variant: int | None, now: datetime
) -> str:
    """The wave alone, on one channel, for those who got it there (of one variant when one is named).

    It starts now unless told otherwise: who converted on a wrong text is to be told as well.
    """
    plan = bundle.plan
    at = _position(plan, wave)
    only = f", variant: {variant}" if variant is not None else ""
    edits = _aimed(bundle, name, f"{{campaign: {plan.campaign}, wave: {wave}, who: got, by: {channel}{only}}}")
    edits.keep("waves", at, at)
    node = edits.items("waves")[at]
    edits.drop(node, *OF_A_START)
    edits.write(node, "channels", f"[{channel}]")
    if variant:
        edits.rewrite(node, "variants", f"message: {plan.waves[at].messages[variant]}")
    edits.write(edits.top, "starts", starts or _minute(now, plan.starts.zone))
    return edits.made()


def frozen_files(bundle: Bundle) -> dict[str, str]:
    """What the plan rests on as it was frozen: path inside config/ to text."""
    files = {f"templates/{name}": text for name, text in sorted(bundle.templates.items())}
    if bundle.segment is not None:
        files[f"segments/{bundle.segment.segment}.yaml"] = bundle.segment_text
    return files | {"rules/hours.yaml": bundle.hours_text}


def _aimed(bundle: Bundle, name: str, audience: str) -> PlanEdits:
    """The plan under another name for an audience, all of whom it asks: the lottery of the first one stands."""
    edits = PlanEdits(bundle.plan_text)
    edits.write(edits.top, "campaign", name)
    edits.rewrite(edits.top, "audience" if bundle.plan.audience else "segment", f"audience: {audience}")
    edits.drop(edits.top, "holdout")
    return edits


def _position(plan: Plan, wave: str) -> int:
    return [one.wave for one in plan.waves].index(wave)


def _minute(now: datetime, zone: str) -> str:
    """This minute as a plan writes it; in UTC where the zone's clocks show it twice."""
    local = now.astimezone(ZoneInfo(zone))
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{now:%Y-%m-%d %H:%M} UTC" if twice else f"{local:%Y-%m-%d %H:%M} {zone}"
