import math
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from channels.conversions_file import read_conversions
from channels.events_file import OUTCOMES
from console.demo.odds import DISPOSITIONS, load_odds
from console.demo.world import DEMO, FIRST, call, deposit, load_world, number_of, prompted, respond, unprompted
from waves.errors import InputError
from waves.outcomes import Reason

SENT = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
DRAWS = 20_000
CUSTOMERS = range(FIRST, FIRST + DRAWS)


@pytest.fixture(scope="module")
def world():
    return load_world()


def line(number, channel="email", **changes):
    made = {"token": f"T{number}", "channel": channel, "name": f"Customer {number}", "campaign": "c", "wave": "w"}
    return {**made, "at": SENT.isoformat(), **changes}


def row(number):
    return {"token": f"T{number}", "phone": "+12025550100", "name": f"Customer {number}", "team": "east"}


def near(count, share, of=DRAWS):
    """Within 4.5 standard deviations of the binomial: with a fixed seed it holds or it does not, never sometimes."""
    return abs(count - share * of) <= 4.5 * math.sqrt(of * share * (1 - share)) + 1


def test_the_answers_are_the_real_ones(world):
    assert len(world.would) == 4640
    assert len([n for n in world.would if n >= FIRST]) == 3726


def test_a_draw_is_uniform_and_its_own(world):
    drawn = [world.draw(n, "a") for n in CUSTOMERS]
    assert all(0 <= u < 1 for u in drawn)
    for tenth in range(10):
        assert near(sum(int(u * 10) == tenth for u in drawn), 0.1)
    assert near(sum(u < 0.5 and world.draw(n, "b") < 0.5 for n, u in zip(CUSTOMERS, drawn, strict=True)), 0.25)


@pytest.mark.parametrize("channel", ["web_push", "sms", "email"])
def test_messages_come_back_as_often_as_the_odds_say(world, channel):
    odds = world.odds.messages[channel]
    words = Counter()
    silent = 0
    for number in CUSTOMERS:
        events = respond(world, line(number, channel))
        silent += not events
        words.update(str(event["outcome"]) for event in events)
    alive = 1 - odds.bounced_hard
    delivered = alive * (1 - odds.bounced_soft - odds.silent)
    assert near(words["bounced_hard"], odds.bounced_hard)
    assert near(words["bounced_soft"], alive * odds.bounced_soft)
    assert near(silent, alive * odds.silent)
    assert near(words["delivered"], delivered)
    assert near(words[odds.seen_as], delivered * odds.seen) or odds.seen_as is None
    for word in ("replied", "unsubscribed", "complained"):
        assert near(words[word], delivered * odds.seen * getattr(odds, word))
    would = sum(n in world.would for n in CUSTOMERS) / DRAWS
    click = would * odds.clicked.would + (1 - would) * odds.clicked.would_not
    assert near(words["clicked"], delivered * odds.seen * click)


def test_events_are_what_an_events_file_holds(world):
    for number in range(FIRST, FIRST + 2000):
        for channel in world.odds.messages:
            events = respond(world, line(number, channel))
            times = [datetime.fromisoformat(event["at"]) for event in events]
            assert times == sorted(times)
            assert all(SENT < at < SENT + timedelta(hours=7) for at in times)
            assert {event["outcome"] for event in events} <= set(OUTCOMES)
            assert {event["reason"].upper() for event in events if "reason" in event} <= set(Reason.__members__)
            assert len({event["provider_event_id"] for event in events}) == len(events)


