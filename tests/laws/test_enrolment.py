"""Laws 7 and 9: the dry run is the run, and nothing but the inputs decides it.

More: raise EXAMPLES, or set derandomize to False, and let it run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from channels.registry import CAPABILITIES
from config.bundle import Bundle
from config.loading import load_plan
from flows.running import load_running
from flows.starting import forecast
from flows.wave import live
from ledger import tables as t
from ledger.conversions import NewConversion, record_conversions
from ledger.suppressions import suppress
from tests.builders import HOUR, T0, Person, World, plan_text, put
from tests.laws.cases import CROWDS, Traits, hours_text, own, person
from tests.laws.rig import begin, fresh
from tests.steps import leave
from waves.message import CHANNEL_CODES, CHANNEL_NAMES
from waves.outcomes import Verdict, word

EXAMPLES = 12
SEGMENTS = ("age >= 0", "age >= 30 or age is null", "value > 1", "tier = 'gold' and not (age < 30)", "value is null")
ENTERS = ("not converted", "value / age > 0.03", "age in (20, 50)", "lower(tier) like 'g%'", "value is not null")
CHANNELS = (
    "[sms]",
    "[web_push, {first_of: [sms, email]}]",
    "[{first_of: [email, web_push, sms]}]",
    "[email, sms, web_push]",
    "[call_list]",
)
SHARES = st.sampled_from(["0%", "10%", "50%"])
HEAD = """\
campaign: {name}
title: A drawn campaign
segment: everybody
starts: 2026-12-01 09:00 UTC
holdout: {holdout}
goal: {{event: renewed, within: 14d}}
{limits}priority: 50
hours: {hours}
waves:
  - wave: first
    channels: {channels}
    release: {release}
    listen: 1d
    holdout: {wave_holdout}
