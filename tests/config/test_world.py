"""World files: what they say is understood, and what they cannot mean is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.registry import CAPABILITIES
from config import PACKAGED
from config.loading import load_plan
from config.schema import attribute_types, load_schema
from config.world import World, changed_by, factors
from config.world_file import load_world
from waves.errors import PlanError

TYPES = {"age": "integer", "value": "number", "tier": "text"}
SMS = "channels:\n  sms: {seen: 0.8, clicked: 0.1}\n"
CALLS = "calls:\n  answers: {right_party: 0.4, no_answer: 0.6}\n  says: {sale: 0.1, not_interested: 0.9}\n"


def load(folder: Path, text: str) -> World:
    path = folder / "world.yaml"
    path.write_text(text, encoding="utf-8")
    return load_world(path, TYPES).world


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("channels:\n  sms:\n    seen: 1.2\n", 3, "`seen` is 1.2; write at most 1"),
        ("channels:\n  sms:\n    silent: 120%\n", 3, "`silent` is 120%; write at most 1"),
        ("channels:\n  sms:\n    silent: -0.1\n", 3, "`silent` is -0.1; write at least 0"),
        ("channels:\n  sms:\n    silent: nan\n", 3, "`silent` is nan; write at least 0"),
        ("channels:\n  sms:\n    clicked: often\n", 3, "`clicked` is often; write a number, such as 0.05"),
        ("channels:\n  sms: {bounced_soft: 0.6, silent: 0.5}\n", 2, "bounced_soft and silent add up to more than 1"),
        ("channels:\n  sms: {refused: 0.6, bounced_hard: 0.5}\n", 2, "refused and bounced_hard add up to more than 1"),
        ("channels:\n  sms: {seen: 0.6, hours: {17-20: 2}}\n", 2, "seen is 0.6 and hour 17-20 makes it 1.2"),
        ("channels:\n  sms: {hours: {20-7: 1}}\n", 2, "'20-7' is no span of hours"),
        ("channels:\n  sms: {hours: {7-9: 1, 9: 0.5}}\n", 2, "overlaps another"),
        ("channels:\n  snail: {seen: 1}\n", 2, "there is no channel snail; write"),
        ("channels:\n  call_list: {seen: 1}\n", 2, "calls are described under `calls`"),
        ("channels:\n  sms: {clickd: 0.1}\n", 2, "there is no key `clickd` here; write clicked"),
        ("", 1, "the file is empty"),
        ("seed: 3\n", 1, "the world is empty; write `channels:`"),
        ("chanels: {}\n", 1, "there is no key `chanels` here; write channels"),
        (SMS + CALLS.replace("0.6", "0.7"), 4, "`answers`: the shares add up to 1.1; make them add up to 1"),
        (SMS + CALLS.replace("no_answer", "no_anwser"), 3, "no_anwser is neither right_party nor a disposition"),
        (SMS + CALLS.replace("no_answer", "sale"), 3, "sale is neither right_party nor a disposition short of it"),
        (SMS + CALLS.replace("not_interested", "busy"), 3, "busy is no disposition of a right party"),
        (SMS + CALLS + "  hours: {18: 3}\n", 3, "right_party is 0.4 and hour 18 makes it 1.2"),
        (SMS + "segments:\n  old:\n    where: agee > 60\n", 5, "no column agee; did you mean age?"),
        (SMS + "segments:\n  old:\n    where: notice.missed\n", 5, "notice"),
        (SMS + "segments:\n  old: {}\n", 4, "write either `where: RULE` or `keys: FILE`"),
        (SMS + "segments:\n  old: {keys: nowhere.txt}\n", 4, "there is no such file"),
        ("channels:\n  sms:\n    segments:\n      old: {seen: 0.2}\n", 4, "there is no segment old in this world"),
        (
            "segments: {old: {where: age > 60}}\nchannels:\n"
            "  sms: {silent: 0.5, segments: {old: {bounced_soft: 0.6}}}\n",
            3,
            "segment old: bounced_soft and silent add up to more than 1",
        ),
        (SMS + "delays: {seen: soon}\n", 3, "'soon' is no length of time"),
        (SMS + "conversions: {value: {median: 0, spread: 1, currency: USD}}\n", 3, "`median` is 0; write more than 0"),
        (SMS + "agents: {days: [monday]}\n", 3, "one of `days` is monday"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(PlanError) as error:
        load(tmp_path, text)
    (problem,) = error.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "world.yaml"), line), problem
    assert said in problem.message


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as error:
        load(tmp_path, "channels:\n  sms: {seen: 1.2, clicked: 7}\n  snail: {}\nsegments:\n  old: {where: agee > 1}\n")
    assert [problem.line for problem in error.value.problems] == [2, 2, 3, 5]


def test_a_plan_says_what_its_world_must_know(tmp_path: Path) -> None:
    plan = load_plan(PACKAGED / "plans" / "renewal.yaml", PACKAGED, CAPABILITIES).plan
    (tmp_path / "world.yaml").write_text(SMS)
    with pytest.raises(PlanError) as error:
        load_world(tmp_path / "world.yaml", TYPES, plan)
    assert [problem.message for problem in error.value.problems] == [
        "the world says nothing of calls, which wave call makes; write `calls:`",
        "the world says nothing of email, which wave follow_up uses; write it under `channels:`",
        "the world says nothing of email, which wave notice uses; write it under `channels:`",
        "the world says nothing of web_push, which wave notice uses; write it under `channels:`",
    ]


@pytest.mark.parametrize("plan", ["renewal", "four_waves"])
def test_the_packaged_world_fits_the_packaged_plans(plan: str) -> None:
    bundle = load_plan(PACKAGED / "plans" / f"{plan}.yaml", PACKAGED, CAPABILITIES)
    world = load_world(PACKAGED / "examples" / "world.yaml", attribute_types(load_schema(PACKAGED)), bundle.plan).world
    used = {channel for wave in bundle.plan.waves for channel in wave.channel_names}
    assert set(world.channels) >= used - {"call_list"}


def test_segments_change_what_they_name_and_the_first_named_wins(tmp_path: Path) -> None:
    (tmp_path / "vip.txt").write_text("c1\nc2\n")
    world = load(
        tmp_path,
        "segments: {vip: {keys: vip.txt}, old: {where: age > 60}}\n"
        "channels:\n  sms: {seen: 80%, clicked: 0.1, segments: {old: {clicked: 0}, vip: {clicked: 0.4}}}\n",
    )
    sms = world.channels["sms"]
    assert [changed_by(sms, names).clicked for names in ((), ("old",), ("vip", "old"))] == [0.1, 0, 0.4]
    assert changed_by(sms, ("old",)).seen == 0.8
    assert load_world(tmp_path / "world.yaml", TYPES).keys == {"vip": {"c1", "c2"}}


def test_hours_not_written_change_nothing() -> None:
    made = factors({"9": 0.5, "20-22": 1.5})
    assert [made[hour] for hour in (0, 8, 9, 10, 19, 20, 22, 23)] == [1, 1, 0.5, 1, 1, 1.5, 1.5, 1]
