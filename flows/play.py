"""A campaign played against a simulated world: the clock goes in steps, the engine does what is due, the world answers.

The engine is the real one. Whoever plays says how messages reach the world and how reports reach the ledger: a
rehearsal straight (flows.rehearsal), the demo over files as people would (console.demo).
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from channels.call_list.rows import DispositionRow
from channels.conversions_file import ConversionRow
from config.world import DAYS, World, capacity_of
from flows import dialling
from flows.crowd import ENGAGING, Crowd, Said
from flows.room import Room
from flows.running import Running, current_wave, load_running, local_day
from ledger.attributes import attribute_types
from ledger.people import Groups, Person, Rules, members, people_behind, people_known
from ledger.progress import next_due
from segments.select import Source, compile_rule
from waves.dispositions import Disposition
from waves.errors import RuleError
from waves.message import Event, Message
from waves.outcomes import Side, word
from waves.plan import Wave
from waves.rules import parse_rule
from waves.tokens import Kind, make_token, read_token

PROVIDER = "world"
BY = "world"
HOUR = timedelta(hours=1)
M = TypeVar("M", Message, "SentMessage")
Report = Event | DispositionRow | ConversionRow


class Desk(Protocol):
    """Takes to the ledger what has come in."""

    def hand_in(
        self, events: list[Event], calls: list[DispositionRow], sales: list[ConversionRow], now: datetime
    ) -> None:
        """Record these reports."""
        ...


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that left: what the world needs to know of it."""

    token: str
    channel: str
    wave: str


