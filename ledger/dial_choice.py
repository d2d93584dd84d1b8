"""Who is on the lists of a shift: the promised, the share that is drawn by lot, the best; then dealt to its teams."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection

from ledger.dial_candidates import Asked, Ranked, by_lot, calls_to, candidates, count_due, ranked
from ledger.gates import Gates, Members
from waves.dial_list import Candidate, Composed, Lot, Number, compose, draw
from waves.dial_split import TIERS, Dealt, Lead, Share, deal, dialling_order, hottest
from waves.draw import Draw
from waves.exploration import callable_of, chances, reserved
from waves.recycling import DialRules, Tried

FEWEST = 2_000
"""So many are ranked together, or twice the list where that is more."""
TOGETHER = 2_000
"""So many are looked at together: PostgreSQL reads whole tables for more of them."""
Score = Callable[[Members], ColumnElement[float]]
Looked = tuple[list[Candidate], dict[str, list[Tried]]]
"""Candidates in their order, and every known call to each of their numbers."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides who may be on a list, and who is before whom."""

    gates: Gates
    types: Mapping[str, str]
    """The frozen columns by their types."""
    rules: DialRules
    score: Score | None = None
    """None: a contact is a contact."""


@dataclass(frozen=True, slots=True)
class Pull:
    """What a lead asks for."""

    wave: int
    team: str
    shift: str
    format: str
    size: int
    by: str
    valid_until: datetime
    lease_until: datetime
    scopes: tuple[str, ...] = ()
    """The kill switches that stop it."""
    teams: Mapping[str, Share] = field(default_factory=dict)
    """What each team of the shift is to get, this one among them; empty: this list alone is cut."""
    number: int = 0
    """The list that is to be longer; 0: a new one."""
    only: str | None = None
    """The key of the one customer who is to be on it; None: whoever is best."""
    explore: float = 0.0
    """The share of it that is drawn by lot."""
    card: int | None = None
    """The model card of what it is ranked by; None: no model ranks it."""
    ahead: bool = True
    """Whether its dialler is told times, so that calls promised for later in the list's time are on it."""
    passes: Sequence[float] = ()
    """P(a person answers) of a customer's first, second ... dial, for those whom no model scored."""
    skill: str | None = None
    """The attribute that says which skill a customer takes; None: none does."""


@dataclass(frozen=True, slots=True)
class Line:
    """One of the chosen, with the number to dial, and how they came on the list."""

    one: Candidate
    number: Number
    tier: str
    score: float | None
    explored: bool
    """Whether by lot."""
    p_assign: float | None
    """The probability of coming on the list; None: no lot was drawn, so that chance had no part in it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The lists of a shift: what became of everybody who was looked at, who goes to whom, each team's lines."""

    made: Composed
    dealt: Dealt
    leads: Sequence[Lead]
    ranks: Mapping[int, Ranked]
    p_assign: Mapping[int, float]
    order: Draw

    def of(self, team: str) -> list[Line]:
        """The lines of a team in the order in which they are to be dialled."""
        lines = [self._line(place) for place in self.dealt.places[team]]
        leads = [(line.tier, self.ranks[line.one.touch].place[2]) for line in lines]
        return [lines[place] for place in dialling_order(leads, self.order)]

    def _line(self, place: int) -> Line:
        one, number = self.made.chosen[place]
        by_lot, score = one.touch in self.made.drawn, self.ranks[one.touch].score
        return Line(one, number, self.leads[place].tier, score, by_lot, self.p_assign.get(one.touch))


@dataclass(frozen=True, slots=True)
class _Look:
    """What it takes to look at candidates."""

    connection: Connection
    ask: Pull
    terms: Terms
    now: datetime

    def at(self, block: Sequence[Ranked]) -> Looked:
        """What is known of these now."""
        return look_at(self.connection, [one.touch for one in block], self.ask, self.terms, self.now)

    def ranked(self, block: int, touches: Sequence[int] | None = None) -> Iterator[list[Ranked]]:
        """Who is due, the best first, in blocks that double; of these touches alone where they are given."""
        terms = self.terms
        return ranked(self.connection, self.ask, terms.gates, terms.types, terms.score, self.now, block, touches)

    def lottery(self, name: str) -> Draw:
        """One of this list's lotteries."""
        return Draw.named("wave", str(self.ask.wave), self.ask.team, self.ask.shift, self.now.isoformat(), name)


