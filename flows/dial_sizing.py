"""How long a team's list is to be, and what the shift's other teams are to get, by the plan's capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ledger.answer_counts import measured
from ledger.dial_lists import teams_of_shift
from waves.dial_split import Share
from waves.errors import CampaignError
from waves.plan import Capacity, Team
from waves.sizing import Shift, measured_rates, passes_of, passes_worth, size_list

ASSUMED = (0.18, 0.15, 0.12, 0.10)
"""P(a person answers) of the first, second ... dial, until a campaign has calls of its own (reference: dialling, 4)."""
SHIFT = timedelta(hours=24)
"""Lists of one shift are pulled within this time."""


@dataclass(frozen=True, slots=True)
class Sized:
    """A team's list, and the shares of the teams that have none of this shift yet; `why` says how it was reckoned.

    `rates`: P(a person answers) of a customer's first, second ... dial. `before`: what an agent hour is worth to the
    teams that have their list.
    """

    size: int
    teams: Mapping[str, Share]
    why: str
    rates: Sequence[float]
    before: Mapping[str, float] = field(default_factory=dict)


def as_asked(connection: Any, campaign: int, size: int) -> Sized:
    """A list of so many entries, whatever the plan says."""
    return Sized(size, {}, "as asked for", _rates(connection, campaign)[0])


def size_for(
    connection: Any,
    campaign: int,
    wave: int,
    capacity: Capacity | None,
    team: str,
    shift: str,
    now: datetime,
    ends: datetime,
    asked: int | None,
    agents: int | None,
) -> Sized:
    """The list of a team; CampaignError when neither the caller nor the plan says how long it is to be.

    `asked` entries, or what so many `agents` (None: as the plan says) reach from now until the list `ends` over the
    day's attempts.
    """
    known = capacity.teams.get(team) if capacity else None
    if capacity is None or (known is None and agents is None):
        if asked is None:
            raise CampaignError(
                f"the plan names no team {team} in `capacity`, so nobody knows how long its list is to be; write --size"
            )
        return as_asked(connection, campaign, asked)
    at_work = {name: one.agents for name, one in capacity.teams.items()} | ({team: agents} if agents else {})
    rates, how = _rates(connection, campaign)
    hours = (ends - now) / timedelta(hours=1)
    each = {name: _size(count, hours, capacity, rates) for name, count in at_work.items()}
    size = each[team] if asked is None else asked
    if known is None:
        return Sized(size, {}, how, rates)
    done = {
        name: of.worth / max(0.25, of.hours * at_work[name])
        for name, of in teams_of_shift(connection, wave, shift, now - SHIFT).items()
        if name != team and name in at_work
    }
    shares = {
        name: Share(
            size if name == team else max(1, round(each[name] * size / each[team])),
            count * hours,
            *served_by(capacity.teams[name]),
        )
        for name, count in at_work.items()
        if name not in done
    }
    return Sized(size, shares, how if asked is None else "as asked for", rates, done)


def served_by(team: Team) -> tuple[frozenset[str], frozenset[str]]:
    """The languages and the skills of the customers whom a team may be dealt; none: all."""
    return frozenset(team.languages), frozenset(team.skills)


def _rates(connection: Any, campaign: int) -> tuple[Sequence[float], str]:
    seen = measured(connection, campaign)
    enough = measured_rates(seen.dials, seen.answers)
    if not enough:
        return ASSUMED, f"assumed: {', '.join(f'{rate:.0%}' for rate in ASSUMED)} of the dials answer, pass by pass"
    rates = enough[: passes_worth(enough)]
    return rates, f"measured: {', '.join(f'{rate:.1%}' for rate in rates)} of {seen.dials[0]:,} first dials and so on"


def _size(agents: int, hours: float, capacity: Capacity, rates: Sequence[float]) -> int:
    shift = Shift(agents, hours, capacity.shrinkage, capacity.handle_time.total_seconds())
    return max(1, round(size_list(shift.conversations(capacity.occupancy), passes_of(rates)).listed))