def test_calls_end_as_often_as_the_odds_say(world):
    odds, words, would = world.odds.calls, Counter(), Counter()
    for number in CUSTOMERS:
        word = call(world, row(number), 1, SENT)["disposition"]
        words[word] += 1
        would[word] += number in world.would
    alive = 1 - odds.invalid_number - odds.wrong_number
    reached = alive * odds.attempt["right_party"]
    yes = sum(n in world.would for n in CUSTOMERS) / DRAWS
    assert near(words["invalid_number"], odds.invalid_number)
    assert near(words["wrong_number"], odds.wrong_number)
    for word in ("no_answer", "machine", "busy", "gatekeeper", "hung_up", "temporary_failure"):
        assert near(words[word], alive * odds.attempt[word])
    assert near(words["sale"], reached * yes)
    for word, share in odds.would_not.items():
        assert near(words[word], reached * (1 - yes) * share)
        assert would[word] == 0, "who would buy and is spoken to, buys"
    assert would["sale"] == words["sale"]
    assert set(words) <= set(DISPOSITIONS)


def test_attempts_differ_but_the_number_stays_what_it_is(world):
    first, second = ([call(world, row(n), k, SENT)["disposition"] for n in range(FIRST, FIRST + 2000)] for k in (1, 2))
    dead = {"invalid_number", "wrong_number"}
    assert all(a == b for a, b in zip(first, second, strict=True) if a in dead or b in dead)
    assert sum(a != b for a, b in zip(first, second, strict=True)) > 1000


def test_nothing_depends_on_order_tokens_or_what_was_asked_before(world):
    numbers = list(range(FIRST, FIRST + 300))
    made = {n: (respond(world, line(n)), call(world, row(n), 1, SENT), prompted(world, n, SENT)) for n in numbers}
    random.Random(1).shuffle(numbers)
    fresh = load_world()
    assert {
        n: (respond(fresh, line(n)), call(fresh, row(n), 1, SENT), prompted(fresh, n, SENT)) for n in numbers
    } == made
    for number in numbers:
        other = [(e["outcome"], e["at"]) for e in respond(world, line(number, token="OTHER"))]
        assert other == [(e["outcome"], e["at"]) for e in made[number][0]]


def test_another_seed_is_another_world(world):
    other = replace(world, odds=world.odds.model_copy(update={"seed": 1}))
    assert sum(respond(world, line(n)) != respond(other, line(n)) for n in range(FIRST, FIRST + 200)) > 100


def test_only_who_would_converts(world, tmp_path):
    end = SENT + timedelta(days=12)
    asked = [prompted(world, n, SENT) for n in CUSTOMERS]
    alone = [unprompted(world, n, SENT, end) for n in CUSTOMERS]
    would = sum(n in world.would for n in CUSTOMERS)
    assert sum(item is not None for item in asked) == would
    assert near(sum(item is not None for item in alone), world.odds.conversions.unprompted, would)
    made = [item for item in asked + alone if item]
    assert {item["customer"] for item in made} <= {f"bank-{n}" for n in world.would}
    path = tmp_path / "conversions.csv"
    path.write_text("\n".join([",".join(made[0]), *(",".join(item.values()) for item in made)]))
    rows = read_conversions(path)
    assert all(SENT <= item.at <= end for item in rows)
    assert all(item.value == deposit(world, int(item.source_id)) > 0 for item in rows)


@pytest.mark.parametrize("name", [None, "", "Ann", "Customer x", "Customer 1; drop"])
def test_who_is_not_of_the_demo_is_refused(name):
    with pytest.raises(InputError, match="not to a customer of the demo"):
        number_of({"name": name})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("right_party: 0.36", "right_party: 0.46", "add up to 1.1"),
        ("not_interested: 0.72", "sale: 0.72", "sale is no disposition"),
        ("no_answer: 0.31", "no_anwser: 0.31", "no_anwser is neither"),
        ("granted: 0.72", "granted: 0.99", "more than 1"),
        ("silent: 0.12", "silent: 1.12", "messages.web_push.silent"),
        ("seed:", "sed:", "sed: Extra inputs"),
        ("seed: 2", "seed: [", "cannot be read"),
    ],
)
def test_odds_that_cannot_be_are_refused(tmp_path, old, new, said):
    text = (DEMO / "world.yaml").read_text()
    assert old in text
    (tmp_path / "world.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        load_odds(tmp_path / "world.yaml")
    assert said in str(error.value)
