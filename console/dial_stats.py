"""`dial-list stats`: the lead's numbers, each with what it is a share of, and none of fewer than 30."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from config.nearest import write_instead
from console.context import HomeOption, JsonOption, moment, number_of_row, open_home
from console.rehearsing import bars
from console.show import counts, print_json, say, table
from waves.dial_stats import FEW, NOT_TOLD, Rate, count, rates, share
from waves.dispositions import DIALS, LIVE
from waves.errors import CampaignError, InputError
from waves.outcomes import word
from waves.recycling import DialRules

if TYPE_CHECKING:
    from ledger.dial_scope import Key, Which
    from ledger.dial_stats import Counted

By = Literal["hour", "team", "agent", "list", "day"]
SAID = {
    "hit": ("hit rate", "answered", "dials"),
    "contact": ("contact rate", "taken by an agent", "dials"),
    "contact_by_person": ("contact rate by person", "people reached", "people dialled"),
    "right_party": ("right-party rate", "right person reached", "dials"),
    "conversion_per_right_party": ("conversion", "conversions", "right persons reached"),
    "conversion_per_record": ("conversion of the list", "people converted", "people on lists"),
    "conversions_per_agent_hour": ("conversions an agent hour", "conversions", "hours of timed calls"),
    "penetration": ("penetration", "people dialled", "people on lists"),
    "depth": ("depth", "dials", "people on lists"),
    "completion": ("completion", "people final or at a cap", "people on lists"),
    "callbacks_kept": ("callbacks kept", "dialled within 15 minutes", "promises due"),
}
"""Name, numerator and denominator of each rate."""
PLAIN = ("depth", "conversions_per_agent_hour")
"""Those that are no shares."""
OF_GROUPS = ("hit", "contact", "right_party", "conversion_per_right_party", "conversions_per_agent_hour")
OF_LISTS = ("penetration", "depth", "completion")
UNKNOWN = {"hour": "unknown", "day": "unknown", "agent": "not named", "team": "no list", "list": "no list"}
HOURS = [f"{hour:02}" for hour in range(24)]


def _number(number: int | None) -> int | None:
    return None if number is None else number_of_row(number)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was asked about, counted in all, by the customers' hour, and by group."""

    whole: Counted
    hours: Mapping[Key, Rate]
    groups: Mapping[Key, Counted]
    silent: Sequence[str]
    """Campaigns of which no call tells of a conversion."""

    def rates(self, one: Counted) -> Mapping[str, Rate]:
        """The rates of the whole or of a group."""
        return rates(one.ended, one.people, one.promised, told=not self.silent)


