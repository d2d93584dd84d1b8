"""Who got a wave and who did not: what a correction and a remainder are aimed at, each customer in one of the two."""

from __future__ import annotations

from random import Random

import pytest
from sqlalchemy import bindparam, select, update

from config.cloning import correction, remainder
from flows.ending import stop_wave
from flows.running import load_running
from ledger import tables as t
from ledger.recall import audience, who_got
from tests.builders import DAY, HOUR, T0, World, plan_text, put, reachable
from tests.steps import convert, hold_back, phoned, touch_of, verdict_words
from waves.dispositions import Disposition
from waves.errors import CampaignError
from waves.message import CHANNEL_NAMES
from waves.outcomes import Outcome, Reason, State, word
from waves.plan import Audience

MIXED = """\
  - wave: notice
    channels: [web_push, {first_of: [sms, email]}]
    message: hello
    release: 2h
    listen: 2d
    holdout: 10%
"""
SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
CALL = "  - {wave: notice, channels: [call_list], release: 2h, listen: 2d}\n"

# A touch's state, its outcome, and whether its customer got the message: yes, maybe (which counts as yes), or no.
TOUCHES: list[tuple[State, Outcome | None, str]] = [
    (State.QUEUED, None, "no"),
    (State.IN_DOUBT, None, "maybe"),
    (State.SENT, None, "yes"),
    (State.SENT, Outcome.BOUNCED_HARD, "yes"),
    (State.REFUSED, None, "no"),
    (State.REFUSED, Outcome.REJECTED, "no"),
    (State.EXPIRED, None, "no"),
    (State.EXPIRED, Outcome.DELIVERED, "yes"),
    (State.WITHDRAWN, None, "no"),
    (State.WITHDRAWN, Outcome.CANCELED, "no"),
    (State.LISTED, None, "no"),
]


def stop(world: World, wave: str = "notice") -> None:
    stop_wave(world.room, "test", wave, "tester", world.now)


def named(world: World, who: str, wave: str = "notice", **more: object) -> set[str]:
    """The keys of the customers that an audience names."""
    wanted = Audience.model_validate({"campaign": "test", "wave": wave, "who": who, **more})
    with world.ledger.read() as connection:
        ids = audience(connection, wanted)
        return set(connection.scalars(select(t.customer.c.key).where(t.customer.c.id.in_(ids))))


def went_to(world: World, wave: str = "notice", variant: int | None = None) -> list[tuple[str, str, str, str | None]]:
    row = load_running(world.ledger, "test").row(wave)
    with world.ledger.read() as connection:
        return [
            (got.customer, CHANNEL_NAMES[got.channel], word(got.state), got.outcome and word(got.outcome))
            for got in who_got(connection, row.id, variant)
        ]


def test_each_state_says_who_got_it(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(len(TOUCHES))])
    world.start(plan_text(SMS))
    hold_back(world, "notice")
    for n, (state, outcome, _) in enumerate(TOUCHES):
        with world.ledger.write() as connection:
            change = update(t.touch).where(t.touch.c.id == touch_of(world, "notice", f"c{n}").id)
            connection.execute(change.values(state=int(state), outcome=outcome))
    with world.ledger.write() as connection:
        connection.execute(update(t.wave).values(stopped_at=T0))
    got = {f"c{n}" for n, (_, _, sure) in enumerate(TOUCHES) if sure != "no"}
    assert named(world, "got") == got == {key for key, *_ in went_to(world)}
    assert named(world, "not_got") == {f"c{n}" for n in range(len(TOUCHES))} - got


@pytest.mark.parametrize(
    ("said", "got"),
    [
        (None, False),
        (Disposition.NOT_ATTEMPTED, False),
        (Disposition.WRONG_TIME, False),
        (Disposition.SUPPRESSED_RULE, False),
        (Disposition.NO_ANSWER, True),
        (Disposition.ABANDONED, True),
        (Disposition.WRONG_NUMBER, True),
        (Disposition.AGENT_ERROR, True),
        (Disposition.SALE, True),
    ],
)
def test_a_call_was_got_when_it_rang(lite: World, said: Disposition | None, got: bool) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(CALL))
    lite.advance(T0)
    lite.pull("notice")
    if said is not None:
        phoned(lite, "notice", "c1", said, T0 + HOUR)
    with lite.ledger.write() as connection:
        connection.execute(update(t.wave).values(stopped_at=T0))
        connection.execute(update(t.dial_entry).values(active=False))
    assert (named(lite, "got"), named(lite, "not_got")) == (({"c1"}, set()) if got else (set(), {"c1"}))
    if got:
        row = load_running(lite.ledger, "test").row("notice")
        with lite.ledger.read() as connection:
            assert [one.sent_at for one in who_got(connection, row.id)] == [T0 + HOUR]


