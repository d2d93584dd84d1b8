"""A rehearsal is the run: the same world played over a real home gives the same counts; and nothing of it gets out."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from console.demo.files import FileDesk, OutboxReader
from flows import campaign
from flows.crowd import Crowd
from flows.play import Play
from flows.rehearsal import Theatre, rehearse
from flows.sending import send_batch
from flows.tally import Run, tally
from flows.wave import live
from ledger import tables as t
from tests.builders import DAY, FOUR_WAVES, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.worlds import WORLD, scene, write_world
from waves.errors import CampaignError

ROOT = Path(__file__).parents[2]
ZONES = ("Europe/London", "America/New_York", "Asia/Tokyo")
SMS = "  - {wave: first, channels: [sms], message: hello, release: 2h, listen: 22h}\n"
COSTS = {"web_push": "0.01", "sms": "0.05", "email": "0.02", "call_list": "2"}


def people(count: int) -> list:
    made = []
    for n in range(count):
        channels = ("web_push", "sms", "email", "call_list")[n % 3 and 1 : 4 - (n % 5 == 0)]
        made.append(reachable(n, channels, value=float(n), zones=ZONES[n % 3]))
    return made


@pytest.fixture
def town(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path / "home", sqlite_url, costs=COSTS)
    put(world.ledger, people(150))
    world.ledger.set_now(T0 - DAY)
    yield world
    world.ledger.close()


def run_for_real(world: World, plan: str, seed: int) -> Run:
    """The campaign over the home's own engine and outbox; what comes back is imported from files."""
    name = world.start(plan, T0 - DAY)
    room = world.room
    room.all_workers_gone = True
    crowd = Crowd(write_world(world.config), "UTC", seed)

    def advance(now: datetime) -> Iterator[campaign.Moved]:
        return campaign.advance(room, now, lambda r, c, w, at: live(r, c, w, at, send_batch))

    play = Play(room, crowd, name, FileDesk(room, room.settings.home / "answers"), advance)
    play.look = OutboxReader(play, room.settings.home / "outbox")
    finished = play.run()
    return tally(room, name, seed, finished, play.agent_hours)


def test_rehearsal_and_run_agree(ledger_url: str, tmp_path: Path) -> None:
    world = make_world(tmp_path / "home", ledger_url, costs=COSTS)
    put(world.ledger, people(150))
    world.ledger.set_now(T0 - DAY)
    plan = plan_text(FOUR_WAVES, holdout="5%")
    with scene(world, plan) as staged:
        (rehearsed,) = rehearse(staged, 1, 11, lambda *_: None)
    ran = run_for_real(world, plan, 11)
    assert rehearsed == ran
    assert all(ran.funnel[wave]["go"] and ran.funnel[wave]["delivered"] for wave in ("push", "notice", "call"))
    assert ran.funnel["campaign"]["converted"] > 10
    assert ran.calls > 5
    assert len(world.outbox("sms")) == sum(ran.hours["sms"])
    world.ledger.close()


def test_the_same_seed_is_the_same_run_in_whatever_order(town: World) -> None:
    with scene(town, plan_text(SMS)) as staged:
        runs = rehearse(staged, 3, 5, lambda *_: None)
        again = Theatre(staged)
        assert [again.run(seed) for seed in (7, 6, 5)] == runs[::-1]
    assert [run.seed for run in runs] == [5, 6, 7]
    assert len({run.funnel["first"]["engaged"] for run in runs}) > 1


def test_the_ledger_itself_is_left_as_it_was(town: World) -> None:
    def rows() -> dict[str, int]:
        with town.ledger.read() as connection:
            tables = t.metadata.tables.values()
            return {each.name: connection.scalar(select(func.count()).select_from(each)) or 0 for each in tables}

    before = rows()
    with scene(town, plan_text(SMS)) as staged:
        folder = staged.original.parent
        rehearse(staged, 1, 1, lambda *_: None)
    assert rows() == before
    assert not folder.exists()


WATCHED = """
import json, os, sys
seen = []
def watch(event, args):
    if event.startswith("socket.") and event != "socket.gethostname" or event in ("subprocess.Popen", "os.mkdir"):
        seen.append([event, str(args[0]) if event == "os.mkdir" else ""])
    if event == "open" and args[1] and set(str(args[1])) & set("wax+"):
        seen.append([event, str(args[0])])
import console.rehearsing, flows.rehearsal, flows.tally  # what importing them does is not the rehearsal's doing
sys.addaudithook(watch)
from console.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print("SEEN " + json.dumps(seen))
"""


def test_it_cannot_send_even_where_providers_are_configured(town: World, tmp_path: Path) -> None:
    """Watched by Python's own audit hook: no socket, no outbox, no write outside its temporary folder."""
    home = town.room.settings.home
    (town.config / "plans" / "first.yaml").write_text(plan_text(FOUR_WAVES))
    write_world(town.config)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = ["--home", str(home), "rehearse", "first", "--world", "world.yaml", "--runs", "1", "--json"]
    providers = json.dumps(dict.fromkeys(("web_push", "sms", "email"), "outbox"))
    own = {"MULTIWAVE_PROVIDERS": providers, "MULTIWAVE_DATABASE_URL": str(town.ledger.engine.url)}
    environment = os.environ | own | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, _, seen = done.stdout.rpartition("SEEN ")
    assert json.loads(said)["funnel"]["notice"]["touches"]["mean"] > 50
    events = json.loads(seen)
    assert [event for event in events if event[0].startswith("socket.") or event[0] == "subprocess.Popen"] == []
    written = [Path(path) for event, path in events if event in ("open", "os.mkdir") and not path.isdigit()]
    assert written
    assert [path for path in written if not path.is_relative_to(scratch) and path != Path(os.devnull)] == []
    assert not [path for path in written if "outbox" in path.parts]
    assert not (home / "outbox").exists()
    assert list(scratch.iterdir()) == []


