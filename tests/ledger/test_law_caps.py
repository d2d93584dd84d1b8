"""The law's caps of calls: per number and per person, in rolling windows, over all campaigns; and why it says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from console.legal import law_of, law_sentences
from flows.running import load_running
from ledger import tables as t
from ledger.channel_tables import legal_cap
from ledger.dial_lists import give_back as return_list
from tests.builders import DAY, HOUR, RULES, T0, TYPES, Person, World, phone, plan_text, put, reachable
from tests.hours_rows import hours_yaml
from tests.steps import phoned, verdict_words
from waves.dispositions import Disposition
from waves.outcomes import State

D = Disposition
CALL = "  - {wave: WAVE, channels: [call_list], release: 1h, listen: 3d}\n"
ROW = """\
    - for: {place}
      messages: {{mon_fri: ["00:00", "24:00"], sat: ["00:00", "24:00"], sun: ["00:00", "24:00"], holiday: inherit}}
      calls: {{mon_fri: ["00:00", "24:00"], sat: ["00:00", "24:00"], sun: ["00:00", "24:00"], holiday: inherit}}
      {cap}
      source: the law of a test
      as_of: 2026-11-24
      reviewed: {{by: a test, on: 2026-11-24}}
"""
PER_NUMBER = "cap: {n: 2, per_hours: 24, scope: same_subject, key: phone}"
PER_PERSON = "cap: {n: 2, per_days: 30, scope: seller, key: person}"
REST = "refusal_rest_days: 60"


HOUSE = """\
person: {day: 99, week: 99, ever: 99}
number: {day: 99, week: 99, ever: 99}
gap: 1s
again: {no_answer: {after: 1s, times: 9}}
"""
"""Rules of dialling that leave it to the law."""


def law(world: World, cap: str, place: str = "GB") -> None:
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml() + ROW.format(place=place, cap=cap))
    (world.config / "rules" / "dialling.yaml").write_text(HOUSE)


def wave(world: World, name: str, at: datetime | None = None) -> None:
    """Start a campaign of one call wave, both of this name, and enrol it."""
    world.start(plan_text(CALL.replace("WAVE", name), name=name, starts=at or world.now), at)
    world.advance(at)


def listed(world: World, name: str) -> list[int]:
    return sorted(entry.customer for entry in world.pull(name, name=name).entries)


def ring(world: World, name: str, key: str, *hours: float, said: D = D.NO_ANSWER) -> None:
    for hour in hours:
        phoned(world, name, key, said, T0 + hour * HOUR)


def test_a_number_rests_until_the_oldest_call_is_out_of_its_window(world: World) -> None:
    law(world, PER_NUMBER)
    put(world.ledger, [reachable(1), reachable(2), reachable(3, zones="Europe/Kyiv", jurisdictions="UA")])
    wave(world, "first")
    assert listed(world, "first") == [1, 2, 3]
    ring(world, "first", "c1", 1, 2)
    ring(world, "first", "c2", 1)
    ring(world, "first", "c3", 1, 2)
    give_back(world)
    world.now = T0 + 3 * HOUR
    wave(world, "second", T0 + 3 * HOUR)
    assert verdict_words(world, "second") == {"c1": "go", "c2": "go", "c3": "go"}, "the window is open before it closes"
    assert listed(world, "second") == [2, 3], "another country has no such cap"
    world.now = T0 + 25 * HOUR - timedelta(seconds=1)
    assert listed(world, "second") == []
    world.now = T0 + 25 * HOUR
    assert listed(world, "second") == [1]


def give_back(world: World) -> None:
    """Every list comes back."""
    with world.ledger.write() as connection:
        for number in connection.scalars(select(t.dial_list.c.id).where(t.dial_list.c.returned_at.is_(None))).all():
            return_list(connection, number, RULES, "lead", world.now)


def leave_segment(world: World, key: str) -> None:
    profile = t.profile_table(TYPES)
    with world.ledger.write() as connection:
        mine = select(t.customer.c.id).where(t.customer.c.key == key).scalar_subquery()
        connection.execute(update(profile).where(profile.c.customer == mine).values(age=-1))


def test_a_number_counts_whoever_has_it_and_whatever_was_listed_for_it(world: World) -> None:
    """Two people with one phone; and a number that the dialler took instead of the one that was on its list."""
    law(world, PER_NUMBER)
    put(world.ledger, [reachable(1), reachable(2), reachable(3)])
    wave(world, "first")
    assert listed(world, "first") == [1, 2, 3]
    ring(world, "first", "c1", 1, 2)
    for hour in (1, 2):
        phoned(world, "first", "c2", D.NO_ANSWER, T0 + hour * HOUR, number=phone(3))
    ring(world, "first", "c3", 1, said=D.WRONG_TIME)  # nobody heard it
    give_back(world)
    put(world.ledger, [Person("c9", (("call_list", phone(1)),)), Person("c8", (("call_list", phone(8)),))])
    for key in ("c1", "c2"):
        leave_segment(world, key)
    world.now = T0 + 3 * HOUR
    wave(world, "second", T0 + 3 * HOUR)
    assert listed(world, "second") == [5]
    with world.ledger.read() as connection:
        assert connection.scalar(select(t.customer.c.key).where(t.customer.c.id == 5)) == "c8"


def test_a_person_rests_over_all_numbers_and_the_dry_run_says_so(world: World) -> None:
    """Whose cap is used up until the wave closes does not enter it; who is free before that waits for a later list."""
    law(world, PER_PERSON)
    put(world.ledger, [reachable(n) for n in range(1, 5)])
    wave(world, "first")
    assert listed(world, "first") == [1, 2, 3, 4]
    ring(world, "first", "c1", 1, 2)
    ring(world, "first", "c2", 1)
    ring(world, "first", "c3", -26 * 24, -26 * 24 + 1)  # out of the window before the wave closes
    ring(world, "first", "c4", 1, 2, said=D.SUPPRESSED_RULE)
    give_back(world)
    later = T0 + 2 * DAY
    text = plan_text(CALL.replace("WAVE", "second"), name="second", starts=later)
    predicted = world.forecast(text, later).waves[0].verdicts
    world.now = later
    wave(world, "second", later)
    assert verdict_words(world, "second") == {"c1": "over_limit", "c2": "go", "c3": "go", "c4": "go"}
    assert predicted == {"go": 3, "over_limit": 1}
    assert listed(world, "second") == [2, 4]
    world.now = later + 2 * DAY + 2 * HOUR
    assert listed(world, "second") == [3]


def test_a_refusal_is_respected_for_as_long_as_the_law_says(world: World) -> None:
    law(world, REST)
    put(world.ledger, [reachable(n) for n in (1, 2, 3)])
    wave(world, "first")
    assert listed(world, "first") == [1, 2, 3]
    for key, said in (("c1", D.NOT_INTERESTED), ("c2", D.NO_ANSWER), ("c3", D.HUNG_UP)):
        ring(world, "first", key, 1, said=said)
    give_back(world)
    for days, verdict in ((40, "over_limit"), (61, "go")):
        name = f"after{days}"
        wave(world, name, T0 + days * DAY)
        assert verdict_words(world, name) == {"c1": verdict, "c2": "go", "c3": "go"}


def test_messages_are_not_calls(lite: World) -> None:
    """The caps bind calls alone."""
    law(lite, PER_PERSON)
    put(lite.ledger, [reachable(1)])
    wave(lite, "first")
    listed(lite, "first")
    ring(lite, "first", "c1", 1, 2)
    notice = "  - {wave: notice, channels: [sms], message: hello, release: 1h, listen: 3d}\n"
    lite.start(plan_text(notice, name="notice", starts=T0 + DAY), T0 + DAY)
    lite.advance(T0 + DAY)
    assert [row.state for row in lite.touches("notice")] == [int(State.SENT)]


def test_rules_without_caps_are_not_asked_and_write_none(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    wave(lite, "first")
    running = load_running(lite.ledger, "first")
    assert running.rules.counted == frozenset()
    with lite.ledger.read() as connection:
        assert connection.execute(select(legal_cap)).all() == []


def test_caps_come_with_todays_file_too(lite: World) -> None:
    """A cap that the file has now binds a campaign that was started without it."""
    put(lite.ledger, [reachable(1), reachable(2)])
    wave(lite, "first")
    wave(lite, "second")
    assert listed(lite, "first") == [1, 2]
    ring(lite, "first", "c1", 1, 2)
    give_back(lite)
    lite.now = T0 + 3 * HOUR
    law(lite, PER_NUMBER)
    assert listed(lite, "second") == [2]


def test_why_names_the_law(lite: World) -> None:
    law(lite, PER_PERSON + "\n      " + REST)
    put(lite.ledger, [reachable(1)])
    wave(lite, "first")
    listed(lite, "first")
    ring(lite, "first", "c1", 1, 2)
    give_back(lite)
    wave(lite, "second", T0 + 2 * DAY)
    with lite.ledger.read() as connection:
        said = list(law_sentences(law_of(connection, load_running(lite.ledger, "second"), "c1", 1)))
    assert verdict_words(lite, "second") == {"c1": "over_limit"}
    assert said == [
        "the law of GB: at most 2 calls to one person in 30 days (the law of a test)",
        "the law of GB: no call for 60 days after one that ended in a refusal (the law of a test)",
    ]