def test_got_and_not_got_part_those_that_were_to_go_and_nobody_else_is_named(world: World) -> None:
    """Law: whatever state and outcome each touch is in, every `go` member is in exactly one of the two."""
    put(world.ledger, [reachable(n, ("web_push", "sms", "email")[n % 3 :]) for n in range(90)])
    world.start(plan_text(MIXED, holdout="10%"))
    hold_back(world, "notice")
    stop(world)
    verdicts = verdict_words(world, "notice")
    go = {key for key, verdict in verdicts.items() if verdict == "go"}
    assert {"held_out", "wave_held_out"} <= {verdicts[key] for key in set(verdicts) - go}
    touches = world.touches("notice")
    change = update(t.touch).where(t.touch.c.id == bindparam("one"))
    change = change.values(state=bindparam("new_state"), outcome=bindparam("new_outcome"))
    draw = Random(3)
    states = [int(state) for state in State if state is not State.CLAIMED]
    for _ in range(12):
        mixed = draw.sample(states, 2)
        rows = [
            {
                "one": touch.id,
                "new_state": draw.choice(mixed),
                "new_outcome": draw.choice([None, None, int(draw.choice(list(Outcome)))]),
            }
            for touch in touches
        ]
        with world.ledger.write() as connection:
            connection.execute(change, rows)
        got, rest = named(world, "got"), named(world, "not_got")
        assert not got & rest
        assert got | rest == go
        by_channel = [named(world, "got", by=name) for name in ("web_push", "sms", "email")]
        assert set().union(*by_channel) == got == {key for key, *_ in went_to(world)}


def test_got_by_channel_and_wording(lite: World) -> None:
    put(lite.ledger, [reachable(1), reachable(2, ["email"]), reachable(3, ["web_push"])])
    lite.start(plan_text(MIXED.replace("    holdout: 10%\n", "")))
    lite.advance(T0)
    stop(lite)
    assert [named(lite, "got", by=name) for name in ("web_push", "sms", "email")] == [{"c1", "c3"}, {"c1"}, {"c2"}]
    assert (named(lite, "got", variant=0), named(lite, "got", variant=1)) == ({"c1", "c2", "c3"}, set())
    assert [key for key, *_ in went_to(lite, variant=0)] == ["c1", "c1", "c2", "c3"]
    assert went_to(lite, variant=1) == []


def test_an_audience_that_could_still_change_is_refused(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS + CALL.replace("notice", "ring")), now=T0 - DAY)
    with pytest.raises(CampaignError, match="has not opened"):
        named(lite, "got")
    with pytest.raises(CampaignError, match=r"there is no campaign 'x'; started campaigns: test"):
        named(lite, "got", campaign="x")
    with pytest.raises(CampaignError, match=r"test has no wave 'x'; its waves: notice, ring"):
        named(lite, "got", wave="x")
    hold_back(lite, "notice", now=T0)
    with pytest.raises(CampaignError, match=r"still sends.*multiwave stop test notice"):
        named(lite, "not_got")
    stop(lite)
    assert named(lite, "not_got") == {"c1"}
    with lite.ledger.write() as connection:
        connection.execute(update(t.touch).values(state=int(State.CLAIMED)))
    with pytest.raises(CampaignError, match="1 messages of wave notice of test are in the hands of a worker"):
        named(lite, "not_got")
    with lite.ledger.write() as connection:
        connection.execute(update(t.touch).values(state=int(State.WITHDRAWN), reason=int(Reason.STOPPED)))
    lite.advance(T0 + 3 * DAY)
    assert named(lite, "not_got") == {"c1"}
    lite.advance(T0 + 3 * DAY)
    number = lite.pull("ring").number
    stop(lite, "ring")
    with pytest.raises(CampaignError, match=f"dial list {number} of wave ring of test is out"):
        named(lite, "not_got", wave="ring")


def test_a_wrong_text_is_mended_for_both_halves(world: World) -> None:
    """Stopped halfway: the rest gets the mended text, the others a correction, and nobody is in both or in neither.

    Who converted meanwhile is left alone by the remainder, and told all the same when the text they got was wrong.
    """
    put(world.ledger, [reachable(n, ("sms", "email")) for n in range(40)])
    world.start(plan_text(SMS + SMS.replace("notice", "later"), holdout="10%"), now=T0)
    hold_back(world, "notice")
    with world.ledger.write() as connection:
        half = select(t.touch.c.id).order_by(t.touch.c.id).limit(15)
        ids = list(connection.scalars(half))
        change = update(t.touch).where(t.touch.c.id.in_(ids)).values(state=int(State.SENT), sent_at=T0)
        connection.execute(change)
    world.now = T0 + HOUR
    stop(world)
    for half in ("got", "not_got"):
        convert(world, min(named(world, half)), T0 + HOUR / 2)
    (got, rest), bundle = (named(world, "got"), named(world, "not_got")), load_running(world.ledger, "test").bundle
    world.start(remainder(bundle, "notice", "rest", None, only=False))
    world.start(correction(bundle, "notice", "mended", None, "sms", None, world.now))
    members: dict[str, set[str]] = {}
    with world.ledger.read() as connection:
        m = t.member.c
        for name, key, arm in connection.execute(
            select(t.campaign.c.name, t.customer.c.key, m.arm)
            .join(t.member, m.campaign == t.campaign.c.id)
            .join(t.customer, t.customer.c.id == m.customer)
            .where(t.campaign.c.name != "test")
        ):
            assert arm == 0
            members.setdefault(name, set()).add(key)
    assert members == {"mended": got, "rest": rest}
    assert [wave.wave for wave in load_running(world.ledger, "rest").plan.waves] == ["notice", "later"]
    world.advance(T0 + HOUR)
    assert sorted(line["campaign"] for line in world.outbox("sms")) == ["mended"] * 15 + ["rest"] * (len(rest) - 1)