"""
WEIGHTS = {"a": "20%", "b": "30%", "c": "50%"}
VARIANTS = "    variants:\n" + "".join(f"      {v}: {{message: hello, weight: {w}}}\n" for v, w in WEIGHTS.items())


LIMITS = ("", "limits: {contacts: 1, within: 2d}\n", "limits: {contacts: 2, within: 7d}\n")
RAMP = "    ramp: {first: 40%, hold: 1h}\n"
OTHER = "  - {wave: first, channels: [sms, email], message: hello, release: 2h, listen: 1d}\n"
EARLIER = T0 - 5 * HOUR


@dataclass(frozen=True)
class Drawn:
    """A plan, its segment, and what stands in the ledger before it starts."""

    crowd: list[Traits]
    segment: str
    plan: str
    early: int
    suppressed: list[tuple[int, int, str]]
    stopped_addresses: list[tuple[int, str]]
    converted: list[tuple[int, int]]
    others: list[tuple[int, int]]
    """(priority, hours from the plan's start) of the campaigns beside it; what is due before then has been sent."""


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    channels = draw(st.sampled_from(CHANNELS))
    text = HEAD.format(
        name=f"test{draw(st.integers(0, 9))}",
        holdout=draw(SHARES),
        channels=channels,
        wave_holdout=draw(SHARES | st.just("{share: 30%, then: skip}")),
        limits=draw(
            st.sampled_from(["", "limits: {contacts: 1, within: 2d}\n", "limits: {contacts: 2, within: 7d}\n"])
        ),
        hours=draw(st.sampled_from(["house", "day"])),
        release=draw(st.sampled_from(["2h", "1d"])),
    )
    if channels != "[call_list]":
        text += draw(st.sampled_from(["    message: hello\n", VARIANTS]))
        text += draw(st.sampled_from(["", RAMP]))
    if draw(st.booleans()):
        text += f"    enter: {draw(st.sampled_from(ENTERS))}\n"
    number, channel = st.integers(0, 9), st.sampled_from([0, 1, 2, 3, 4])
    return Drawn(
        draw(CROWDS),
        draw(st.sampled_from(SEGMENTS)),
        text,
        draw(st.integers(0, 2)),
        draw(st.lists(st.tuples(number, channel, st.sampled_from(["asked", "open_case"])), max_size=4)),
        draw(st.lists(st.tuples(number, st.sampled_from(list(CHANNEL_CODES)[:4])), max_size=3)),
        draw(st.lists(st.tuples(number, st.integers(-1, 1)), max_size=3)),
        draw(st.lists(st.tuples(st.sampled_from([80, 50, 20]), st.sampled_from([-4, 3, 30])), max_size=2)),
    )


def lay_down(world: World, case: Drawn) -> Bundle:
    """The case in an emptied ledger; its checked plan."""
    people: list[Person] = [person(number, traits) for number, traits in enumerate(case.crowd)]
    fresh(world, EARLIER)
    (world.config / "rules" / "hours.yaml").write_text(hours_text(0))
    ids = list(put(world.ledger, people).values())
    with world.ledger.write() as connection:
        for number, channel, reason in case.suppressed:
            suppress(connection, ids[number % len(ids)], None, channel, reason, "tester", world.now)
        for number, name in case.stopped_addresses:
            until = T0 + timedelta(minutes=30 * (number % 3 - 1))
            suppress(connection, None, own(number, name), CHANNEL_CODES[name], "asked", "tester", world.now, until)
        sales = [
            NewConversion(f"c{number}", "renewed", T0 + hours * HOUR, None, None, "shop", f"{number} {hours}")
            for number, hours in case.converted
        ]
        record_conversions(connection, sales)
    (world.config / "segments" / "everybody.yaml").write_text(
        f"segment: everybody\ntitle: Everybody\nwhere: {case.segment}\n"
    )
    for number, (priority, hours) in enumerate(case.others):
        head = f"limits: {{contacts: {number + 1}, within: 3d}}\npriority: {priority}\nhours: house\n"
        text = plan_text(OTHER, f"other{number}", starts=T0 + hours * HOUR).replace("hours: house\n", head)
        begin(world, world.bundle(text))
    world.advance(T0 - 4 * HOUR)
    world.now = T0 - case.early * HOUR
    path = world.config / "plans" / "plan.yaml"
    path.write_text(case.plan)
    return load_plan(path, world.config, CAPABILITIES)


Enrolled = dict[str, tuple[str, int, list[tuple[str, str, int]]]]


def enrol(world: World, bundle: Bundle, batch_size: int, enrol_range: int) -> Enrolled:
    """Start the plan and open its first wave, its touches unsent: what every member got, by key."""
    room, started = world.room, world.now
    room.settings = room.settings.model_copy(update={"batch_size": batch_size, "enrol_range": enrol_range})
    begin(world, bundle)
    live(room, bundle.plan.campaign, "first", max(started, T0), leave)
    wave = load_running(world.ledger, bundle.plan.campaign).row("first").id
    e, c, key = t.enrolment.c, t.touch.c, t.customer.c.key
    with world.ledger.read() as connection:
        verdicts = connection.execute(
            select(key, e.verdict, e.channels).join(t.enrolment, e.customer == t.customer.c.id).where(e.wave == wave)
        )
        found: Enrolled = {row.key: (word(Verdict(row.verdict)), row.channels, []) for row in verdicts}
        touches = connection.execute(
            select(key, c.channel, c.variant, c.batch, t.address.c.value)
            .join_from(t.touch, t.customer, t.customer.c.id == c.customer)
            .join(t.address, t.address.c.id == c.address)
            .where(c.wave == wave)
            .order_by(c.id)
        ).all()
    for row in touches:
        found[row.key][2].append((CHANNEL_NAMES[row.channel], row.value, row.variant))
    sizes = Counter(row.batch for row in touches if row.batch)
    assert all(size <= batch_size for size in sizes.values())
    return found


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=drawn(), batch_size=st.integers(1, 5), enrol_range=st.integers(1, 7))
def test_the_dry_run_is_the_run_however_it_is_cut(
    worlds: list[World], case: Drawn, batch_size: int, enrol_range: int
) -> None:
    runs: list[Enrolled] = []
    for world in worlds:
        for cut in ((1000, 50_000), (batch_size, enrol_range)):
            bundle = lay_down(world, case)
            said = forecast(world.room, bundle, world.now)
            runs.append(enrol(world, bundle, *cut))
        verdicts = Counter(verdict for verdict, _, _ in runs[-1].values())
        touches = Counter(channel for _, _, sent in runs[-1].values() for channel, _, _ in sent)
        assert (dict(said.waves[0].verdicts), dict(said.waves[0].touches)) == (verdicts, touches)
        assert said.waves[0].exact
        assert said.treated + said.held_out == len(runs[-1])
        assert {runs[-1][key][0]: key for key in said.waves[0].examples.values()} == said.waves[0].examples
    assert all(run == runs[0] for run in runs)


SEEDED = """
import sys
from pathlib import Path
from tests.builders import T0, HOUR, make_world, put
from tests.laws.cases import KINDS, Terms, person
world = make_world(Path(sys.argv[1]))
put(world.ledger, [person(number, traits) for number, traits in enumerate(KINDS * 3)])
world.start(Terms(holdout="20%", limit=(2, "7d"), priority=80).text("test"))
world.start(Terms(plan=1, limit=(3, "5d")).text("beside"))
for hours in (0, 1, 12, 40, 60):
    world.advance(T0 + hours * HOUR)
for wave in ("first", "second", "third", "call"):
    print(wave, sorted(world.verdicts(wave).items()))
    print([(row.key, row.channel, row.address, row.variant, row.batch, row.state) for row in world.touches(wave)])
world.ledger.close()
"""


def test_the_hash_seed_decides_nothing(tmp_path: Path) -> None:
    """A whole campaign in two interpreters whose sets and dicts are ordered otherwise."""
    told = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", SEEDED, str(tmp_path / seed)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told.append(ran.stdout)
    assert told[0] == told[1]
    assert told[0].count("first")
