"""`hours of`: when one customer may be contacted, and which rule is in the way until when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from config.hours import load_hours
from config.settings import Settings
from console.context import HomeOption, JsonOption, bundle_of, config_dir, moment, open_home
from console.legal import accepted, say_accepted
from console.reviewing import review
from console.show import clock, local_times, print_json, say
from waves import hours as rules_of
from waves.bans import Ban
from waves.errors import InputError
from waves.hours import AHEAD, Kind
from waves.hours_set import HoursSet, accepting, binding, candidates

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
    from flows.hours import bans_of, bans_today
    from ledger.whereabouts import whereabouts

    if plan and rules:
        raise InputError("--plan names its own rules; leave out --rules")
    room = open_home(home)
    chosen, name = _rules(room.settings, plan, rules or "house")
    now = moment(at) if at else room.ledger.now()
    with room.ledger.read() as connection:
        found = whereabouts(connection, customer)
    bans = bans_of(bans_today(room))
    told = {"customer": customer, "rules": name, "at": now, **tell(chosen, found, now, bans)}
    if as_json:
        print_json(told)
        return
    for line in sentences(told):
        say(line)
    say_accepted(told["accepted_unreviewed"])


def _rules(settings: Settings, plan: str | None, name: str) -> tuple[HoursSet, str]:
    """The set that is asked for: by its name, or as a plan takes it."""
    if plan is None:
        return load_hours(config_dir(settings), name), name
    wanted = bundle_of(settings, plan).plan.hours
    return accepting(load_hours(config_dir(settings), wanted.set), wanted.accept_unreviewed), wanted.set


def tell(rules: HoursSet, found: Whereabouts, now: datetime, bans: Sequence[Ban] = ()) -> dict[str, Any]:
    """Zones with their local time, jurisdictions, and the state of messages and of calls, as plain values."""
    places = candidates(found.zones, found.jurisdictions)
    names = {row.place for row in binding(rules, places)}
    return {
        "zones": local_times(found.zones, now),
        "jurisdictions": places,
        **{word: _state(rules, kind, found, now, bans) for word, kind in KINDS.items()},
        "accepted_unreviewed": [row for row in accepted(rules) if row["for"] in names],
    }


def _state(rules: HoursSet, kind: Kind, found: Whereabouts, now: datetime, bans: Sequence[Ban]) -> dict[str, Any]:
    asked = (rules, kind, found.zones, found.jurisdictions, now, AHEAD, bans)
    unknown = rules_of.why_unknown(*asked)
    window = rules_of.next_open(*asked)
    is_open = window is not None and window[0] <= now
    opens = None if window is None or is_open else window[0]
    closes = None if window is None or not is_open or window[1] >= now + AHEAD else window[1]
    return {
        "state": "unknown" if unknown else "open" if is_open else "closed",
        "why": unknown,
        "opens": opens,
        "opens_local": local_times(found.zones, opens),
        "closes": closes,
        "closes_local": local_times(found.zones, closes),
        "blocked": [
            {
                "for": blocked.place,
                "zone": blocked.zone,
                "local": blocked.local,
                "day": blocked.day,
                "allows": blocked.why,
                "until": blocked.until,
                **({"ban": True} if blocked.ban else {}),
            }
            for blocked in rules_of.explain(*asked)
        ],
    }


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
            what = "the ban in" if blocked.get("ban") else "the row for"
            row = f"{what} {blocked['for']} in {blocked['zone']}"
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


class OfSomebody(typer.core.TyperGroup):
    """`hours C1` is short for `hours of C1`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the word in where no command is named."""
        named = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named or not args else ["of", *args])


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    group = typer.Typer(
        cls=OfSomebody, no_args_is_help=True, help="When a customer may be contacted, and the review of its rules."
    )
    group.command("of")(hours)
    group.command("review")(review)
    app.add_typer(group, name="hours")
