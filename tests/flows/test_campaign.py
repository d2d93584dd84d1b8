"""The life of a campaign, step by step on a simulated clock: when waves open, whom they leave alone, how they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import func, select

from flows import ending, starting
from flows.campaign import anything_due
from flows.running import gates_of, load_running, opening_of
from ledger import campaigns, enrol
from ledger import tables as t
from tests.builders import DAY, HOUR, T0, World, make_world, phone, plan_text, put, reachable
from tests.hours_rows import hours_yaml
from tests.steps import hold_back, touch_words, verdict_words
from waves.draw import Draw, bucket_of, threshold
from waves.errors import CampaignError
from waves.outcomes import Reason

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
NEXT = "  - {wave: later, channels: [email], message: hello, release: 2h, listen: 2d}\n"
MINUTE = timedelta(minutes=1)
END = T0 + 2 * HOUR + 2 * DAY


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", sqlite_url)
    yield made
    made.ledger.close()


def wave_states(world: World, name: str = "test") -> dict[str, str]:
    return {row.name: row.state for row in load_running(world.ledger, name).rows}


def set_state(world: World, state: str, *allowed: str, name: str = "test") -> None:
    with world.ledger.write() as connection:
        campaigns.set_state(connection, name, state, allowed or ("running", "paused"), "tester", world.now)


def abort(world: World, name: str = "test") -> int:
    return ending.abort(world.room, name, "tester", world.now)


# the second wave's timing -> when it opens
OPENINGS: list[tuple[str, datetime]] = [
    ("", END),
    ("wait: 36h, ", END + 36 * HOUR),
    ("at: 2026-12-10 08:30 UTC, ", datetime(2026, 12, 10, 8, 30, tzinfo=T0.tzinfo)),
    ("at: 2026-12-10 08:30 Europe/Kyiv, ", datetime(2026, 12, 10, 6, 30, tzinfo=T0.tzinfo)),
]


@pytest.mark.parametrize(("timing", "opens"), OPENINGS, ids=["at the close", "after a wait", "at", "at, elsewhere"])
def test_a_wave_opens_at_its_time_and_not_before(lite: World, timing: str, opens: datetime) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS + NEXT.replace("channels", timing + "channels")), now=T0 - DAY)
    assert lite.advance(T0 - MINUTE) == []
    assert [(move.wave, move.after) for move in lite.advance(T0)] == [("notice", "open")]
    assert lite.advance(END - MINUTE) == []
    assert wave_states(lite) == {"notice": "open", "later": "pending"}
    lite.advance(END)
    lite.advance(opens - MINUTE) if opens > END else None
    assert wave_states(lite) == {"notice": "closed", "later": "open" if opens == END else "pending"}
    lite.advance(opens)
    row = load_running(lite.ledger, "test").row("later")
    assert (row.opened, row.released, row.closes) == (opens, opens + 2 * HOUR, opens + 2 * HOUR + 2 * DAY)


def test_a_late_clock_moves_what_is_late(lite: World) -> None:
    """The engine was off when the wave was due: it opens when the clock comes back, with all of its time."""
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS + NEXT))
    lite.advance(T0 + 5 * DAY)
    assert load_running(lite.ledger, "test").row("notice").closes == T0 + 7 * DAY + 2 * HOUR


def test_advancing_twice_is_advancing_once(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(3)])
    lite.start(plan_text(SMS + NEXT))
    for now in (T0, END, END + 3 * DAY):
        assert lite.advance(now) != []
        assert lite.advance(now) == []
        assert not anything_due(lite.room, now)
    assert load_running(lite.ledger, "test").state == "finished"
    assert len(lite.outbox("sms")) == len(lite.outbox("email")) == 3
    with pytest.raises(CampaignError, match="test is finished; only a campaign that is running can be paused"):
        set_state(lite, "paused", "running")


def test_a_pause_leaves_everything_queued(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS))
    hold_back(lite, "notice")
    set_state(lite, "paused", "running")
    assert lite.advance(T0 + HOUR) == []
    assert touch_words(lite, "notice") == {"c1": [("sms", "queued", None, None)]}
    set_state(lite, "running", "paused")
    lite.advance(T0 + HOUR)
    assert touch_words(lite, "notice") == {"c1": [("sms", "sent", None, None)]}


def test_what_ran_out_during_a_pause_is_not_sent(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS + NEXT))
    hold_back(lite, "notice")
    set_state(lite, "paused", "running")
    lite.advance(END + DAY)
    assert wave_states(lite) == {"notice": "open", "later": "pending"}
    set_state(lite, "running", "paused")
    lite.advance(END + DAY)
    assert touch_words(lite, "notice") == {"c1": [("sms", "expired", None, "wave_closed")]}
    assert (wave_states(lite)["later"], len(lite.outbox("sms"))) == ("open", 0)


def test_an_abort_withdraws_what_is_queued_and_closes(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(3)])
    lite.start(plan_text(SMS + NEXT))
    hold_back(lite, "notice")
    assert abort(lite) == 3
    lite.advance(T0 + MINUTE)
    assert wave_states(lite) == {"notice": "closed", "later": "pending"}
    assert {touches[0][1:] for touches in touch_words(lite, "notice").values()} == {("withdrawn", None, "aborted")}
    assert lite.advance(END + DAY) == []
    assert not anything_due(lite.room, END + DAY)
    for target in ("running", "paused"):
        with pytest.raises(CampaignError, match="test is aborted; only a campaign that is running or paused"):
            set_state(lite, target)
    with pytest.raises(CampaignError, match="is aborted"):
        abort(lite)


def test_an_unknown_campaign_is_told_the_known_ones(lite: World) -> None:
    with pytest.raises(CampaignError, match="no campaign 'x'; started campaigns: none was started yet"):
        abort(lite, "x")
    put(lite.ledger, [])
    lite.start(plan_text(SMS))
    with pytest.raises(CampaignError, match="no campaign 'x'; started campaigns: test"):
        abort(lite, "x")


@pytest.mark.parametrize(("then", "later"), [("stop", "held_out"), ("skip", "go")])
def test_a_waves_holdout_stops_its_people_or_lets_them_re_enter(lite: World, then: str, later: str) -> None:
    put(lite.ledger, [reachable(n) for n in range(12)])
    holdout = f"holdout: {{share: 50%, then: {then}}}, channels"
    lite.start(plan_text(SMS.replace("channels", holdout) + NEXT))
    lite.advance()
    lite.advance(END)
    lottery = Draw.named("wave", "test", "notice", "holdout")
    held = {f"c{n}" for n in range(12) if lottery.ticket(bucket_of(f"c{n}")) < threshold(0.5)}
    assert 0 < len(held) < 12
    notice, second = verdict_words(lite, "notice"), verdict_words(lite, "later")
    assert {key for key, word in notice.items() if word == "wave_held_out"} == held
    assert {key for key, word in notice.items() if word == "go"} == set(notice) - held
    assert Counter(second[key] for key in held) == {later: len(held)}
    assert {second[key] for key in set(notice) - held} == {"go"}


def test_a_campaigns_holdout_is_never_contacted(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(12)])
    lite.start(plan_text(SMS + NEXT, holdout="50%"))
    lite.advance()
    lite.advance(END)
    lottery = Draw.named("campaign", "test", "holdout")
    held = {f"c{n}" for n in range(12) if lottery.ticket(bucket_of(f"c{n}")) < threshold(0.5)}
    for wave in ("notice", "later"):
        assert {key for key, word in verdict_words(lite, wave).items() if word == "held_out"} == held
        assert set(touch_words(lite, wave)) == {f"c{n}" for n in range(12)} - held


def test_variants_go_by_weight_and_by_lot(world: World) -> None:
    variants = "variants: {a: {message: hello, weight: 20%}, b: {message: hello, weight: 80%}}"
    put(world.ledger, [reachable(n, ["sms"]) for n in range(200)])
    world.start(plan_text(SMS.replace("message: hello", variants)))
    world.advance()
    lottery = Draw.named("wave", "test", "notice", "variant")
    drawn = {n: 1 if lottery.ticket(bucket_of(f"c{n}")) < threshold(0.2) else 2 for n in range(200)}
    assert {row.key: row.variant for row in world.touches("notice")} == {f"c{n}": v for n, v in drawn.items()}
    assert {line["to"]: line["variant"] for line in world.outbox("sms")} == {phone(n): v for n, v in drawn.items()}
    assert 20 <= sum(v == 1 for v in drawn.values()) <= 60


def changed(world: World, name: str, text: str) -> None:
    (world.config / name).write_text(text)


CHANGES: dict[str, Callable[[World], object]] = {
    "segment": lambda w: changed(w, "segments/everybody.yaml", "segment: everybody\ntitle: All\nwhere: age >= 18\n"),
    "template": lambda w: changed(w, "templates/hello.sms.j2", "Hi"),
    "hours": lambda w: changed(w, "rules/hours.yaml", hours_yaml() + "# read again\n"),
    "plan": lambda w: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_that_changed_since_its_approval_does_not_start(lite: World, change: str) -> None:
    put(lite.ledger, [reachable(1)])
    text = plan_text(SMS)
    read = lite.bundle(text)
    with pytest.raises(CampaignError, match=r"not started: nobody approved this plan.*multiwave approve PLAN"):
        starting.start(lite.room, read, "tester", T0)
    with lite.ledger.write() as connection:
        assert campaigns.approve(connection, "test", read.digest, "tester", T0)
        assert not campaigns.approve(connection, "test", read.digest, "another", T0)
    CHANGES[change](lite)
    now = lite.bundle(text if change != "plan" else text.replace("listen: 2d", "listen: 3d"))
    with pytest.raises(CampaignError, match="the plan or a file it names changed since it was approved"):
        starting.start(lite.room, now, "tester", T0)
    assert starting.start(lite.room, read, "tester", T0)[1] == 1
    with pytest.raises(CampaignError, match="test was already started; give the plan another campaign name"):
        starting.start(lite.room, read, "tester", T0)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call returned, or the CampaignError it ended with; all begun at the same moment."""
    gate = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        gate.wait(30)
        try:
            return call()
        except CampaignError as error:
            return str(error)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_two_starts_at_once(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(20)])
    bundle = world.bundle(plan_text(SMS))

    def approve(by: str) -> object:
        with world.ledger.write() as connection:
            return campaigns.approve(connection, "test", bundle.digest, by, T0)

    assert sorted(at_once(*[lambda by=by: approve(by) for by in ("one", "two")])) == [False, True]
    results = at_once(*[lambda by=by: starting.start(world.room, bundle, by, T0) for by in ("one", "two")])
    done = [result for result in results if isinstance(result, tuple)]
    said = [result for result in results if isinstance(result, str)]
    assert len(done) == 1
    assert done[0][1] == 20
    assert said == ["test was already started; give the plan another campaign name"]
    with world.ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.member)) == 20


