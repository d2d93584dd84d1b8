"""The report on a screen: tables, the definitions last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from console.doubts import show_doubts
from console.legal import say_accepted
from console.review.definitions import BY_ID, DEFINITIONS, RATES
from console.review.numbers import FUNNEL, LATE
from console.review.wording import (
    DESIGNS,
    WORDS,
    between,
    clock,
    cost_words,
    headline,
    money,
    percent,
    points,
    signed,
    verdict_words,
    whole,
)
from console.show import say, table

ABREAST = 4
"""Waves in one table, so that it fits a screen of 80 characters."""


def show(found: Mapping[str, Any]) -> None:
    """Print the whole report."""
    top = headline(found)
    say(f"{found['title']} ({found['campaign']}), as of {clock(found['as_of'])}")
    say(top["text"], style="bold")
    say(top["rests"] + "\n")
    for row in found["accepted_unreviewed"]:
        say_accepted([row], row["approved_by"])
    for first in range(0, len(found["waves"]), ABREAST):
        _show_waves(found["waves"][first : first + ABREAST])
    _show_effects(found)
    show_doubts(found["in_doubt"], found["campaign"])
    _show_late(found)
    _show_value(found)
    say("\nWhat each number means", style="bold")
    for definition in DEFINITIONS:
        say(f"  {definition.name}: {definition.sentence}")


def _show_waves(waves: Sequence[Mapping[str, Any]]) -> None:
    names = [wave["wave"] if wave["closed"] else f"{wave['wave']} (open)" for wave in waves]
    cells = [(WORDS[count], *[wave["counts"][count] for wave in waves]) for count in FUNNEL]
    table("counts, as each wave closed", ("members", *names), cells, names)
    cells = []
    for rate, over, under in RATES:
        shown = [next((one for one in wave["rates"] if one["rate"] == rate), None) for wave in waves]
        if any(shown):
            over, under = (WORDS[name.replace("_by_now", "")] for name in (over, under))
            cells.append((f"{over} / {under}\n{BY_ID[rate].name}", *[_rate(one) for one in shown]))
    table("rates, each of its denominator", ("rate", *names), cells, names)


def _rate(rate: Mapping[str, Any] | None) -> str:
    return "" if rate is None else f"{percent(rate['value'])}\nof {rate['denominator']:,}"


def _show_effects(found: Mapping[str, Any]) -> None:
    say("Treated against held out", style="bold")
    if not found["comparisons"]:
        say("  No holdout was planned, so nothing here says what the campaign changed.")
    for c in found["comparisons"]:
        arms = [f"{c[f'{arm}_converted']:,} of {c[arm]:,} {arm.replace('_', ' ')}" for arm in ("treated", "held_out")]
        say(f"  {c['of']} ({DESIGNS[c['design']]}): {', '.join(arms)} converted")
        if c["difference"]:
            apart, more = c["difference"], c["incremental"]
            say(f"    {points(apart['value'])} points, 95 % interval {between(apart, points)}")
            say(f"    incremental conversions {whole(more['value'])} ({between(more, whole)})")
            say(f"    cost per incremental conversion {cost_words(c)}")
        say(f"    {verdict_words(c)}")


def _show_late(found: Mapping[str, Any]) -> None:
    cells = [
        (wave["wave"], *[signed(wave["late"][name]) for name in LATE])
        for wave in found["waves"]
        if wave["late"] and any(wave["late"].values())
    ]
    if cells:
        table("late: what came after the close would change", ("wave", *LATE), cells, LATE)


def _show_value(found: Mapping[str, Any]) -> None:
    cells = [
        (
            v["arm"].replace("_", " "),
            v["currency"] or "no amount",
            v["conversions"],
            money(v["value"], "") if v["currency"] else "",
            v["refunded"],
            money(v["refunded_value"], "") if v["refunded"] and v["currency"] else "",
        )
        for v in found["value"]
    ]
    if cells:
        columns = ("arm", "currency", "conversions", "value", "refunded", "refunded value")
        table("value in the campaign's window", columns, cells, columns[2:])
