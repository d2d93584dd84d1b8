"""`hours`: when one customer may be contacted, and which rule is in the way until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.hours import load_hours
from console.context import HomeOption, JsonOption, bundle_of, config_dir, moment, open_home
from console.show import clock, print_json, say
from waves import hours as rules_of
from waves.errors import InputError
from waves.hours import AHEAD, Kind
from waves.hours_set import HoursSet, candidates

if TYPE_CHECKING:
    from ledger.whereabouts import Whereabouts

KINDS = {"messages": Kind.MESSAGE, "calls": Kind.CALL}
FAR = f"{AHEAD.days} days"


def hours(
    customer: Annotated[str, typer.Argument(help="The customer's key.", show_default=False)],
    at: Annotated[
        str | None, typer.Option("--at", help="Another time than now, such as 2026-12-24T18:00+02:00.")
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="By the rules that this plan names.")] = None,
    rules: Annotated[str | None, typer.Option("--rules", help="By this set of hours.yaml (default: house).")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell when a customer may be contacted: zones, open until when, or which rule blocks until when."""
    from ledger.whereabouts import whereabouts

    if plan and rules:
        raise InputError("--plan names its own rules; leave out --rules")
    room = open_home(home)
    name = bundle_of(room.settings, plan).plan.hours.set if plan else rules or "house"
    chosen = load_hours(config_dir(room.settings), name)
    now = moment(at) if at else room.ledger.now()
    with room.ledger.read() as connection:
        found = whereabouts(connection, customer)
    told = {"customer": customer, "rules": name, "at": now, **tell(chosen, found, now)}
    if as_json:
        print_json(told)
        return
    for line in sentences(told):
        say(line, markup=False)


def tell(rules: HoursSet, found: Whereabouts, now: datetime) -> dict[str, Any]:
    """Zones with their local time, jurisdictions, and the state of messages and of calls, as plain values."""
    return {
        "zones": _local(found.zones, now),
        "jurisdictions": candidates(found.zones, found.jurisdictions),
        **{word: _state(rules, kind, found, now) for word, kind in KINDS.items()},
    }


def _state(rules: HoursSet, kind: Kind, found: Whereabouts, now: datetime) -> dict[str, Any]:
    asked = (rules, kind, found.zones, found.jurisdictions, now)
    unknown = rules_of.why_unknown(*asked)
    window = rules_of.next_open(*asked)
    is_open = window is not None and window[0] <= now
    opens = None if window is None or is_open else window[0]
    closes = None if window is None or not is_open or window[1] >= now + AHEAD else window[1]
    return {
        "state": "unknown" if unknown else "open" if is_open else "closed",
        "why": unknown,
        "opens": opens,
        "opens_local": _local(found.zones, opens),
        "closes": closes,
        "closes_local": _local(found.zones, closes),
        "blocked": [
            {
                "for": blocked.place,
                "zone": blocked.zone,
                "local": blocked.local,
                "day": blocked.day,
                "allows": blocked.why,
                "until": blocked.until,
            }
            for blocked in rules_of.explain(*asked)
        ],
    }


def _local(zones: tuple[str, ...], at: datetime | None) -> dict[str, str]:
    """The local time in each zone, empty in one that does not exist."""
    if at is None:
        return {}
    known = {zone: rules_of.zone_of(zone) for zone in zones}
    return {zone: f"{at.astimezone(place):%a %Y-%m-%d %H:%M}" if place else "" for zone, place in known.items()}


def sentences(told: dict[str, Any]) -> Iterator[str]:
    """The answer as people read it."""
    where = ", ".join(told["jurisdictions"]) or "no country known"
    yield f"{told['customer']} at {clock(told['at'])}, by the rules {told['rules']}, in {where}"
    for zone, local in told["zones"].items():
        yield f"  {local or 'no such zone:'} {zone}"
    for word in KINDS:
        state = told[word]
        yield f"\n{word}: {_headline(state)}"
        for blocked in state["blocked"]:
            until = f"until {clock(blocked['until'])}" if blocked["until"] else f"for {FAR} and more"
            row = f"the row for {blocked['for']} in {blocked['zone']}"
            yield f"  {row}: {blocked['day']}, {blocked['allows']}; it blocks {until}"


def _headline(state: dict[str, Any]) -> str:
    if state["state"] == "unknown":
        return f"hours unknown, so nothing is sent: {state['why']}"
    if state["state"] == "open":
        return f"open until {_both(state, 'closes')}" if state["closes"] else f"open for {FAR} and more"
    return f"closed until {_both(state, 'opens')}" if state["opens"] else f"closed for {FAR} and more"


def _both(state: dict[str, Any], key: str) -> str:
    local = ", ".join(f"{at} {zone}" for zone, at in state[f"{key}_local"].items())
    return f"{clock(state[key])} ({local})"


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command()(hours)
