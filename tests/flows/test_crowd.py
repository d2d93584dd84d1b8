"""The crowd answers as often as its world says, by segment and hour, and whoever asks in whatever order."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from config.world_file import WorldFile
from flows.crowd import Crowd
from ledger.people import Person
from tests.worlds import WORLD, write_world
from waves.dispositions import Disposition
from waves.outcomes import Outcome, Side

SENT = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
COUNT = 6_000
PEOPLE = [Person(f"c{n}", "Europe/London") for n in range(COUNT)]
RICH = [Person(f"c{n}", "Europe/London", frozenset({"rich"})) for n in range(COUNT)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> WorldFile:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def crowd(file: WorldFile) -> Crowd:
    return Crowd(file, "Europe/Kyiv")


def near(count: int, share: float, of: float = COUNT) -> bool:
    """Within 4.5 standard deviations of the binomial: with a fixed seed it holds or it does not, never sometimes."""
    return abs(count - share * of) <= 4.5 * math.sqrt(of * share * (1 - share)) + 1


def words(crowd: Crowd, channel: str, people: Sequence[Person], sent: datetime = SENT) -> Counter[str]:
    found: Counter[str] = Counter()
    for person in people:
        said = crowd.answers(person, channel, sent, "test", "first")
        found.update(each.outcome.name for each in said)
        found["silent"] += not said
    return found


def test_a_draw_is_uniform_and_its_own(crowd: Crowd) -> None:
    drawn = [crowd.draw(person.key, "a") for person in PEOPLE]
    assert all(0 <= u < 1 for u in drawn)
    assert all(near(sum(int(u * 10) == tenth for u in drawn), 0.1) for tenth in range(10))
    both = sum(u < 0.5 and crowd.draw(person.key, "b") < 0.5 for person, u in zip(PEOPLE, drawn, strict=True))
    assert near(both, 0.25)


def test_messages_come_back_as_often_as_the_world_says(crowd: Crowd) -> None:
    found = words(crowd, "sms", PEOPLE)
    delivered = 0.97 * (1 - 0.18)
    assert near(found["BOUNCED_HARD"], 0.03)
    assert near(found["BOUNCED_SOFT"], 0.97 * 0.08)
    assert near(found["silent"], 0.97 * 0.1)
    assert near(found["DELIVERED"], delivered)
    assert near(found["CLICKED"], delivered * 0.8 * 0.2)
    assert near(found["REPLIED"], delivered * 0.8 * 0.05)
    assert found["DISPLAYED"] == found["READ"] == 0
    push = words(crowd, "web_push", PEOPLE)
    assert near(push["DISPLAYED"], 0.95 * 0.9 * 0.6)
    assert near(push[Side.UNSUBSCRIBED.name], 0.95 * 0.9 * 0.6 * 0.02)


def test_a_segment_and_an_hour_make_a_difference(crowd: Crowd) -> None:
    delivered = 0.97 * 0.82
    assert near(words(crowd, "sms", RICH)["CLICKED"], delivered * 0.8 * 0.5)
    morning = SENT.replace(hour=11)
    assert near(words(crowd, "sms", PEOPLE, morning)["CLICKED"], delivered * 0.8 * 0.7 * 0.2)


@pytest.mark.parametrize(("zone", "hour"), [("Asia/Tokyo", 23), ("America/New_York", 9), (None, 16)])
def test_the_hour_is_the_customers_own_else_the_plans(crowd: Crowd, zone: str | None, hour: int) -> None:
    assert crowd.local_hour(Person("c1", zone), SENT) == hour


def test_a_dead_address_is_dead_every_time(crowd: Crowd) -> None:
    def dead(wave: str) -> set[str]:
        return {
            person.key
            for person in PEOPLE[:3000]
            if Outcome.BOUNCED_HARD in [said.outcome for said in crowd.answers(person, "sms", SENT, "test", wave)]
        }

    assert dead("first") == dead("second") != set()


def test_half_the_delays_are_shorter_than_their_median(crowd: Crowd) -> None:
    waits = []
    for person in PEOPLE[:5000]:
        at = {said.outcome: said.at for said in crowd.answers(person, "email", SENT, "test", "first")}
        if Outcome.READ in at:
            waits.append((at[Outcome.READ] - at[Outcome.DELIVERED]) / timedelta(minutes=1))
    assert median(waits) == pytest.approx(90, rel=0.12)
    assert min(waits) >= 0


def test_calls_end_as_often_as_the_world_says(crowd: Crowd) -> None:
    first, second = ([crowd.call(p, nth, SENT, "test", "call").disposition for p in PEOPLE] for nth in (1, 2))
    found, alive = Counter(first), 0.92
    assert near(found[Disposition.INVALID_NUMBER], 0.05)
    assert near(found[Disposition.WRONG_NUMBER], 0.03)
    assert near(found[Disposition.NO_ANSWER], alive * 0.4)
    assert near(found[Disposition.SALE], alive * 0.4 * 0.25)
    dead = {Disposition.INVALID_NUMBER, Disposition.WRONG_NUMBER}
    assert all(a == b for a, b in zip(first, second, strict=True) if a in dead or b in dead)
    assert sum(a != b for a, b in zip(first, second, strict=True)) > COUNT / 4


def test_attempts_and_hours_change_who_answers(tmp_path: Path) -> None:
    text = WORLD.replace("  says:", "  attempts: {2: {right_party: 0.1, busy: 0.9}}\n  hours: {14: 0.5}\n  says:")
    crowd = Crowd(write_world(tmp_path, text), "UTC")
    spoken = (Disposition.SALE, Disposition.NOT_INTERESTED, Disposition.DNC_REQUEST)

    def reached(nth: int, at: datetime) -> Counter[bool]:
        return Counter(crowd.call(p, nth, at, "test", "call").disposition in spoken for p in PEOPLE)

    of = COUNT * 0.92
    assert near(reached(1, SENT)[True], 0.2, of)
    assert near(reached(1, SENT + timedelta(hours=1))[True], 0.4, of)
    assert near(reached(3, SENT + timedelta(hours=1))[True], 0.1, of)


def test_conversions(crowd: Crowd) -> None:
    assert near(sum(crowd.prompted(p, "engaged", SENT, "test") is not None for p in PEOPLE), 0.4)
    assert near(sum(crowd.prompted(p, "after_sale", SENT, "test") is not None for p in PEOPLE), 0)
    window = timedelta(days=14)
    alone = [at for p in PEOPLE if (at := crowd.unprompted(p, SENT, window, "test")) is not None]
    assert near(len(alone), 0.03)
    assert all(SENT <= at < SENT + window for at in alone)
    values = [worth[0] for p in PEOPLE[:4000] if (worth := crowd.worth(p.key))]
    assert float(median(values)) == pytest.approx(100, rel=0.05)


def test_nothing_depends_on_order_or_what_was_asked_before(crowd: Crowd, file: WorldFile) -> None:
    def asked(of: Crowd, person: Person) -> object:
        touch = ("test", "first")
        return of.answers(person, "sms", SENT, *touch), of.call(person, 1, SENT, *touch), of.worth(person.key)

    people = PEOPLE[:300]
    made = {person.key: asked(crowd, person) for person in people}
    random.Random(1).shuffle(people)
    fresh = Crowd(file, "Europe/Kyiv")
    assert {person.key: asked(fresh, person) for person in people} == made
    other = Crowd(file, "Europe/Kyiv", seed=8)
    assert sum(asked(other, person) != made[person.key] for person in people) > 200
