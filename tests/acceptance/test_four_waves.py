"""Four waves run by the real program: each holds exactly whom its rule names, worked out again from the files."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from tests.acceptance.answers import RANK, SAYS
from tests.acceptance.books import CHANNELS, ticket
from tests.acceptance.replies import DISPOSITIONS
from tests.acceptance.story import Story
from tests.acceptance.town import CAMPAIGN

pytestmark = pytest.mark.acceptance
WAVES = ("push", "notice", "call", "last_word")
VERDICTS = [
    "-",
    "converted",
    "held_out",
    "suppressed",
    "open_case",
    "not_entered",
    "no_address",
    "no_consent",
    "shared_address",
    "hours_unknown",
    "no_legal_hour",
    "over_limit",
    "wave_held_out",
    "go",
]
UNUSED = {"-", "no_legal_hour", "over_limit"}


def written(story: Story, wave: str) -> pd.Series[str]:
    """Customer key to verdict as the ledger holds it."""
    rows = story.program.rows(
        "SELECT c.key, e.verdict FROM enrolment e JOIN customer c ON c.id = e.customer "
        "JOIN wave w ON w.id = e.wave WHERE w.name = ?",
        wave,
    )
    return rows.set_index("key").verdict.map(dict(enumerate(VERDICTS))).sort_index()


def differing(found: pd.Series[str], expected: pd.Series[str]) -> dict[str, str]:
    """The customers on which the two do not agree."""
    both = pd.DataFrame({"found": found, "expected": expected})
    return {key: f"{row.found}, not {row.expected}" for key, row in both[both.found.ne(both.expected)].iterrows()}


def status(story: Story, wave: str) -> dict[str, dict[str, int]]:
    """A wave in the last `status --json`."""
    return next(found for found in story.said["status"]["waves"] if found["wave"] == wave)


def sends(story: Story, wave: str) -> Counter[tuple[str, str]]:
    """(customer, channel) of each outbox line of a wave."""
    return Counter((line["customer"], line["channel"]) for line in story.sent(wave))


@pytest.mark.parametrize("wave", WAVES)
def test_a_wave_holds_exactly_whom_the_rule_names(story: Story, wave: str) -> None:
    expected = story.books.verdicts(wave)
    assert differing(written(story, wave), expected) == {}
    assert status(story, wave)["verdicts"] == Counter(expected)


def test_the_town_shows_every_verdict_outcome_and_disposition_of_this_release(story: Story) -> None:
    verdicts = pd.concat([story.books.verdicts(wave) for wave in WAVES])
    assert set(verdicts) == set(VERDICTS) - UNUSED
    assert set(RANK) <= {event["outcome"] for event in story.books.events}
    assert set(DISPOSITIONS) == {row["disposition"] for row in story.books.calls}
    assert set(SAYS) < set(DISPOSITIONS)


@pytest.mark.parametrize("wave", WAVES)
def test_everybody_who_takes_part_falls_into_one_part(story: Story, wave: str) -> None:
    found = status(story, wave)
    assert found["parts"] == Counter(story.books.parts(wave, story.stage))
    assert (found["state"], found["balanced"]) == ("closed", True)
    outcomes = story.program.rows("SELECT outcome FROM touch t JOIN wave w ON w.id = t.wave WHERE w.name = ?", wave)
    assert sum(found["outcomes"].values()) == outcomes.outcome.notna().sum()


@pytest.mark.parametrize("wave", [wave for wave in WAVES if wave != "call"])
def test_everybody_is_sent_what_the_plan_says_and_once(story: Story, wave: str) -> None:
    books = story.books
    stage, went = books.opened[wave], set(books.went(wave))
    expected = set()
    if wave == "notice":
        sms, email = (set(gate.index[gate.eq("passes")]) for gate in (books.gate(c, stage) for c in ("sms", "email")))
        expected |= {(key, "sms") for key in went & sms - books.refused()}
        expected |= {(key, "email") for key in (went & email - sms) | story.expected["fell"]}
    else:
        for (channel,) in CHANNELS[wave]:
            expected |= {(key, channel) for key in went if books.gate(channel, stage)[key] == "passes"}
    found = sends(story, wave)
    assert set(found) == expected
    assert set(found.values()) == {1}


def test_a_failed_sms_falls_through_to_the_email_when_the_report_says_so(story: Story) -> None:
    later = {line["customer"] for line in story.sent("notice")[story.said["before fall"] :]}
    assert later == story.expected["fell"]
    assert len(later) > 5


def test_every_message_goes_to_the_customers_own_address(story: Story) -> None:
    columns = {"web_push": "push", "sms": "mobile", "email": "email"}
    wrong = [
        line
        for line in story.books.sent
        if story.books.people.loc[line["customer"], columns[line["channel"]]] != line["to"]
    ]
    assert not wrong


def test_the_variant_is_a_lottery_that_never_changes(story: Story) -> None:
    found = {line["customer"]: line["variant"] for line in story.sent("push")}
    share = round(0.6 * 2_147_483_647)
    assert found == {key: 1 if ticket(key, "wave", CAMPAIGN, "push", "variant") < share else 2 for key in found}
    loud = {line["customer"] for line in story.sent("push") if "NOW" in line["fields"]["body"]}
    assert loud == {key for key, variant in found.items() if variant == 2}


def test_a_dial_list_holds_the_best_callable_ones(story: Story) -> None:
    people = story.books.people.reset_index().set_index("full_name")
    for cut in story.said["lists"]:
        assert sorted(people.customer_id[row["name"]] for row in cut["rows"]) == sorted(cut["expected"])
        assert [row["rank"] for row in cut["rows"]] == [str(place + 1) for place in range(len(cut["rows"]))]
        assert [row["phone"] for row in cut["rows"]] == [people.mobile[row["name"]] for row in cut["rows"]]
        assert cut["entries"] == len(cut["rows"])
    first, second = story.said["lists"]
    again = set(first["expected"]) & set(second["expected"])
    assert 0 < len(again) < len(second["expected"]), "who was not called is listed again, beside new ones"


def test_who_may_not_be_called_any_more_leaves_the_queue_and_the_rest_is_over_capacity(story: Story) -> None:
    books, left = story.books, story.dialling
    called = {row["customer"] for row in books.listed if row["kept"]}
    states = {"listed": len(called), "expired": len(left.waiting), "withdrawn": len(left.withdrawn)}
    assert status(story, "call")["states"] == states
    assert left.withdrawn
    assert left.waiting


def test_a_report_counts_once_and_a_stranger_is_kept(story: Story) -> None:
    first = [event for event in story.books.events if event["stage"] == 2]
    own = len({event["provider_event_id"] for event in first})
    assert story.said["events 1"] == {"new": own, "known": len(first) - own, "unknown_touch": 3}
    assert story.said["events 1 again"] == {"new": 0, "known": len(first), "unknown_touch": 3}
    assert story.said["calls 1 again"]["new"] == 0
    assert story.said["sales"] == {"new": 6, "known": 4, "unknown_customer": 1}
    kept = story.program.rows("SELECT provider_event_id FROM event WHERE touch IS NULL").provider_event_id
    strangers = {
        event["provider_event_id"] for event in story.books.events if event["token"] in ("A" * 20, "QUITE-STRANGE")
    }
    assert strangers <= set(kept)


def test_conversion_is_counted_for_everybody_assigned(story: Story) -> None:
    books = story.books
    met, held = books.converted(story.stage), books.members.held_out
    arms = story.said["status"]["conversion"][0]
    assert arms == {
        "name": "campaign",
        "treated": int((~held).sum()),
        "treated_converted": int((met & ~held).sum()),
        "held_out": int(held.sum()),
        "held_out_converted": int((met & held).sum()),
    }


def test_members_are_frozen_when_the_campaign_starts(story: Story) -> None:
    assert story.said["changed"]["updated"] == len(story.books.people)
    rows = story.program.rows("SELECT c.key, m.value, m.tier FROM member m JOIN customer c ON c.id = m.customer")
    found = rows.set_index("key").sort_index()
    assert found.value.astype("Float64").equals(story.books.members.value.rename("value"))
    assert found.tier.fillna("").tolist() == story.books.members.tier.fillna("").tolist()