def begun(world: World, name: str = "test") -> enrol.Opening:
    """The first wave of a campaign, enrolling, in ranges of ten customers."""
    running = load_running(world.ledger, name)
    wave = running.plan.waves[0]
    with world.ledger.write() as connection:
        assert enrol.begin(connection, running.rows[0].id, T0, T0 + HOUR, T0 + DAY)
    return opening_of(load_running(world.ledger, name), wave, T0, 4, 10)


def test_an_enrolment_killed_between_ranges_is_resumed(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(35)])
    world.start(plan_text(SMS))
    opening = begun(world)
    for _ in range(2):
        with world.ledger.write() as connection:
            assert not enrol.enrol_range(connection, opening)
    assert len(world.verdicts("notice")) == 20
    row = load_running(world.ledger, "test").row("notice")
    assert (row.state, row.opened, row.closes) == ("enrolling", T0, T0 + DAY)
    world.advance(T0 + MINUTE)
    row = load_running(world.ledger, "test").row("notice")
    assert (row.state, row.opened, row.closes) == ("open", T0, T0 + DAY)
    assert verdict_words(world, "notice") == {f"c{n}": "go" for n in range(35)}
    assert sorted(line["to"] for line in world.outbox("sms")) == sorted(phone(n) for n in range(35))


def test_one_wave_enrols_at_a_time(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(12)])
    world.start(plan_text(SMS, name="one"))
    world.start(plan_text(SMS, name="two"))
    opening = begun(world, "one")
    second = load_running(world.ledger, "two").rows[0].id

    def begin_second() -> bool:
        with world.ledger.write() as connection:
            return enrol.begin(connection, second, T0, T0 + HOUR, T0 + DAY)

    assert not begin_second()
    hold_back(world, "notice", "two")
    assert wave_states(world, "two") == {"notice": "pending"}
    done = False
    while not done:
        with world.ledger.write() as connection:
            done = enrol.enrol_range(connection, opening)
    assert begin_second()
    assert not begin_second()
    world.advance(T0 + MINUTE)
    assert Counter(line["campaign"] for line in world.outbox("sms")) == {"one": 12, "two": 12}