def look_at(connection: Connection, touches: Sequence[int], ask: Asked, terms: Terms, now: datetime) -> Looked:
    """What is known now of these touches of a wave, less those who only wait for a time."""
    household = terms.rules.household
    since = now - household.gap if household else None
    found = candidates(connection, touches, ask, terms.gates, terms.types, now, since)
    return found, calls_to(connection, (number.value for one in found for number in one.numbers))


def choose(connection: Connection, ask: Pull, terms: Terms, now: datetime) -> Choice:
    """Everybody for the shift's teams, dealt out; more are looked at until this team's list is full."""
    look = _Look(connection, ask, terms, now)
    teams = dict(ask.teams) or {ask.team: Share(ask.size, 1.0)}
    wanted = shift = sum(team.size for team in teams.values())
    ranks, known = dict[int, Ranked](), list[Looked]()
    lot, due = _lottery(look, ranks, teams.values())
    made = Composed(lot, teams.values())
    for block in look.ranked(max(FEWEST, 2 * shift)):
        ranks |= {one.touch: one for one in block}
        for start in range(0, len(block), TOGETHER):
            known.append(look.at(block[start : start + TOGETHER]))
            compose(made, *known[-1], terms.rules, now, wanted)
            while len(made.chosen) >= wanted:
                leads = _leads(made, ranks)
                dealt = deal(leads, teams)
                if len(dealt.places[ask.team]) >= ask.size:
                    return Choice(made, dealt, leads, ranks, _p_assign(made, dealt, due), look.lottery("order"))
                wanted *= 2  # the others cannot take whom they do not understand
                made = Composed(lot, teams.values())
                for people, to_numbers in known:
                    compose(made, people, to_numbers, terms.rules, now, wanted)
    leads = _leads(made, ranks)
    dealt = deal(leads, teams)
    return Choice(made, dealt, leads, ranks, _p_assign(made, dealt, None), look.lottery("order"))


def _lottery(look: _Look, ranks: dict[int, Ranked], teams: Collection[Share]) -> tuple[Lot, int]:
    """As many as it takes to draw the lists' reserved places, in the order of their tickets; of how many it is."""
    size = 0 if look.ask.only else reserved(sum(team.size for team in teams), look.ask.explore)
    lot = Lot(size=size)
    if not size:
        return lot, 0
    asked = (look.connection, look.ask, look.terms.gates)
    for touches in by_lot(*asked, look.lottery("explore"), look.now, max(TOGETHER, 2 * size)):
        for block in look.ranked(len(touches) + 1, touches):
            ranks |= {one.touch: one for one in block}
        people, to_numbers = look.at([ranks[touch] for touch in touches if touch in ranks])
        lot = Lot([*lot.people, *people], {**lot.to_numbers, **to_numbers}, size)
        trial = Composed(lot, teams)
        draw(trial, look.terms.rules, look.now, size)
        if len(trial.drawn) == size:
            break
    return lot, count_due(*asked, look.now)


def _leads(made: Composed, ranks: Mapping[int, Ranked]) -> list[Lead]:
    scores = [ranks[one.touch].score for one, _ in made.chosen]
    hot = hottest([None if one.promise else score for (one, _), score in zip(made.chosen, scores, strict=True)])
    return [
        Lead(1.0 if score is None else score, one.language, TIERS[1] if place in hot else one.tier, one.team, one.skill)
        for place, ((one, _), score) in enumerate(zip(made.chosen, scores, strict=True))
    ]


def _p_assign(made: Composed, dealt: Dealt, due: int | None) -> dict[int, float]:
    """Of those whom a team was dealt, promised ones aside; the teams' languages and skills are left aside.

    `due`: of how many the lot was drawn; None: everybody was looked at, so that the callable are known.
    """
    if not made.drawn:
        return {}
    chosen = [made.chosen[place][0] for places in dealt.places.values() for place in places]
    listed = [one.touch for one in chosen if one.promise is None]
    found = len(made.places) if due is None else callable_of(due, len(made.drawn), made.reached)
    return chances(listed, made.places, len(made.drawn), found)
