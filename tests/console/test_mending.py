"""What a wrong text needs, as a person does it: stop the wave, see who got it, mend the text for both halves."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from ledger import tables as t
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.commands import said
from tests.steps import hold_back
from waves.errors import CampaignError, InputError, PlanError
from waves.outcomes import State

WAVES = """\
  # The notice.
  - wave: notice
    channels: [{first_of: [sms, email]}]
    variants: {short: {message: hello, weight: 50%}, long: {message: hello, weight: 50%}}
    release: 2h
    listen: 2d
  - {wave: later, enter: notice.missed, channels: [email], message: hello, release: 2h, listen: 2d}
"""


def halfway(home: Path) -> World:
    """A campaign that is halfway through its first wave: of 24 messages 12 went by SMS and 4 by e-mail."""
    made = make_world(home)
    people = [reachable(n, ("email",) if n % 3 == 0 else ("sms", "email")) for n in range(24)]
    put(made.ledger, people)
    made.start(plan_text(WAVES, holdout="0%"))
    hold_back(made, "notice")
    with made.ledger.write() as connection:
        for channel, count in ((2, 12), (3, 4)):
            ids = select(t.touch.c.id).where(t.touch.c.channel == channel).order_by(t.touch.c.id).limit(count)
            change = update(t.touch).where(t.touch.c.id.in_(list(connection.scalars(ids))))
            connection.execute(change.values(state=int(State.SENT), sent_at=T0))
    made.ledger.set_now(T0 + HOUR)
    made.now = T0 + HOUR
    return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = halfway(tmp_path / "home")
    yield made
    made.ledger.close()


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same for questions that change nothing."""
    made = halfway(tmp_path_factory.mktemp("still") / "home")
    yield made
    made.ledger.close()


def test_a_wrong_text_is_stopped_and_mended_for_both_halves(world: World, tmp_path: Path) -> None:
    assert "stopped; 8 queued touches withdrawn" in said(world, "stop", "test", "notice")
    assert "closes 2026-12-03 11:00Z; stopped 2026-12-01 10:00Z; books balance" in said(world, "status", "test")

    found = json.loads(said(world, "who-got", "test", "notice", "--json"))
    by_sms = {one["customer"] for one in found["customers"] if one["channel"] == "sms"}
    by_mail = {one["customer"] for one in found["customers"] if one["channel"] == "email"}
    assert (len(by_sms), len(by_mail), sum(one["touches"] for one in found["counts"])) == (12, 4, 16)
    assert {one["message"] for one in found["customers"]} == {"hello"}
    assert "@" not in json.dumps(found)
    file = tmp_path / "got.csv"
    assert f"16 lines in {file}" in said(world, "who-got", "test", "notice", "--out", str(file)).replace("\n", " ")
    with file.open(newline="") as lines:
        assert {row["customer"] for row in csv.DictReader(lines)} == by_sms | by_mail

    with pytest.raises(CampaignError, match=r"went out by sms \(12\), email \(4\).*--channel"):
        said(world, "clone", "test", "--correction", "notice")
    plans = world.config / "plans"
    clones = {
        "test-rest": ["--remainder", "notice"],
        "sorry-sms": ["--correction", "notice", "--channel", "sms", "--name", "sorry-sms"],
        "sorry-mail": ["--correction", "notice", "--channel", "email", "--name", "sorry-mail"],
    }
    for name, words in clones.items():
        said(world, "clone", "test", *words, "--out", str(plans / f"{name}.yaml"))
        assert said(world, "check", name) == "no problems\n"
        assert f"{len(members_wanted(name, by_sms, by_mail))} treated, 0 held out" in said(world, "plan", name)
        said(world, "approve", name)
        said(world, "start", name)
        assert members(world, name) == members_wanted(name, by_sms, by_mail)
    assert "# The notice." in (plans / "test-rest.yaml").read_text()
    world.advance(T0 + 2 * HOUR)
    assert sorted(line["campaign"] for line in world.outbox("sms")) == ["sorry-sms"] * 12 + ["test-rest"] * 4
    assert sorted(line["campaign"] for line in world.outbox("email")) == ["sorry-mail"] * 4 + ["test-rest"] * 4


def members_wanted(name: str, by_sms: set[str], by_mail: set[str]) -> set[str]:
    everybody = {f"c{n}" for n in range(24)}
    return {"test-rest": everybody - by_sms - by_mail, "sorry-sms": by_sms, "sorry-mail": by_mail}[name]


def members(world: World, name: str) -> set[str]:
    campaign, member, customer = t.campaign.c, t.member.c, t.customer.c
    query = select(customer.key).join(t.member, member.customer == customer.id)
    query = query.join(t.campaign, campaign.id == member.campaign).where(campaign.name == name)
    with world.ledger.read() as connection:
        return set(connection.scalars(query))


