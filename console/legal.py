"""The rules of hours in words: a row as its reviewer reads it, and the rows that a plan accepts unreviewed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.show import clock, say
from waves.day_hours import in_words
from waves.hours_set import HoursRow, HoursSet, accepted_rows

if TYPE_CHECKING:
    from config.bundle import Bundle
    from flows.running import Running

DAYS = {"mon_fri": "Monday to Friday", "sat": "Saturday", "sun": "Sunday", "holiday": "a public holiday"}
SPECIAL = {"inherit": "as on that weekday", "weekend": "as on a weekend day"}


def row_values(name: str, row: HoursRow) -> dict[str, Any]:
    """A row as `hours review --json` lists it: as it is written, with its set."""
    told = {"set": name, **row.model_dump(mode="json", by_alias=True)}
    for kind in ("messages", "calls"):
        told[kind] = {key: _day(getattr(getattr(row, kind), key)) for key in DAYS}
    return told


def _day(found: Any) -> str:
    return found if isinstance(found, str) else in_words(found)


def row_lines(row: HoursRow) -> Iterator[str]:
    """Every line of a row as people read it."""
    for kind in ("messages", "calls"):
        days = getattr(row, kind)
        for key, day in DAYS.items():
            found = getattr(days, key)
            yield f"{kind}, {day}: {SPECIAL.get(_day(found), _day(found))}"
    asked = {"local": "those of the customer's jurisdictions", "none": "none are asked"}
    named = (
        asked[row.holidays] if isinstance(row.holidays, str) else f"local ones and those of {', '.join(row.holidays)}"
    )
    yield f"public holidays: {named}"
    yield f"cap: {_cap(row)}"
    if row.refusal_rest_days:
        yield f"after a refusal: no call for {row.refusal_rest_days} days"
    for note in row.notes:
        yield f"note: {note}"
    yield f"source: {row.source}"
    yield f"as of {row.as_of}, confidence {row.confidence or 'not said'}"


def _cap(row: HoursRow) -> str:
    if row.cap is None:
        return "none"
    return (
        f"at most {row.cap} (the law counts {row.cap.scope.replace('_', ' ') or 'every call'}; here every call counts)"
    )


def accepted(rules: HoursSet) -> list[dict[str, Any]]:
    """The rows that bind a plan though nobody reviewed them, as plain values."""
    return [
        {"for": row.place, "source": row.source, "as_of": row.as_of.isoformat(), "confidence": row.confidence}
        for row in accepted_rows(rules)
    ]


def say_accepted(rows: Sequence[Mapping[str, Any]], approved_by: Sequence[str] = ()) -> None:
    """Those rows in yellow, and who answers for them."""
    by = f"; approved by {', '.join(approved_by)}" if approved_by else ""
    for row in rows:
        known = f"{row['confidence'] or 'no'} confidence, as of {row['as_of']}"
        line = f"accepted unreviewed: the hours for {row['for']} ({known}: {row['source']}){by}"
        say(line, style="yellow")


def waiting(rules: HoursSet) -> list[str]:
    """Places whose rows nobody reviewed and the plan does not accept: nobody there is contacted."""
    return [row.place for row in rules.rows if not rules.holds(row)]


def say_waiting(places: Sequence[str]) -> None:
    """That nobody is contacted there."""
    if places:
        said = f"nobody reviewed the hours for {', '.join(places)}, so nobody there is contacted"
        say(f"note: {said}: multiwave hours review", style="yellow")


def approvers(connection: Any, bundle: Bundle) -> list[str]:
    """Who approved a plan as it reads, with the day."""
    from ledger.campaigns import approvals

    return [f"{row.by} on {row.at:%Y-%m-%d}" for row in approvals(connection, bundle.plan.campaign, bundle.digest)]


def law_of(connection: Any, running: Running, key: str, customer: int) -> dict[str, Any]:
    """What the law says of one customer: rows that bind unreviewed, caps of calls, and bans, as plain values."""
    from datetime import timedelta

    from ledger.law_caps import COUNTED_IN_WORDS, Counted, caps_of
    from ledger.whereabouts import whereabouts
    from waves.bans import binding_bans
    from waves.hours_set import binding, candidates

    there = whereabouts(connection, key)
    places = candidates(there.zones, there.jurisdictions)
    sources = {row.place: row.source for one in running.rules.sets for row in one.rows}
    bans = {ban for messages in (True, False) for ban in binding_bans(running.rules.bans, messages, places)}
    names = {row.place for row in binding(running.bundle.hours, places)}
    return {
        "accepted_unreviewed": [row for row in accepted(running.bundle.hours) if row["for"] in names],
        "caps": [
            {
                "for": cap.place,
                "most": cap.calls if cap.counted != Counted.REFUSAL else 0,
                "counts": COUNTED_IN_WORDS[Counted(cap.counted)],
                "hours": timedelta(microseconds=cap.within_us) / timedelta(hours=1),
                "source": sources.get(cap.place, ""),
            }
            for cap in caps_of(connection, running.rules.id, customer)
        ],
        "bans": [
            {
                "place": ban.place,
                "from": ban.since.at,
                "until": ban.until.at,
                "stops": ban.stops,
                "why": ban.why,
                "source": ban.source,
            }
            for ban in sorted(bans, key=lambda ban: (ban.since.at, ban.place))
        ],
    }


def law_sentences(law: Mapping[str, Any]) -> Iterator[str]:
    """The same as people read it."""
    for row in law["accepted_unreviewed"]:
        yield f"accepted unreviewed: the hours for {row['for']} ({row['source']})"
    for cap in law["caps"]:
        length = f"{cap['hours'] / 24:g} days" if cap["hours"] > 48 else f"{cap['hours']:g} hours"
        rest = f"no call for {length} after one that ended in a refusal"
        rule = f"at most {cap['most']} {cap['counts']} in {length}" if cap["most"] else rest
        yield f"the law of {cap['for']}: {rule} ({cap['source']})"
    for ban in law["bans"]:
        what = "calls and messages" if ban["stops"] == "both" else ban["stops"]
        when = f"from {clock(ban['from'])} until {clock(ban['until'])}"
        yield f"banned in {ban['place']} {when}, {what}: {ban['why']} ({ban['source']})"
