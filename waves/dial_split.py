"""The calls of a shift dealt out to its teams: fair by what an agent hour is worth, by who can serve whom, knows whom.

Strata are the teams that may serve a customer (by language and skill) and the tier; those that fewest teams can serve
are dealt first. Each team's quota of a stratum goes by agent hours, by largest remainder. Inside, whoever a team called
before goes to it again, and the rest, best first, to the team whose agent hour is worth least so far.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from waves.draw import Draw

TIERS = ("callback", "hot", "normal", "recycle")
"""In the order in which they are dialled: promised, the best of the rest, never called by this wave, called before."""
HOT = 0.2
"""The share of those who were promised nothing that is hot: the best of them by what they are worth an agent hour."""
AHEAD = 0.02
"""How much more than the others' a team's agent hour may be worth, as a share, and it still gets whom it knows."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a team is to get: so many entries, for so many agent hours, of these languages and skills (none: all).

    A customer whose language or skill nobody knows goes to any team.
    """

    size: int
    hours: float
    languages: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()

    def serves(self, language: str | None, skill: str | None) -> bool:
        """Whether the team may be dealt a customer of this language, whose call takes this skill."""
        speaks = language in {*self.languages, None} or not self.languages
        return speaks and (skill in {*self.skills, None} or not self.skills)


@dataclass(frozen=True, slots=True)
class Lead:
    """One customer to deal: worth of the call, language, tier, the team that called before, the skill it takes."""

    worth: float
    language: str | None = None
    tier: str = "normal"
    team: str | None = None
    skill: str | None = None


def hottest(scores: Sequence[float | None]) -> set[int]:
    """The places of the best fifth, rounded down, of those that have a score; of equals the first."""
    known = [(score, -place) for place, score in enumerate(scores) if score is not None]
    return {-place for _, place in nlargest(int(len(known) * HOT), known)}


def dialling_order(leads: Sequence[tuple[str, int]], draw: Draw) -> list[int]:
    """The places of leads (tier and bucket of each) in the order in which they are to be dialled.

    The promised as they stand; then tier by tier, inside each by lot. Sorted by worth the share that answers would fall
    all shift long, and a dialler whose ratio was tuned in the first hour would misdial (reference: dialling, 4).
    """
    place = range(len(leads))
    return sorted(place, key=lambda n: (TIERS.index(leads[n][0]), leads[n][0] != TIERS[0] and draw.ticket(leads[n][1])))


@dataclass(slots=True)
class Dealt:
    """Each team's leads (places in what was dealt, in its order), and what its agent hour is worth by them."""

    places: dict[str, list[int]]
    worth_an_hour: dict[str, float] = field(default_factory=dict)


def gap(worth_an_hour: Collection[float]) -> float:
    """How much less the poorest team's agent hour is worth than the richest's, as a share of it; 0 of one team."""
    best = max(worth_an_hour, default=0.0)
    return (best - min(worth_an_hour)) / best if best > 0 else 0.0


def deal(leads: Sequence[Lead], teams: Mapping[str, Share]) -> Dealt:
    """Deal the leads, best first, until each team has its size or nobody is left whom it can serve.

    A promised call goes to the team that promised it while that has room, whatever its quota: they know whom to ring.
    """
    strata: dict[tuple[int, int, tuple[str, ...]], list[int]] = {}
    places: dict[str, list[int]] = {name: [] for name in teams}
    worth = dict.fromkeys(teams, 0.0)
    for place, lead in enumerate(leads):
        able = tuple(name for name, team in teams.items() if team.serves(lead.language, lead.skill))
        if lead.tier == TIERS[0] and lead.team in able and len(places[lead.team]) < teams[lead.team].size:
            places[lead.team].append(place)
            worth[lead.team] += max(0.0, lead.worth)
        elif able:
            strata.setdefault((len(able), TIERS.index(lead.tier), able), []).append(place)
    for (_, _, able), stratum in sorted(strata.items()):
        room = {name: teams[name].size - len(places[name]) for name in able}
        quota = _quotas(len(stratum), {name: teams[name].hours for name in able if room[name] > 0}, room)
        for place in stratum:
            free = [name for name, left in quota.items() if left > 0]
            if not free:
                break
            poorest = min(free, key=lambda name: (worth[name] / teams[name].hours, name))
            known = leads[place].team
            fair = sum(worth[name] for name in free) / sum(teams[name].hours for name in free)
            stays = known in free and worth[known] / teams[known].hours <= fair * (1 + AHEAD)
            to = known if stays and known is not None else poorest
            quota[to] -= 1
            places[to].append(place)
            worth[to] += max(0.0, leads[place].worth)
    for found in places.values():
        found.sort()
    return Dealt(places, {name: worth[name] / team.hours for name, team in teams.items()})


def _quotas(count: int, hours: Mapping[str, float], room: Mapping[str, int]) -> dict[str, int]:
    """How many of `count` each team gets, in proportion to its hours and within its room, by largest remainder."""
    quota = dict.fromkeys(hours, 0)
    left = min(count, sum(room[name] for name in hours))
    while left > 0:
        open_yet = {name: hours[name] for name in hours if quota[name] < room[name]}
        total = sum(open_yet.values())
        exact = {name: left * share / total for name, share in open_yet.items()}
        given = {name: min(int(part), room[name] - quota[name]) for name, part in exact.items()}
        if not any(given.values()):
            name = max(exact, key=lambda name: (exact[name] - int(exact[name]), name))
            given = {name: 1}
        for name, part in given.items():
            quota[name] += part
            left -= part
    return quota
