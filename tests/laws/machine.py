"""The machine of the laws: people, campaigns, workers, reports and cut cables, in any order."""

from __future__ import annotations

import csv
import sys
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from channels.call_list.rows import DispositionRow
from config.schema import load_schema
from flows import campaign
from flows.dialling import pull
from flows.reports import record_dispositions, record_reports
from flows.running import load_running, opening_of
from flows.sending import Dispatch, send_batch
from flows.upkeep import upkeep
from flows.wave import live, open_wave
from ledger import campaigns, dial_lists, enrol, touches
from ledger.close import begin_close, expire, may_close
from ledger.conversions import NewConversion, record_conversions
from ledger.giving_up import who_waits
from ledger.suppressions import suppress, unsuppress
from segments.customers import import_customers
from tests.builders import DAY, RULES, T0, World, put
from tests.laws.cases import (
    ACTIONS,
    CROWDS,
    REASONS,
    REPORTS,
    SIDES,
    TERMS,
    TICKS,
    TRAITS,
    Terms,
    Traits,
    own,
    person,
)
from tests.laws.model import CALL, Books
from tests.laws.rig import ACCEPTED, ANSWERS, KNOWS, Desk, PowerCut, fresh
from tests.laws.steering import Steering
from tests.laws.worker import Worker
from tests.steps import leave
from waves.dispositions import Disposition
from waves.message import CHANNEL_NAMES, Event, Receipt
from waves.outcomes import State
from waves.tokens import Kind, make_token

FACTS = st.sampled_from(["asked", "open_case", "lift", "address", "converted"])
WAITS = st.sampled_from([timedelta(0)] * 3 + [timedelta(seconds=30), timedelta(minutes=3)])
PICK = st.integers(0, 999)
FUSES = st.sampled_from([None, 1, 2, 0, 4])
SCRIPTS = st.lists(st.one_of(*map(st.sampled_from, ANSWERS)), min_size=1, max_size=4)
NEWS = st.sampled_from(["", "converted", "paused", "asked", "address"])
WORK = rule(
    pick=PICK, steps=st.integers(1, 4), size=st.integers(1, 5), wait=WAITS, fuse=FUSES, script=SCRIPTS, news=NEWS
)
WORKABLE = precondition(lambda self: self.workers or self.books.due(self.world.now))


