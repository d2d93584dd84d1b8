"""Who is on a dial list: the callable in their order, one of a person, number and household, and why not the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from waves.dial_split import Share
from waves.outcomes import Reason, word
from waves.recycling import DialRules, Held, Tried, again_from, held_back, household_rests, promised, said, same_part

WITHOUT = "capacity"
"""Callable, and left out because the list is full."""
PROMISED_LATER = "promised_later"
"""Promised a call for a time that is not theirs to be called on this list."""
NEXT_CALL_LATER = "next_call_later"
"""To be called again, at a time that is not come."""


@dataclass(frozen=True, slots=True)
class Number:
    """One living number of a candidate that may be called by consent and suppression."""

    address: int
    value: str
    on_a_list: bool = False
    law_cap: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of a call wave who waits for a list, with what the ledger knows now."""

    touch: int
    customer: int
    zones: Sequence[str]
    stopped_by: int = 0
    """Why no call is to be made any more, as a Reason's number; 0: nothing."""
    call_until: datetime | None = None
    """The end of the permitted hours that it is now; None: it is outside of them."""
    over_limit: bool = False
    law_cap: bool = False
    household: str | None = None
    on_a_list: bool = False
    """Whether the customer, or somebody of the household, is on a live list."""
    numbers: Sequence[Number] = ()
    calls: Sequence[Tried] = ()
    """Every call to the customer that is known, in every campaign."""
    of_wave: Sequence[Tried] = ()
    """Those of them that this wave made."""
    language: str | None = None
    team: str | None = None
    """The team whose list of this wave they were on last."""
    of_household: Sequence[Tried] = ()
    """The calls to anybody of the household within the gap that the rules set for it, in every campaign."""
    places: Collection[str] = ()
    """The jurisdictions they may be in."""
    promised_elsewhere: bool = False
    """Whether another wave that still runs has promised them a call before this list ends."""
    skill: str | None = None
    """What calling them takes; None: nothing that is known."""

    @property
    def promise(self) -> Tried | None:
        """The call that promised the next one, and when."""
        return promised(self.of_wave)

    @property
    def tier(self) -> str:
        """What is promised comes first; then who was not called yet and who was, as the wave ranks them."""
        return "callback" if self.promise else "recycle" if said(self.of_wave) else "normal"

    @property
    def asked(self) -> datetime | None:
        """When they asked for the next call; None: they did not, or were dialled since."""
        one = self.promise
        return one.at if one and all(call.at <= one.at for call in said(self.of_wave)) else None


@dataclass(frozen=True, slots=True)
class Lot:
    """Candidates in the order of a lottery, so many of whom are listed whatever their rank."""

    people: Sequence[Candidate] = ()
    to_numbers: Mapping[str, Collection[Tried]] = field(default_factory=dict)
    size: int = 0


@dataclass(slots=True)
class Composed:
    """A list as it was put together: the chosen with their number, best first, and what became of the rest.

    Who was drawn by lot comes after the promised and before the best.
    """

    lot: Lot = Lot()
    teams: Collection[Share] = ()
    """The teams that it is for; none: anybody's. Whom none of them can serve takes nobody's place."""
    chosen: list[tuple[Candidate, Number]] = field(default_factory=list)
    drawn: set[int] = field(default_factory=set)
    """The touches that were listed by lot."""
    reached: int = 0
    """How many of the lot's people it took to draw them; 0: nobody was drawn yet."""
    places: dict[int, int] = field(default_factory=dict)
    """Touch to place (from 0) among the callable who were promised nothing, by rank; as far as they were looked at."""
    stopped: list[Candidate] = field(default_factory=list)
    """Whose calls are not to be made any more."""
    funnel: Counter[str] = field(default_factory=Counter)
    """Reason to how many were left out for it."""
    numbers: set[str] = field(default_factory=set)
    households: set[str] = field(default_factory=set)

    def take(self, one: Candidate, number: Number) -> None:
        """Put a candidate on the list."""
        self.chosen.append((one, number))
        self.numbers.add(number.value)
        if one.household is not None:
            self.households.add(one.household)


