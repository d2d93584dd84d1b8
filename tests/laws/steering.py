"""What people steer: campaigns that start, pause, go on, stop or end, hours that change, customers who move."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from sqlalchemy import update

from flows import ending, resuming
from flows.hours import keep_hours
from flows.running import load_running
from ledger import campaigns, deciding, pausing
from ledger import tables as t
from tests.builders import World, zone_set
from tests.laws.cases import HOLD, HOMES, HOURS, TERMS, Terms, bundle_of, hours_text
from tests.laws.model import Books
from tests.laws.rig import Desk, begin
from waves.errors import CampaignError

PICK = st.integers(0, 999)
POLICIES: tuple[pausing.Policy, ...] = get_args(pausing.Policy)


class Steering(RuleBasedStateMachine):
    """The rules of those who steer; the machine adds the work."""

    desk: Desk
    books: Books

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.room = world, world.room
        self.started: list[str] = []
        self.frozen: dict[str, tuple[str, int]] = {}
        self.file = self.pauses = 0

    def campaigns_that_are(self, state: str) -> list[str]:
        return [row.name for row in self.books.campaigns.values() if row.state == state]

    # --- campaigns --------------------------------------------------------------------------------------------------

    def start(self, terms: Terms) -> None:
        name = f"test{len(self.started)}"
        bundle = bundle_of(self.world, terms, name, self.file)
        self.started.append(begin(self.world, bundle))
        self.frozen[name] = terms.hours, self.file
        known = self.desk.known
        known.hold = HOLD
        known.policies[name] = bundle.plan.doubt_policy
        known.ramps |= {f"{name} {wave.wave}": wave.ramp.first for wave in bundle.plan.waves if wave.ramp}
        self.bind_hours()

    @precondition(lambda self: len(self.started) < 3)
    @rule(terms=TERMS)
    def start_another(self, terms: Terms) -> None:
        self.start(terms)

    @precondition(lambda self: self.pauses < 4 and self.campaigns_that_are("running"))
    @rule(pick=PICK)
    def pause(self, pick: int) -> None:
        self.pauses += 1
        names = self.campaigns_that_are("running")
        with self.world.ledger.write() as connection:
            name = names[pick % len(names)]
            campaigns.set_state(connection, name, "paused", ("running",), "tester", self.world.now)

    @precondition(lambda self: self.campaigns_that_are("paused"))
    @rule(policy=st.sampled_from(POLICIES))
    def resume(self, policy: pausing.Policy) -> None:
        for name in self.campaigns_that_are("paused"):
            self.let_go_on(name, policy)

    @precondition(lambda self: self.campaigns_that_are("paused"))
    @rule(pick=PICK, past_alarm=st.booleans())
    def resume_without_a_word(self, pick: int, past_alarm: bool) -> None:
        """What came due or rang while it was paused needs a decision: without one, nothing goes on."""
        name = self.campaigns_that_are("paused")[pick % len(self.campaigns_that_are("paused"))]
        rang, before = self.alarm_rang(name), load_running(self.world.ledger, name)
        try:
            resuming.resume(self.room, name, None, "tester", self.world.now, past_alarm)
        except CampaignError:
            assert load_running(self.world.ledger, name) == before
        else:
            assert past_alarm == rang

    def let_go_on(self, name: str, policy: pausing.Policy) -> None:
        resuming.resume(self.room, name, policy, "tester", self.world.now, self.alarm_rang(name))

    def alarm_rang(self, name: str) -> bool:
        rows = load_running(self.world.ledger, name).rows
        return any(w.alarm and not w.ramp_passed and not w.stopped_at and w.state not in pausing.OVER for w in rows)

    @precondition(lambda self: len(self.books.touches) > 8)
    @rule(pick=PICK)
    def stop(self, pick: int) -> None:
        live = [w for w in self.books.waves.values() if w.state not in pausing.OVER and w.stopped_at is None]
        if live:
            wave = live[pick % len(live)]
            name = self.books.campaigns[wave.campaign].name
            ending.stop_wave(self.room, name, wave.name, "tester", self.world.now)

    @precondition(lambda self: len(self.started) > 1 and not self.campaigns_that_are("aborted"))
    @rule(pick=PICK)
    def abort(self, pick: int) -> None:
        names = self.campaigns_that_are("running") + self.campaigns_that_are("paused")
        if names:
            ending.abort(self.room, names[pick % len(names)], "tester", self.world.now)

    # --- doubts -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.books.held())
    @rule(pick=PICK)
    def decide(self, pick: int) -> None:
        """A person who knows the truth says it of one message that is held."""
        held = self.books.held()
        touch = held[pick % len(held)]
        name = self.books.campaigns[self.books.waves[touch.wave].campaign].name
        with self.world.ledger.write() as connection:
            if touch.id in {sent.touch for sent in self.desk.log}:
                assert deciding.say_sent(connection, name, [touch.id], "tester", self.world.now) == 1
            else:
                said = deciding.say_not_sent(connection, name, [touch.id], "tester", self.world.now)
                assert sum(said) == 1

    # --- hours ------------------------------------------------------------------------------------------------------

    def open_hours(self, number: int) -> None:
        """Another file of hours, taken over at once."""
        self.file = number
        (self.world.config / "rules" / "hours.yaml").write_text(hours_text(number))
        keep_hours(self.room, self.world.now)
        self.bind_hours()

    def bind_hours(self) -> None:
        bound = {name: [HOURS[then][of], HOURS[self.file][of]] for name, (of, then) in self.frozen.items()}
        self.desk.known.hours = bound

    @rule(number=st.sampled_from(range(len(HOURS))))
    def change_hours(self, number: int) -> None:
        self.open_hours(number)

    @rule(pick=PICK, home=st.sampled_from(HOMES))
    def move_home(self, pick: int, home: tuple[str, str]) -> None:
        customers: list[Any] = list(self.books.customers.values())
        customer = customers[pick % len(customers)].id
        with self.world.ledger.write() as connection:
            values = {"zone_set": zone_set(connection, *home)}
            connection.execute(update(t.customer).where(t.customer.c.id == customer).values(values))