def test_one_wording_alone(world: World) -> None:
    both = json.loads(said(world, "who-got", "test", "notice", "--json"))["customers"]
    for number in (1, 2):
        found = json.loads(said(world, "who-got", "test", "notice", "--variant", str(number), "--json"))["customers"]
        assert found == [one for one in both if one["variant"] == number] != []
    with pytest.raises(InputError, match=r"no variant 3; it has 1 \(hello\), 2 \(hello\)"):
        said(world, "who-got", "test", "notice", "--variant", "3")
    said(world, "stop", "test", "notice")
    mended = said(world, "clone", "test", "--correction", "notice", "--channel", "sms", "--variant", "2")
    assert "who: got, by: sms, variant: 2}" in mended
    assert "    message: hello\n" in mended
    assert "variants" not in mended


def test_a_pause_is_ended_by_a_policy(world: World) -> None:
    assert said(world, "pause", "test") == "test is paused\n"
    world.ledger.set_now(T0 + 3 * HOUR)
    with pytest.raises(CampaignError, match="meanwhile came due: 8 queued messages"):
        said(world, "resume", "test")
    told = said(world, "resume", "test", "--policy", "reschedule")
    assert told.startswith("test is running\ncame due while it was paused: 8 queued messages\n")
    assert "moved later by 2:00:00" in told
    said(world, "pause", "test")
    assert "8 queued messages expired" in said(world, "resume", "test", "--policy", "expire")


def test_last_seasons_plan_comes_back_with_its_files(world: World, tmp_path: Path) -> None:
    text = said(world, "clone", "test", "--with-files", str(tmp_path / "season"))
    assert "campaign: # was test; a name is used once\n" in text
    frozen = {path.relative_to(tmp_path / "season") for path in (tmp_path / "season").rglob("*.*")}
    files = ("segments/everybody.yaml", "rules/hours.yaml", "templates/hello.sms.j2", "templates/hello.email.j2")
    assert frozen == {Path(name) for name in files}
    again = said(world, "clone", "test", "--name", "next", "--starts", "2027-12-01 9:00 UTC")
    (world.config / "plans" / "next.yaml").write_text(again)
    assert said(world, "check", "next") == "no problems\n"
    (tmp_path / "season" / "rules" / "hours.yaml").write_text("another's work")
    with pytest.raises(InputError, match=r"hours\.yaml: this is there already and says something else"):
        said(world, "clone", "test", "--with-files", str(tmp_path / "season"), "--out", str(tmp_path / "new.yaml"))
    assert not (tmp_path / "new.yaml").exists()


WRONG: list[tuple[str, str]] = [
    ("clone test --name Bad!", "--name Bad!: write lower-case letters"),
    ("clone test --starts tomorrow", "--starts: 'tomorrow' is no time"),
    ("clone test --remainder notice --correction notice", "--remainder is for those who did not get the wave"),
    ("clone test --remainder nope", "test has no wave 'nope'; its waves: notice, later"),
    ("clone test --remainder later --channel sms", "--channel and --variant go with --correction"),
    ("clone test --only", "--only goes with --remainder"),
    ("clone test --correction later", "nobody got wave later of test yet"),
    ("clone test --correction notice --channel web_push", "nobody got wave notice of test by web_push"),
    ("clone nope", "there is no campaign 'nope'"),
    ("who-got test nope", "test has no wave 'nope'"),
    ("stop test nope", "test has no wave 'nope'"),
    ("resume test", "test is running; only a campaign that is paused"),
]


@pytest.mark.parametrize(("words", "answer"), WRONG, ids=[words for words, _ in WRONG])
def test_what_cannot_be_is_told(still: World, words: str, answer: str) -> None:
    with pytest.raises((CampaignError, InputError), match=re.escape(answer)):
        said(still, *words.split())


def test_an_audience_that_still_changes_starts_nothing(world: World) -> None:
    text = plan_text(WAVES, name="mended")
    audience = "audience: {campaign: test, wave: notice, who: got}"
    (world.config / "plans" / "mended.yaml").write_text(text.replace("segment: everybody", audience))
    said(world, "approve", "mended")
    for command in ("plan", "start"):
        with pytest.raises(CampaignError, match="still sends"):
            said(world, command, "mended")
    world.advance(T0 + 3 * DAY)
    world.ledger.set_now(T0 + 3 * DAY)
    assert "audience: who got notice of test" in said(world, "plan", "mended")
    (world.config / "plans" / "mended.yaml").write_text(text.replace("segment: everybody\n", ""))
    with pytest.raises(PlanError, match="`segment` is missing"):
        said(world, "plan", "mended")