class Machine(Steering):
    """People, campaigns, workers, reports and cut cables, in any order."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.workers: list[Worker] = []
        self.events: list[Event] = []
        self.calls: list[DispositionRow] = []
        self.highest: dict[int, int] = {}
        self.owners = self.imports = self.heard = self.kills = 0

    @initialize(
        crowd=CROWDS,
        terms=TERMS,
        beside=TERMS,
        size=st.sampled_from([4, 2, 6, 1]),
        span=st.sampled_from([50, 7, 2]),
        ranges=st.sampled_from([12, 12, 12, 1, 0]),
    )
    def begin(self, crowd: list[Traits], terms: Terms, beside: Terms, size: int, span: int, ranges: int) -> None:
        self.desk: Desk = fresh(self.world, T0, size, span)
        put(self.world.ledger, [person(number, traits) for number, traits in enumerate(crowd)])
        self.open_hours(0)
        self.start(terms)
        self.start(beside)
        self.enrol_and_be_killed(0, ranges)

    # --- what people do ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.imports < 2)
    @rule(numbers=st.lists(st.tuples(st.integers(0, 25), TRAITS), min_size=1, max_size=4))
    def import_again(self, numbers: list[tuple[int, Traits]]) -> None:
        self.imports += 1
        header = ["customer_id", "full_name", "lang", "household", "age", "value", "tier", "mobile", "email", "push"]
        consents = {"sms": "sms_ok", "call_list": "call_ok", "email": "email_ok", "web_push": "push_ok"}
        path = self.world.config / "people.csv"
        with path.open("w", newline="") as stream:
            write = csv.writer(stream)
            write.writerow([*header, *consents.values()])
            for number, traits in dict(numbers).items():
                at = {c: own(max(0, number - 1) if c in traits.shares else number, c) for c in traits.channels}
                facts = [traits.household or "", "" if traits.age is None else traits.age, traits.value or "", "gold"]
                places = [at.get("sms", ""), at.get("email", ""), at.get("web_push", "")]
                words = ["" if traits.unknown else "no" if c in traits.denied else "yes" for c in consents]
                write.writerow([f"c{number}", f"Name {number}", "en", *facts, *places, *words])
        import_customers(
            self.world.ledger, load_schema(self.world.config), path, path.with_suffix(".rejects"), self.world.now
        )

    @precondition(lambda self: self.heard < 6)
    @rule(pick=PICK, channel=st.sampled_from([0, 1, 2, 3, 4]), what=FACTS, ends=st.booleans())
    def hear_of(self, pick: int, channel: int, what: str, ends: bool) -> None:
        self.heard += 1
        customers = list(self.books.customers.values())
        self.tell(customers[pick % len(customers)], channel, what, self.world.now + DAY if ends else None)

    def tell(self, customer: Any, channel: int, what: str, until: datetime | None) -> None:
        now = self.world.now
        with self.world.ledger.write() as connection:
            if what == "converted":
                sale = NewConversion(customer.key, "renewed", now, None, None, "shop", f"{customer.key}{now}")
                record_conversions(connection, [sale])
            elif what == "lift":
                unsuppress(connection, customer.id, None, None, "tester", now)
            elif what == "address":
                value = own(int(customer.key[1:]), CHANNEL_NAMES[channel or 2])
                suppress(connection, None, value, channel, "asked", "tester", now, until)
            else:
                suppress(connection, customer.id, None, channel, what, "tester", now, until)

    # --- time and the clock's step ----------------------------------------------------------------------------------

    @rule(step=st.sampled_from(TICKS), fuse=FUSES, script=SCRIPTS, knows=st.sampled_from(KNOWS))
    def advance(self, step: timedelta, fuse: int | None, script: list[Receipt], knows: str) -> None:
        self.desk.knows = knows
        self.move(step, True, fuse, script)

    @rule(step=st.sampled_from(TICKS), fuse=FUSES, script=SCRIPTS)
    def advance_beside_workers(self, step: timedelta, fuse: int | None, script: list[Receipt]) -> None:
        self.move(step, False, fuse, script)

    @precondition(lambda self: not self.books.due(self.world.now))
    @rule(step=st.sampled_from(TICKS))
    def advance_while_workers_are_busy(self, step: timedelta) -> None:
        self.move(step, False, None, [], leave)

    def move(
        self, step: timedelta, gone: bool, fuse: int | None, script: list[Receipt], dispatch: Dispatch = send_batch
    ) -> None:
        """Upkeep and advance; `gone` says that whoever holds a claim is dead."""
        self.world.now += step
        self.desk.fuse, self.desk.answers, self.room.all_workers_gone = fuse, script, gone
        if gone:
            self.workers.clear()
        now = self.world.now
        try:
            upkeep(self.room, now)
            for _ in campaign.advance(self.room, now, lambda r, name, wave, at: live(r, name, wave, at, dispatch)):
                pass
        except PowerCut:
            return
        finally:
            self.desk.fuse = None

    @precondition(lambda self: self.kills < 3)
    @rule(pick=PICK, ranges=st.integers(0, 12))
    def enrol_and_be_killed(self, pick: int, ranges: int) -> None:
        self.kills += 1
        name, now = self.started[pick % len(self.started)], self.world.now
        wave = campaign.due_wave(self.room, name, now)
        running = load_running(self.world.ledger, name)
        if wave is None or running.state != "running" or not open_wave(self.room, running, wave, now):
            return
        running = load_running(self.world.ledger, name)
        size, span = self.room.settings.batch_size, self.room.settings.enrol_range
        for _ in range(ranges):
            with self.world.ledger.write() as connection:
                enrol.enrol_range(connection, opening_of(running, wave, now, size, span))

    @precondition(lambda self: self.kills < 3)
    @rule(pick=PICK, ranges=st.integers(0, 2))
    def close_and_be_killed(self, pick: int, ranges: int) -> None:
        """A wave that is over is marked, some of what it has queued expires, and whoever did that is gone."""
        name, now = self.started[pick % len(self.started)], self.world.now
        wave = campaign.due_wave(self.room, name, now)
        running = load_running(self.world.ledger, name)
        if wave is None or running.state == "paused":
            return
        self.kills += 1
        row, aborted = running.row(wave.wave), running.state == "aborted"
        with self.world.ledger.write() as connection:
            if not may_close(connection, row.id, now, aborted) or (not aborted and now < row.closes):
                return
            if not begin_close(connection, row.id, now, None):
                return
        for _ in range(0 if aborted else ranges):
            with self.world.ledger.write() as connection:
                expire(connection, row.id, who_waits(connection, row.id, -1, 2))

    # --- a worker, transaction by transaction; what is never continued was killed ------------------------------------

    def work(
        self, pick: int, steps: int, size: int, wait: timedelta, fuse: int | None, script: list[Receipt], news: str
    ) -> None:
        self.world.now += wait
        due = self.books.due(self.world.now)
        if due and len(self.workers) < 2:
            worker = self.lease(due[pick % len(due)])
        else:
            worker = self.workers[pick % len(self.workers)]
        self.desk.fuse, self.desk.answers = fuse, script
        self.meanwhile(worker, news)
        for _ in range(steps):
            if worker in self.workers and not worker.step(size):
                self.workers.remove(worker)
        self.desk.fuse = None

    def meanwhile(self, worker: Worker, news: str) -> None:
        """Something that a worker between two of its transactions has not heard of."""
        if news == "paused" and worker.campaign in self.campaigns_that_are("running"):
            with self.world.ledger.write() as connection:
                campaigns.set_state(connection, worker.campaign, "paused", ("running",), "tester", self.world.now)
        elif news not in ("", "paused"):
            queued = [
                x for x in self.books.touches.values() if (x.batch, x.state) == (worker.leased.batch, State.QUEUED)
            ]
            for touch in queued[:1]:
                self.tell(self.books.customers[touch.customer], touch.channel, news, None)

    # Every rule is drawn as often as the others; this one is where the races are.
    work_1, work_2 = WORKABLE(WORK(work)), WORKABLE(WORK(work))
    work_3, work_4 = WORKABLE(WORK(work)), WORKABLE(WORK(work))
    work_5, work_6 = WORKABLE(WORK(work)), WORKABLE(WORK(work))

    def lease(self, batch: Any) -> Worker:
        wave = self.books.waves[batch.wave]
        self.owners += 1
        owner, length = f"worker {self.owners}", self.room.settings.lease
        with self.world.ledger.write() as connection:
            taken = touches.lease(connection, batch.id, owner, self.world.now, length)
            assert touches.lease(connection, batch.id, "late", self.world.now, length) is None
        assert taken is not None
        self.workers.append(Worker(self.world, self.desk, taken, self.books.campaigns[wave.campaign].name, wave.name))
        return self.workers[-1]

    # --- what comes back --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.desk.log)
    @rule(
        pick=PICK, outcome=REPORTS | SIDES, action=ACTIONS, reason=REASONS, back=st.integers(0, 3), again=st.booleans()
    )
    def report(self, pick: int, outcome: int, action: Any, reason: Any, back: int, again: bool) -> None:
        token = self.desk.log[pick % len(self.desk.log)].token
        at = self.world.now - back * timedelta(minutes=40)
        event = Event(token, int(outcome), at, "wire", f"e{len(self.events)}", reason, action)
        self.events.append(event)
        found = record_reports(self.room, [event, event] if again else [event], self.world.now)
        assert (found.new, found.unknown_touch) == (1, 0)

    @precondition(lambda self: self.events)
    @rule(pick=PICK)
    def report_again(self, pick: int) -> None:
        token = make_token(self.room.token_key, Kind.TOUCH, 10**9)
        stranger = Event(token, 40, self.world.now, "wire", f"x{pick}")
        record_reports(self.room, [self.events[pick % len(self.events)], stranger], self.world.now)

    # --- dial lists -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.books.callable_waves())
    @rule(pick=PICK, size=st.integers(1, 8), hours=st.sampled_from([0.5, 8]))
    def pull_list(self, pick: int, size: int, hours: float) -> None:
        waves, now = self.books.callable_waves(), self.world.now
        wave = waves[pick % len(waves)]
        name = self.books.campaigns[wave.campaign].name
        cut = pull(self.room, name, wave.name, "north", "today", size, hours, "tester", now, keep_last=True)
        books = self.read()
        touch_of = {row.id: row.touch for row in books.entries}
        self.desk.judge([touch_of[e.id] for e in cut.entries], now)
        for e in cut.entries:
            assert e.call_until > now
            assert books.hours_allow(touch_of[e.id], e.call_until - timedelta(seconds=1), self.desk.known)

    @precondition(lambda self: self.books.entries)
    @rule(pick=PICK, disposition=st.sampled_from(list(Disposition)), again=st.booleans())
    def call(self, pick: int, disposition: Disposition, again: bool) -> None:
        entries = self.books.entries
        token = make_token(self.room.token_key, Kind.DIAL_ENTRY, entries[pick % len(entries)].id)
        at, n = self.world.now - timedelta(minutes=pick % 50), len(self.calls)
        row = DispositionRow(n, token, disposition, at, f"call{n}", None, None, None, None, None)
        self.calls.append(row)
        record_dispositions(self.room, [row, self.calls[pick % (n + 1)]] if again else [row], self.world.now)

    @precondition(lambda self: any(entry.active for entry in self.books.entries))
    @rule(pick=PICK)
    def return_list(self, pick: int) -> None:
        lists = sorted({entry.list for entry in self.books.entries if entry.active})
        with self.world.ledger.write() as connection:
            dial_lists.give_back(connection, lists[pick % len(lists)], RULES, "tester", self.world.now)

    # --- the laws ---------------------------------------------------------------------------------------------------

    def read(self) -> Books:
        with self.world.ledger.read() as connection:
            return Books.read(connection)

    @invariant()
    def laws(self) -> None:
        if not self.started:
            return
        self.books = books = self.read()
        assert not list(books.broken())
        assert not list(books.ill_doubted(self.desk.known))
        assert not self.desk.sent_twice(books.resends())
        left = {sent.touch for sent in self.desk.log}
        for touch in books.touches.values():
            if touch.channel != CALL:
                assert touch.state != State.SENT or touch.id in left, f"touch {touch.id} was never handed over"
                assert (touch.outcome or 0) >= self.highest.get(touch.id, 0), f"the outcome of touch {touch.id} fell"
                self.highest[touch.id] = touch.outcome or 0

    def teardown(self) -> None:
        """Nothing is stuck: with the workers back, time alone brings every campaign to its end, alarms passed over."""
        if sys.exc_info()[0] is not None or not self.started:
            return
        for _ in range(16):
            if self.at_rest() and not self.books.undecided():
                break
            for name in self.campaigns_that_are("paused"):
                self.let_go_on(name, "catch-up")
            self.move(9 * DAY, True, None, [ACCEPTED])
            self.laws()
        waves = [(self.books.campaigns[w.campaign].state, w.name, w.state) for w in self.books.waves.values()]
        assert self.at_rest(), f"stuck: {waves}"
        assert not self.books.undecided()

    def at_rest(self) -> bool:
        """Whether every campaign is finished, or aborted with no wave left open."""
        books = self.read()
        ended = all(row.state in ("finished", "aborted") for row in books.campaigns.values())
        return ended and all(row.state in ("closed", "pending") for row in books.waves.values())
