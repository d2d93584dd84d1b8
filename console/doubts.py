"""Sends in doubt as people read them: by customer key, what the provider said, what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from console.show import clock, say, table
from ledger.doubts import DECISIONS
from waves.message import CHANNEL_NAMES
from waves.outcomes import Reason, State, word

COLUMNS = ("customer", "wave", "channel", "since", "sender", "said", "decided", "state")
CSV_COLUMNS = (*COLUMNS, "reason", "asked_at", "decided_at", "decided_by", "resends")
SHOWN = 50
"""Customers on the screen; all of them are in the JSON and in the report's in_doubt.csv."""


def doubt_values(rows: Iterable[Any], as_of: datetime | None = None) -> list[dict[str, Any]]:
    """Rows of `ledger.doubts` as plain values; what was said or decided after `as_of` was not known then."""
    return [_values(row, as_of) for row in rows]


def _values(row: Any, as_of: datetime | None) -> dict[str, Any]:
    asked = as_of is None or (row.asked_at is not None and row.asked_at <= as_of)
    told = as_of is None or (row.decided_at is not None and row.decided_at <= as_of)
    return {
        "customer": row.key,
        "wave": row.wave,
        "channel": CHANNEL_NAMES[row.channel],
        "since": row.since,
        "sender": row.provider,
        "said": row.said if asked else None,
        "decided": row.decided if told else None,
        "state": word(State(row.state)),
        "reason": word(Reason(row.reason)) if row.reason else None,
        "asked_at": row.asked_at if asked else None,
        "decided_at": row.decided_at if told else None,
        "decided_by": row.decided_by if told else None,
        "resends": row.resends if told else 0,
    }


def totals(found: Sequence[Mapping[str, Any]]) -> str:
    """`3 in doubt, 1 of them held for a person; 2 queued again by the plan's resend`."""
    unsure = [one for one in found if one["state"] == "in_doubt"]
    held = sum(one["decided"] == "hold" for one in unsure)
    again = sum(one["resends"] for one in found)
    return (
        f"{len(unsure):,} in doubt"
        + (f", {held:,} of them held for a person" if held else "")
        + (f"; {again:,} queued again by the plan's resend" if again else "")
    )


def doubt_cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    """One line of the tables: what nobody knows or decided yet is said so."""
    shown = {**one, "since": clock(one["since"]), "sender": one["sender"] or "not noted"}
    shown |= {"said": one["said"] or "not asked yet", "decided": decided_words(one)}
    return tuple(str(shown[name]) for name in COLUMNS)


def decided_words(one: Mapping[str, Any]) -> str:
    """`hold (plan)`, or what comes first."""
    return f"{one['decided']} ({one['decided_by']})" if one["decided"] else "not yet"


def show_doubts(found: Sequence[Mapping[str, Any]], campaign: str) -> None:
    """A table of those in doubt, and how to decide those that are held."""
    if not found:
        return
    table(f"in doubt: {totals(found)}", COLUMNS, [doubt_cells(one) for one in found[:SHOWN]])
    if len(found) > SHOWN:
        say(f"the first {SHOWN} of {len(found):,}; all of them: multiwave doubt ls {campaign} --json")
    if any(one["decided"] == "hold" and one["state"] == "in_doubt" for one in found):
        say(f"decide what is held: multiwave doubt sent|not-sent {campaign} CUSTOMER...")


def doubt_sentence(one: Mapping[str, Any]) -> str:
    """One touch's doubt as `why` tells it."""
    said = f"the provider said: {one['said']}" if one["said"] else "the provider was not asked yet"
    if not one["decided"]:
        return f"in doubt since {clock(one['since'])}; {said}; not decided yet"
    decided = f"{one['decided']} ({DECISIONS[one['decided']]}), by {one['decided_by']} {clock(one['decided_at'])}"
    earlier = "" if one["decided"] == "resend" or not one["resends"] else "; it had been queued again once"
    return f"in doubt since {clock(one['since'])}; {said}; decided: {decided}{earlier}"