def test_a_refusal_falls_through_like_a_providers(town: World) -> None:
    world = "channels: {sms: {refused: 1}, email: {seen: 0}}\n"
    wave = "  - {wave: first, channels: [{first_of: [sms, email]}], message: hello, release: 2h, listen: 22h}\n"
    with scene(town, plan_text(wave), world) as staged:
        (run,) = rehearse(staged, 1, 1, lambda *_: None)
    assert sum(run.hours["email"]) == run.funnel["first"]["delivered"] > 50
    assert "sms" not in run.hours


def test_teams_call_what_their_capacity_allows(town: World) -> None:
    wave = "  - {wave: call, channels: [call_list], rank: value, listen: 2d, capacity: {teams: {a: 2, b: 1}, "
    wave += "hours: 4, handle_time: 30m}}\n"
    # Nobody is spoken to, so a call is busy for its 60 s of ringing (half to one and a half of that) and no more.
    answers = WORLD.replace(
        "{right_party: 0.4, no_answer: 0.4, machine: 0.2}", "{no_answer: 1}\n  ring_s: 60\n  wrap_s: 0"
    )
    with scene(town, plan_text(wave), answers) as staged:
        (run,) = rehearse(staged, 1, 1, lambda *_: None)
    days = 3
    assert run.calls == days * (2 * 8 + 1 * 8)
    assert run.calls / run.agent_hours == pytest.approx(60, rel=0.15)
    assert sum(run.hours["call_list"]) == run.calls
    assert run.cost == 2 * run.calls


def test_a_shift_ends_with_calls_left_over(town: World) -> None:
    wave = "  - {wave: call, channels: [call_list], listen: 1h, release: 1h, capacity: {teams: {a: 1}, hours: 1, "
    wave += "handle_time: 36s}}\n"
    slow = WORLD.replace("right_party: 0.4, no_answer: 0.4, machine: 0.2", "no_answer: 1") + ""
    slow = slow.replace("  says:", "  ring_s: 600\n  wrap_s: 0\n  says:")
    with scene(town, plan_text(wave), slow) as staged:
        (run,) = rehearse(staged, 1, 1, lambda *_: None)
    assert 4 <= run.calls <= 9, "of a list of 100 an hour of ten-minute calls reaches about six"


def test_a_sample_scales_counts_and_capacity(town: World) -> None:
    from flows.tally import summarise

    plan = plan_text(SMS)
    with scene(town, plan) as whole, scene(town, plan, sample=75) as half:
        assert whole.share == 1
        assert 0.4 < half.share < 0.6
        full = summarise("test", rehearse(whole, 4, 1, lambda *_: None), whole.share)
        part = summarise("test", rehearse(half, 4, 1, lambda *_: None), half.share)
    for line in ("members", "go", "touches"):
        assert part.funnel["first"][line].mean == pytest.approx(full.funnel["first"][line].mean), line
    for line in ("delivered", "engaged"):
        assert part.funnel["first"][line].mean == pytest.approx(full.funnel["first"][line].mean, rel=0.25), line


def test_other_campaigns_stand_still_and_count_against_the_limits(town: World) -> None:
    limits = "limits: {contacts: 1, within: 7d}\nwaves:"
    town.start(plan_text(SMS, name="other"), T0 - DAY)
    town.advance(T0)
    sent = len(town.outbox("sms"))
    assert sent > 50
    plan = plan_text(SMS, starts=T0 + HOUR).replace("waves:", limits)
    with scene(town, plan) as staged:
        (run,) = rehearse(staged, 1, 1, lambda *_: None)
    free = plan_text(SMS, starts=T0 + HOUR)
    with scene(town, free) as staged:
        (without,) = rehearse(staged, 1, 1, lambda *_: None)
    assert run.funnel["first"]["go"] == 0 < without.funnel["first"]["go"] == sent
    assert len(town.outbox("sms")) == sent


def test_nobody_in_the_segment_is_said(town: World) -> None:
    (town.config / "segments" / "everybody.yaml").write_text("segment: everybody\ntitle: Nobody\nwhere: age > 99\n")
    with pytest.raises(CampaignError, match="nothing to rehearse"), scene(town, plan_text(SMS)):
        pass


def test_more_cores_change_nothing(town: World) -> None:
    with scene(town, plan_text(SMS)) as staged:
        alone = rehearse(staged, 4, 1, lambda *_: None, worth_a_pool_s=math.inf)
        together = rehearse(staged, 4, 1, lambda *_: None, worth_a_pool_s=0)
        folder = staged.original.parent
    assert together == alone
    assert not folder.exists()


@pytest.mark.parametrize(("share", "rang"), [(0.02, False), (0.6, True)])
def test_a_ramp_holds_its_rest_back_in_a_bad_world(town: World, share: float, rang: bool) -> None:
    wave = "  - {wave: first, channels: [sms], message: hello, release: 12h, listen: 12h, "
    wave += "ramp: {first: 30%, hold: 4h}}\n"
    with scene(town, plan_text(wave), f"channels: {{sms: {{bounced_soft: {share}}}}}\n") as staged:
        (run,) = rehearse(staged, 1, 1, lambda *_: None)
    assert run.funnel["first"]["go"] == 150
    assert (20 < run.funnel["first"]["touches"] < 80) == rang