@dataclass
class Play:
    """One campaign against one crowd, step by step; reports not yet due wait in a heap."""

    room: Room
    crowd: Crowd
    campaign: str
    desk: Desk
    advance: Callable[[datetime], Iterable[object]]
    """Does everything that is due at that time."""
    look: Callable[[datetime], None] = lambda now: None
    """Called after each step, to fetch what was sent."""
    share: float = 1.0
    """The share of the customers that take part; the teams' capacity shrinks alike."""
    step: timedelta = HOUR
    agent_hours: float = 0.0
    _waiting: list[tuple[datetime, str, int, Report]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _attempts: dict[str, int] = field(default_factory=dict)
    _lists: list[tuple[datetime, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        running = load_running(self.room.ledger, self.campaign)
        with self.room.ledger.read() as connection:
            types = attribute_types(connection)
        self._goal = running.plan.goal
        self._groups = groups_of(self.crowd.world, types, local_day(running.plan, running.started_at))

    def run(self) -> datetime:
        """Play until the campaign runs no more and the last report is in; the time of the last step before that."""
        running = load_running(self.room.ledger, self.campaign)
        now = finished = max(self.room.ledger.now(), running.plan.starts.at)
        self._convert_unasked(running, now)
        while running.state == "running":
            self.room.ledger.set_now(now)
            self._deliver(now)
            self._take_back(now)
            for _ in self.advance(now):
                pass
            self.look(now)
            running = load_running(self.room.ledger, self.campaign)
            self._dial(running, now)
            finished, now = now, self._next(running, now)
        if self._waiting:
            last = max(at for at, *_ in self._waiting)
            self.room.ledger.set_now(max(finished, last))
            self._deliver(last)
        return finished

    def addressees(self, messages: Sequence[M]) -> Iterator[tuple[Person, M]]:
        """Each message with the person it is for."""
        touches = [read_token(self.room.token_key, message.token)[1] for message in messages]
        with self.room.ledger.read() as connection:
            people = people_behind(connection, touches, self._groups)
        return zip((people[touch] for touch in touches), messages, strict=True)

    def answer(self, person: Person, message: SentMessage, at: datetime) -> None:
        """Let one person answer one message."""
        said = self.crowd.answers(person, message.channel, at, self.campaign, message.wave)
        for each in said:
            self._wait(each.at, f"{message.token}-{word(each.outcome)}", event_of(message.token, each))
        engaged = next((each.at for each in said if each.outcome in ENGAGING), None)
        if engaged is not None:
            self._convert(person, self.crowd.prompted(person, "engaged", engaged, self.campaign))

    def _convert_unasked(self, running: Running, start: datetime) -> None:
        if self.crowd.anyone_unprompted:
            with self.room.ledger.read() as connection:
                for person in members(connection, running.id, self._groups):
                    self._convert(person, self.crowd.unprompted(person, start, self._goal.within, self.campaign))

    def _convert(self, person: Person, at: datetime | None) -> None:
        if at is not None:
            value, currency = self.crowd.worth(person.key) or (None, None)
            ident = f"{self.campaign}-{person.key}"  # of one customer the ledger keeps the first that comes
            sale = ConversionRow(0, person.key, self._goal.event, at, value, currency, PROVIDER, ident)
            self._wait(at, ident, sale)

    def _wait(self, at: datetime, ident: str, report: Report) -> None:
        heapq.heappush(self._waiting, (at, ident, next(self._count), report))

    def _deliver(self, now: datetime) -> None:
        due: list[Report] = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[-1])
        if due:
            events = [report for report in due if isinstance(report, Event)]
            calls = [report for report in due if isinstance(report, DispositionRow)]
            self.desk.hand_in(events, calls, [report for report in due if isinstance(report, ConversionRow)], now)

    def _take_back(self, now: datetime) -> None:
        """Lists whose shift is over come back."""
        for until, number in [each for each in self._lists if each[0] <= now]:
            self._lists.remove((until, number))
            dialling.give_back(self.room, number, BY, now)

    def _dial(self, running: Running, now: datetime) -> None:
        """At the start of a shift each team pulls a list as long as its capacity and dials it from the top."""
        wave = calling(running)
        if wave is None or not self._shift_begins(running, now):
            return
        capacity = capacity_of(wave, self.crowd.world)
        for team, they in capacity.teams.items():
            agents = they.agents
            dials = self.share * agents * timedelta(hours=capacity.hours) / capacity.handle_time
            cut = dialling.pull(
                self.room,
                self.campaign,
                wave.wave,
                team,
                f"{now:%a}".lower(),
                max(1, round(dials)),
                capacity.hours,
                BY,
                now,
            )
            if cut.number:
                self._lists.append((cut.valid_until, cut.number))
                self._call(cut, wave, team, agents * self.share, now)

    def _shift_begins(self, running: Running, now: datetime) -> bool:
        """Whether a shift began at this step or since the one before."""
        local, agents = now.astimezone(ZoneInfo(running.plan.starts.zone)), self.crowd.world.agents
        since = local - local.replace(hour=agents.starts, minute=0, second=0, microsecond=0)
        return timedelta(0) <= since < self.step and DAYS[local.weekday()] in agents.days

    def _call(self, cut: dialling.Cut, wave: Wave, team: str, agents: float, now: datetime) -> None:
        """The team goes through its list until the shift is over; what it does not reach comes back uncalled."""
        with self.room.ledger.read() as connection:
            people = people_known(connection, [entry.customer for entry in cut.entries], self._groups)
        busy = 0.0
        for entry in cut.entries:
            at = now + timedelta(seconds=round(busy / agents))
            if at >= cut.valid_until:
                break
            if at >= entry.call_until:
                continue
            person = people[entry.customer]
            attempt = self._attempts[person.key] = self._attempts.get(person.key, 0) + 1
            called = self.crowd.call(person, attempt, at, self.campaign, wave.wave)
            busy += called.busy_s
            token = make_token(self.room.token_key, Kind.DIAL_ENTRY, entry.id)
            ident, seconds = f"{token}-{attempt}", (called.ring_s, called.talk_s, called.wrap_s)
            row = DispositionRow(0, token, called.disposition, at, ident, entry.number, team, *seconds)
            self._wait(at, ident, row)
            if called.disposition is Disposition.SALE:
                self._convert(person, self.crowd.prompted(person, "after_sale", at, self.campaign))
        self.agent_hours += busy / 3600

    def _next(self, running: Running, now: datetime) -> datetime:
        """The first step after `now` at which there can be anything to do."""
        times = [at for at, *_ in self._waiting[:1]] + [until for until, _ in self._lists]
        if calling(running) is not None:
            days = (now + n * self.step for n in itertools.count(1))
            times.append(next(at for at in days if self._shift_begins(running, at)))
        times += _engine_due(self.room, running)
        steps = math.ceil((min(times) - now) / self.step) if times else 1
        return now + max(1, steps) * self.step


def calling(running: Running) -> Wave | None:
    """The campaign's open wave of calls, if there is one."""
    names = [row.name for row in running.rows if row.state == "open"]
    return next((w for w in running.plan.waves if w.wave in names and "call_list" in w.channel_names), None)


def _engine_due(room: Room, running: Running) -> list[datetime]:
    """When the clock alone gives the engine something to do."""
    current = current_wave(running)
    if current is None:
        return []
    _, row, opens = current
    if row.state == "pending":
        return [opens]
    with room.ledger.read() as connection:
        return next_due(connection, row.id)


def event_of(token: str, said: Said) -> Event:
    """What somebody said of a message as its provider's report."""
    raw = {"scope": "channel"} if isinstance(said.outcome, Side) else {}
    ident = f"{token}-{word(said.outcome)}"
    return Event(token, int(said.outcome), said.at, PROVIDER, ident, said.reason, raw=raw)


def groups_of(world: World, types: Mapping[str, str], today: date) -> Groups:
    """The world's rules over customers' columns, to be asked of the ledger; dates are counted from `today`."""
    rules = {name: parse_rule(each.where, types) for name, each in world.segments.items() if each.where}
    used = {column: types[column] for rule in rules.values() for column in rule.columns}

    def no_wave(wave: str, said: str) -> Any:
        raise RuleError(f"a world's segment cannot read a wave, {wave}.{said}")

    def build(profile: Any) -> Rules:
        columns = {name: profile.c[name] for name in used}
        return {name: compile_rule(rule, Source(columns, today, no_wave, no_wave)) for name, rule in rules.items()}

    return Groups(used, build)
