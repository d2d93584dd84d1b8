"""How a report says its numbers: the same words on the screen and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.show import clock

WORDS = {
    "targeted": "targeted",
    "eligible": "eligible",
    "treated": "took part",
    "sent": "sent",
    "delivered": "delivered",
    "reached": "reached",
    "engaged": "engaged",
    "converted": "converted",
    "held_out": "held out",
    "right_party": "right party",
    "opted_out": "opted out",
}
DESIGNS = {"campaign": "campaign holdout", "stop": "stop holdout", "skip": "skip holdout"}


def number(value: int) -> str:
    """12,345"""
    return f"{value:,}"


def percent(share: float | None) -> str:
    """4.0 %; a dash where the denominator is 0."""
    return "–" if share is None else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """+3.69, a difference of two rates in percentage points."""
    return f"{100 * share:+.2f}"


def whole(value: float) -> str:
    """A number of customers that an estimate gives, with one decimal while it is small."""
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def money(amount: Any, currency: str | None) -> str:
    """USD 1,234.50"""
    return f"{currency or ''} {float(amount):,.2f}".strip()


def signed(value: int) -> str:
    """+3, -1, 0"""
    return f"{value:+,}" if value else "0"


def between(interval: Mapping[str, float], show: Any) -> str:
    """`3.09 to 4.03`, the ends of an interval."""
    return f"{show(interval['low'])} to {show(interval['high'])}"


def cost_words(comparison: Mapping[str, Any]) -> str:
    """The cost per incremental conversion first, then the naive one, never the naive one alone."""
    currency, each = comparison["cost"]["currency"], comparison["cost_per_incremental"]
    if each is None:
        told = comparison["cost_note"] or "not shown"
    else:
        told = f"{money(each['value'], currency)} ({each['low']:,.2f} to {each['high']:,.2f})"
    naive = comparison["naive_cost"]
    return told if naive is None else f"{told}; naive {money(naive, currency)}"


def verdict_words(comparison: Mapping[str, Any]) -> str:
    """What a comparison says, in one sentence."""
    if comparison["withheld"]:
        return f"Result withheld: {comparison['withheld']}."
    if comparison["difference"]["low"] > 0:
        said = "More converted than without it."
    elif comparison["difference"]["high"] < 0:
        said = "Fewer converted than without it."
    else:
        power = comparison["power"]
        chance = "" if power is None else f" Power for a difference of this size: {100 * power:.0f} %."
        said = f"No difference shown; that is not proof of none.{chance}"
    return said + (f" Open until {clock(comparison['window_ends'])}." if comparison["window_open"] else "")


def headline(found: Mapping[str, Any]) -> dict[str, str]:
    """What the campaign earned, in one sentence, and what that rests on."""
    own = next((c for c in found["comparisons"] if c["of"] == "campaign"), None)
    goal, met, members = found["goal"]["event"], found["converted"], found["members"]
    plain = f"{met['treated']:,} of {members['treated']:,} treated members met the goal ({goal})"
    if own is None:
        return {
            "text": f"{plain}.",
            "rests": "The campaign has no holdout: nobody can say how many would have come by themselves.",
        }
    if own["withheld"]:
        return {"text": f"{plain}.", "rests": verdict_words(own)}
    gain, apart = own["incremental"], own["difference"]
    who = "So far the campaign" if own["window_open"] else "The campaign"
    rests = (
        f"{percent(met['treated'] / members['treated'])} of {members['treated']:,} treated members converted, "
        f"{percent(met['held_out'] / members['held_out'])} of {members['held_out']:,} held out: "
        f"{points(apart['value'])} points, 95 % interval {between(apart, points)}. {verdict_words(own)}"
    )
    if apart["low"] > 0:
        text = f"{who} won {whole(gain['value'])} conversions that would not have come by themselves"
        return {"text": f"{text} ({between(gain, whole)}).", "rests": rests}
    if apart["high"] < 0:
        text = f"{who} lost {whole(-gain['value'])} conversions that would have come by themselves"
        return {"text": f"{text} ({whole(-gain['high'])} to {whole(-gain['low'])}).", "rests": rests}
    text = f"{who} shows no effect: {whole(gain['value'])} conversions more than by themselves"
    return {"text": f"{text} ({between(gain, whole)}).", "rests": rests}


VIEWS = {
    "number": number,
    "percent": percent,
    "points": points,
    "whole": whole,
    "money": money,
    "signed": signed,
    "between": between,
    "cost_words": cost_words,
    "verdict_words": verdict_words,
    "clock": clock,
    "design": DESIGNS.__getitem__,
    "word": lambda name: WORDS.get(name, name.replace("_", " ")),
}