def test_a_campaign_aborted_while_it_enrols_does_not_block_the_others(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(12)])
    lite.start(plan_text(SMS, name="one"))
    opening = begun(lite, "one")
    with lite.ledger.write() as connection:
        enrol.enrol_range(connection, opening)
    abort(lite, "one")
    lite.start(plan_text(SMS.replace("notice", "second"), name="two"))
    lite.advance(T0 + MINUTE)
    assert wave_states(lite, "one") == {"notice": "closed"}
    assert wave_states(lite, "two") == {"second": "open"}
    assert not anything_due(lite.room, T0 + MINUTE)
    assert Counter(line["campaign"] for line in lite.outbox("sms")) == {"two": 12}
    assert Counter(row.reason for row in lite.touches("notice")) == {Reason.ABORTED: 12}


def test_a_campaign_paused_while_it_enrols_does_not_block_the_others(lite: World) -> None:
    """Its verdicts are completed, and nothing is sent."""
    put(lite.ledger, [reachable(n) for n in range(12)])
    lite.start(plan_text(SMS, name="one"))
    begun(lite, "one")
    set_state(lite, "paused", name="one")
    lite.start(plan_text(SMS.replace("notice", "second"), name="two"))
    lite.advance(T0 + MINUTE)
    lite.advance(T0 + MINUTE)
    assert wave_states(lite, "one") == {"notice": "open"}
    assert wave_states(lite, "two") == {"second": "open"}
    assert not anything_due(lite.room, T0 + MINUTE)
    assert {row.key: row.reason for row in lite.touches("notice", state=0)} == {f"c{n}": None for n in range(12)}
    assert Counter(line["campaign"] for line in lite.outbox("sms")) == {"two": 12}


def test_a_claim_reads_the_rules_of_this_moment(lite: World) -> None:
    """The gates of a running wave are those of its own campaign: its id, its start, its earlier waves."""
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS, name="other"))
    lite.start(plan_text(SMS + NEXT))
    running = load_running(lite.ledger, "test")
    gates = gates_of(running, running.plan.wave("later"), T0 + HOUR)
    assert (gates.campaign, gates.since, gates.now, gates.channels) == (2, T0, T0 + HOUR, (3,))