def compose(
    made: Composed,
    candidates: Iterable[Candidate],
    to_numbers: Mapping[str, Collection[Tried]],
    rules: DialRules,
    now: datetime,
    size: int,
) -> None:
    """Add candidates, best first, to a list until it has `size`; each that is left out counts under its first reason.

    `to_numbers`: every known call to each of their numbers, whosesoever it was. The lot is drawn as soon as those who
    were promised a call have their places.
    """
    for one in candidates:
        if not made.reached and one.promise is None:
            draw(made, rules, now, size)
        if one.touch in made.drawn:
            made.places[one.touch] = len(made.places)
            continue
        if one.stopped_by:
            made.stopped.append(one)
            made.funnel[word(Reason(one.stopped_by))] += 1
            continue
        found = _number_for(one, made, to_numbers, rules, now)
        if isinstance(found, str):
            made.funnel[found] += 1
            continue
        if one.promise is None:
            made.places[one.touch] = len(made.places)
        if len(made.chosen) >= size:
            made.funnel[WITHOUT] += 1
        else:
            made.take(one, found)


def draw(made: Composed, rules: DialRules, now: datetime, size: int) -> None:
    """List the first callable of the lot, up to its size and the list's; those who are not do not count as left out."""
    for one in made.lot.people:
        if len(made.drawn) >= made.lot.size or len(made.chosen) >= size:
            break
        made.reached += 1
        found = "" if one.stopped_by else _number_for(one, made, made.lot.to_numbers, rules, now)
        if isinstance(found, Number):
            made.take(one, found)
            made.drawn.add(one.touch)


def _number_for(
    one: Candidate, made: Composed, to_numbers: Mapping[str, Collection[Tried]], rules: DialRules, now: datetime
) -> Number | str:
    """The number to dial: the one of a promise, else the least tried, of equals the preferred; or why there is none."""
    why = _person(one, made, rules, now)
    if why is not None:
        return why
    tried, promise = Counter(call.number for call in said(one.of_wave)), one.promise
    on = promise.number if promise else None
    whys = []
    for number in sorted(one.numbers, key=lambda each: (each.value != on, tried[each.value])):
        to_it = to_numbers.get(number.value, ())
        held = _line(number, made, to_it, rules, now, one.asked if number.value == on else None, one.places)
        if held is None:
            return number
        whys.append(held)
    return whys[0] if whys else "no_number"


def held_since(one: Candidate, number: str, to_it: Collection[Tried], rules: DialRules, now: datetime) -> str | None:
    """Why somebody who is on a list is not to be called at this number now, were the list cut now; None: nothing.

    `to_it`: every known call to the number, whosesoever it was.
    """
    nobody = Composed()
    of_them = next((each for each in one.numbers if each.value == number), None)
    if of_them is None:
        return "no_number"
    asked = one.asked if one.promise and number == one.promise.number else None
    return _person(replace(one, on_a_list=False), nobody, rules, now) or _line(
        replace(of_them, on_a_list=False), nobody, to_it, rules, now, asked, one.places
    )


def _person(one: Candidate, made: Composed, rules: DialRules, now: datetime) -> str | None:
    if one.on_a_list:
        return "on_a_list"
    if one.over_limit:
        return "over_limit"
    if one.law_cap:
        return "law_cap"
    if made.teams and not any(team.serves(one.language, one.skill) for team in made.teams):
        return "no_team_serves_them"
    promise = one.promise
    if said(one.of_wave):
        due = again_from(one.of_wave, rules, one.places)
        if due is None:
            return "no_more_calls"
        if promise is None and due > now:
            return NEXT_CALL_LATER
    held = held_back(one.calls, rules.person, rules, now, one.asked, one.places)
    if held is not None:
        return f"person_{word(held)}"
    if one.asked is None and household_rests(one.of_household, rules, now):
        return word(Held.HOUSEHOLD_GAP)
    if one.call_until is None:
        return "outside_hours"
    if promise is not None and promise.callback_at is not None and promise.callback_at >= one.call_until:
        return PROMISED_LATER
    if promise is None and one.promised_elsewhere:
        return "promised_elsewhere"
    if promise is None and same_part(one.of_wave, one.zones, rules, now):
        return word(Held.SAME_PART)
    return "household" if one.household is not None and one.household in made.households else None


def _line(
    number: Number,
    made: Composed,
    calls: Collection[Tried],
    rules: DialRules,
    now: datetime,
    asked: datetime | None,
    places: Collection[str],
) -> str | None:
    if number.on_a_list or number.value in made.numbers:
        return "number_on_a_list"
    if number.law_cap:
        return "number_law_cap"
    held = held_back(calls, rules.number, rules, now, asked, places)
    return None if held is None else f"number_{word(held)}"