def stats(
    campaign: Annotated[str | None, typer.Argument(help="The campaign's name; without it, all of them.")] = None,
    wave: Annotated[str | None, typer.Option(help="Only this call wave of the campaign.")] = None,
    team: Annotated[str | None, typer.Option(help="Only the lists of this team.")] = None,
    number: Annotated[
        int | None,
        typer.Option("--list", help="Only this list.", callback=_number),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Only calls made from then on, such as 2026-12-01T09:00+02:00.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only calls made before then.")] = None,
    by: Annotated[
        By | None, typer.Option(help="Tell apart by team, agent, list, or the hour or day on the customers' own clock.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The lead's numbers: hits, contacts, conversions, depth, promises kept, and calls that should not have been."""

    room = open_home(home)
    span = (moment(since) if since else None, moment(until) if until else None)
    if span[0] and span[1] and span[0] >= span[1]:
        raise InputError("--from has to be before --to")
    if wave is not None and campaign is None:
        raise InputError(f"--wave {wave}: of which campaign? write: multiwave dial-list stats CAMPAIGN --wave {wave}")
    rules = room.dial_rules()
    with room.ledger.snapshot() as connection:
        which = _which(connection, campaign, wave, team, number, span)
        shown = _counted(connection, which, rules, room.ledger.now(), by)
    if as_json:
        asked = {"campaign": campaign, "wave": wave, "team": team, "list": number, "from": span[0], "to": span[1]}
        print_json(asked | _told(shown, by))
    elif not shown.whole.ended and not (shown.whole.people and shown.whole.people.loaded):
        say("nobody was listed or called there yet; see: multiwave dial-list ls")
    else:
        _show(shown, by)


def _which(
    connection: Any,
    campaign: str | None,
    wave: str | None,
    team: str | None,
    number: int | None,
    span: tuple[datetime | None, datetime | None],
) -> Which:
    """What was asked about; CampaignError for a campaign, wave, team or list that there is none of."""
    from ledger import campaigns
    from ledger.dial_lists import list_of
    from ledger.dial_scope import Which, teams

    of_campaign = campaigns.find(connection, campaign).id if campaign is not None else None
    of_wave = campaigns.find_wave(connection, campaign, wave)[1].id if campaign and wave is not None else None
    if team is not None and team not in (known := teams(connection)):
        raise CampaignError(f"no list was ever pulled for team {team}; {write_instead(team, known)}")
    if number is not None:
        list_of(connection, number)
    return Which(of_campaign, of_wave, team, number, *span)


def _counted(connection: Any, which: Which, rules: DialRules, now: datetime, by: By | None) -> Shown:
    from ledger.dial_stats import counted, ended, silent_goals

    whole = counted(connection, which, rules, now)[None]
    hours = {hour: share(count(calls, LIVE), count(calls)) for hour, calls in ended(connection, which, "hour").items()}
    groups = counted(connection, which, rules, now, by) if by else {}
    return Shown(whole, _sorted(hours), _sorted(groups), silent_goals(connection, which))


def _sorted(groups: Mapping[Key, Any]) -> dict[Key, Any]:
    """By name, the unknown last."""
    return dict(sorted(groups.items(), key=lambda each: (each[0] is None, each[0])))


def _told(shown: Shown, by: By | None) -> dict[str, Any]:
    return {
        **_group(shown, shown.whole),
        "dispositions": _dispositions(shown.whole),
        "hit_rate_by_local_hour": [{"hour": hour} | asdict(rate) for hour, rate in shown.hours.items()],
        "by": by,
        "groups": [{"key": key, **_group(shown, one)} for key, one in shown.groups.items()],
        "notes": _notes(shown),
    }


def _group(shown: Shown, one: Counted) -> dict[str, Any]:
    return {"dials": count(one.ended), "rates": shown.rates(one), "breaks": one.breaks}


def _dispositions(one: Counted) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in one.ended:
        found[word(each.disposition)] += each.calls
    return dict(found.most_common())


def _notes(shown: Shown) -> list[str]:
    """What the numbers leave out."""
    dialled = [each for each in shown.whole.ended if each.disposition in DIALS]
    taken, timed = sum(each.by_agent for each in dialled), sum(each.timed for each in dialled)
    found = ["agent hours are ringing, talk and wrap of the calls that name an agent; nobody reports logged-in time"]
    if timed < taken:
        found.append(f"of {taken:,} calls that name an agent {taken - timed:,} carry no times and are left out of them")
    if shown.silent:
        found.append(f"{', '.join(shown.silent)}: {NOT_TOLD}")
    if None in shown.hours:
        found.append(f"{shown.hours[None].n:,} dials went to customers whose hour is unknown, or not the same in all")
    no_dials = Counter({word(e.disposition): e.calls for e in shown.whole.ended if e.disposition not in DIALS})
    if no_dials:
        found.append(f"no dials, and in no rate: {counts(no_dials)}")
    return found


def _show(shown: Shown, by: By | None) -> None:
    rows = [_row(name, rate) for name, rate in shown.rates(shown.whole).items()]
    table(f"{count(shown.whole.ended):,} dials", ("", "rate", "95 % interval", "of", "n"), rows, ("rate", "n"))
    _show_breaks(shown.whole)
    _show_hours(shown.hours)
    if by:
        _show_groups(shown, by)
    for note in _notes(shown):
        say(f"note: {note}")


def _row(name: str, rate: Rate) -> tuple[object, ...]:
    title, numerator, denominator = SAID[name]
    of = f"{rate.numerator:,} {numerator} of {_amount(rate.denominator)} {denominator}"
    return title, _value(name, rate), _between(name, rate), of, rate.n


def _amount(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.2f}"


def _value(name: str, rate: Rate) -> str:
    if rate.value is None:
        return rate.reason if rate.reason == FEW and rate.reason else "not known"
    return _figure(name, rate.value)


def _figure(name: str, value: float) -> str:
    return f"{value:.2f}" if name in PLAIN else f"{value:.1%}"


def _between(name: str, rate: Rate) -> str:
    if rate.low is None or rate.high is None:
        return ""
    return f"{_figure(name, rate.low)} to {_figure(name, rate.high)}"


def _show_breaks(one: Counted) -> None:
    found = one.breaks
    ways = {
        "too soon for the person": found.person_gap,
        "over the person's caps": found.person_cap,
        "too soon for the number": found.number_gap,
        "over the number's caps": found.number_cap,
        "too soon for the household": found.household_gap,
        "past the hours or the list's end": found.outside,
    }
    style = "bold red" if found.rows else None
    say(f"double dials: {found.double:,} of {found.attempts:,} attempts; they must be 0", style=style)
    say(f"calls against the house's caps, gaps and hours: {found.rows:,} ({counts(ways)})", style=style)


def _show_hours(hours: Mapping[Key, Rate]) -> None:
    """The hit rate over the customers' day; an hour of too few dials has no bar."""
    values = [rate.value or 0.0 if (rate := hours.get(hour)) else 0.0 for hour in HOURS]
    rows = [
        (hour or UNKNOWN["hour"], _value("hit", rate), _between("hit", rate), f"{rate.numerator:,} of {rate.n:,} dials")
        for hour, rate in hours.items()
    ]
    if rows:
        table("hit rate by the customers' hour", ("hour", "rate", "95 % interval", "of"), rows, ("rate",))
    if any(values):
        best = max(range(24), key=values.__getitem__)
        say(f"  {bars(values)}  most at {HOURS[best]}: {values[best]:.1%}")
        say("  0     6     12    18    ")


def _show_groups(shown: Shown, by: By) -> None:
    names = [*OF_GROUPS, *(OF_LISTS if any(one.people for one in shown.groups.values()) else ())]
    cells = []
    for key, one in shown.groups.items():
        found = shown.rates(one)
        each = [_cell(name, found[name]) for name in names]
        label = UNKNOWN[by] if key is None else str(key)
        cells.append((label, count(one.ended), *each, one.breaks.double, one.breaks.rows))
    columns = (by, "dials", *[SAID[name][0] for name in names], "double", "against the rules")
    table(f"by {by}; --json has the intervals", columns, cells, ("dials", "double", "against the rules"))


def _cell(name: str, rate: Rate) -> str:
    return f"{_value(name, rate)}  {rate.numerator:,}/{_amount(rate.denominator)}"
