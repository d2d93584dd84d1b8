"""VICIdial's API client against the documented answers over HTTP: nobody twice, nothing guessed, no secret told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.call_list.rows import Answered
from channels.call_list.vicidial_answers import said_in
from channels.call_list.vicidial_api import MOST_CUT_OFF, Lead, VicidialApi
from tests.channels.dialler_desk import ALONG, dialler, entry, row
from tests.standins import vicidial as stand
from tests.standins.scripted import Standin
from waves.errors import InputError, SendRefused

ENVIRONMENT = {stand.USER_ENV: stand.USER, stand.PASSWORD_ENV: stand.PASSWORD}


class Desk:
    """A stand-in, and the client of it."""

    def __init__(self) -> None:
        self.there = stand.Dialler()
        self.standin: Standin = stand.start(self.there)
        self._open: list[VicidialApi] = []

    def api(self, environment: dict[str, str] = ENVIRONMENT, **keys: Any) -> VicidialApi:
        told = {
            "url": self.standin.url + stand.PATH,
            "user_env": stand.USER_ENV,
            "password_env": stand.PASSWORD_ENV,
            "timeout": "1s",
        }
        self._open.append(VicidialApi(dialler("vicidial", list_id=998, api={**told, **keys}), environment))
        return self._open[-1]

    def load(self, count: int = 3, **keys: Any) -> list[tuple[str, str]]:
        api = self.api(**keys)
        return words(api.load(leads(api, count)))

    def recall(self, count: int = 1, **keys: Any) -> list[tuple[str, str]]:
        return words(self.api(**keys).recall([entry(n) for n in range(count)]))

    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(asked.body.decode(), keep_blank_values=True)) for asked, _ in self.standin.exchanges]

    def close(self) -> None:
        for api in self._open:
            api.close()
        self.standin.stop()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def leads(api: VicidialApi, count: int, **changes: Any) -> list[Lead]:
    rows = [row(f"+1212555{1000 + n}", token=entry(n), rank=n + 1, **changes) for n in range(count)]
    return api.leads(rows, ALONG, 998)


def words(answers: list[Answered]) -> list[tuple[str, str]]:
    return [(answer.word, answer.why) for answer in answers]


LOADED, THERE = ("loaded", ""), ("there", "")


def test_an_entry_becomes_a_lead_and_the_secret_stands_in_no_address(desk: Desk) -> None:
    api = desk.api(source="desk-1", campaign="RENEW")
    made = api.leads([row("+12125551000", first_name='O\'Neil; "Ann"', batch="list-7")], ALONG, 999)
    assert words(api.load(made)) == [LOADED]
    (form,) = desk.forms()
    expected = {
        "source": "desk-1",
        "function": "add_lead",
        "vendor_lead_code": "DIALENTRY00000000001",
        "source_id": "list-7",
        "list_id": "999",
        "phone_code": "1",
        "phone_number": "2125551000",
        "first_name": "ONeil Ann",
        "rank": "32767",
        "duplicate_check": "DUPLIST",
        "list_exists_check": "Y",
        "dnc_check": "Y",
        "campaign_dnc_check": "Y",
        "campaign_id": "RENEW",
    }
    assert {name: form[name] for name in expected} == expected
    asked, _ = desk.standin.exchanges[0]
    assert (asked.method, stand.PASSWORD in asked.url) == ("POST", False)


def test_a_repeated_load_adds_nobody(desk: Desk) -> None:
    assert desk.load() == [LOADED] * 3
    assert desk.load() == [THERE] * 3
    assert set(desk.there.codes().values()) == {1}


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "accept_then_reset"},
        {"fault": "accept_then_hang"},
        {"fault": "half"},
        {"fault": "accept_then_say", "status": 500, "body": "<b>Fatal error</b>: out of memory"},
        {"fault": "accept_then_say", "status": 504, "body": ""},
        {"fault": "accept_then_say", "status": 200, "body": ""},
        {"fault": "accept_then_say", "status": 200, "body": "NOTICE: add_lead SOMETHING ELSE - 1|2"},
    ],
    ids=lambda fault: f"{fault['fault']} {fault.get('status', '')} {fault.get('body', '')[:6]}",
)
def test_what_was_cut_off_after_it_was_taken_is_found_and_never_added_again(desk: Desk, fault: dict[str, Any]) -> None:
    desk.standin.fail({**fault, "requests": [2]})
    said = desk.load(parallel=1)
    assert said[0] == said[2] == LOADED
    assert said[1][0] in ("loaded", "in_doubt")
    assert set(desk.there.codes().values()) == {1}
    assert sum(form["function"] == "add_lead" for form in desk.forms()) == 3
    desk.standin.fail()
    assert desk.load() == [THERE] * 3
    assert set(desk.there.codes().values()) == {1}


@pytest.mark.parametrize("fault", [{"fault": "reset"}, {"fault": "hang"}, {"fault": "say", "status": 500}])
def test_what_was_cut_off_and_is_not_there_stays_in_doubt_until_the_next_load(
    desk: Desk, fault: dict[str, Any]
) -> None:
    desk.standin.fail({**fault, "requests": [1]})
    assert desk.load(parallel=1) == [("in_doubt", "cut off"), LOADED, LOADED]
    assert sum(form["function"] == "add_lead" for form in desk.forms()) == 3, "it may still be at work there"
    desk.standin.fail()
    assert desk.load() == [LOADED, THERE, THERE]
    assert set(desk.there.codes().values()) == {1}


def test_an_add_that_was_slow_to_end_and_its_repetition_are_one_lead(desk: Desk) -> None:
    desk.standin.fail({"fault": "reset", "requests": [1]})
    assert desk.load(1) == [("in_doubt", "cut off")]
    api = desk.api()
    assert words(api.load(leads(api, 1))) == [LOADED]
    late = desk.forms()[0]
    desk.there._add(late, True)  # the first request, at last
    assert desk.there.codes() == {entry(0): 1}


def test_the_number_of_another_lead_is_refused_and_a_lookup_without_answer_is_in_doubt(desk: Desk) -> None:
    desk.there.put("SOMEBODYELSE", "2125551001")
    assert desk.load() == [LOADED, ("refused", "another lead of the list has its number"), LOADED]
    desk.standin.fail({"fault": "reset", "requests": [2]})
    assert desk.load(1)[0][0] == "in_doubt"


def test_a_refusal_of_one_lead_stops_no_other(desk: Desk) -> None:
    desk.there.dnc.add("2125551000")
    api = desk.api()
    more = [row("+37212345", token=entry(9)), row("+12125551009", token=entry(8))]
    said = words(api.load([*leads(api, 1), *api.leads(more, ALONG, 998)]))
    assert said == [("refused", "PHONE NUMBER IN DNC"), ("refused", "INVALID PHONE NUMBER LENGTH"), LOADED]


def test_what_speaks_of_more_than_the_lead_stops_the_rest(desk: Desk) -> None:
    desk.there.allowed = False
    why = "VICIdial answers: USER DOES NOT HAVE PERMISSION TO ADD LEADS TO THE SYSTEM"
    assert desk.load(4, parallel=1) == [("not_asked", why)] * 4
    assert len(desk.standin.exchanges) == 1
    desk.there.allowed = True
    api = desk.api()
    made = api.leads([row(token=entry(1))], ALONG, 555)
    said = "VICIdial answers: NOT A DEFINED LIST ID, LIST EXISTS CHECK ENABLED"
    assert words(api.load(made)) == [("not_asked", said)]


def test_a_failed_login_tells_no_password(desk: Desk) -> None:
    wrong = {**ENVIRONMENT, stand.PASSWORD_ENV: "wrong-word"}
    said = desk.load(2, environment=wrong, parallel=1)
    assert said == [("not_asked", "VICIdial answers: Login incorrect, please try again")] * 2
    assert len(desk.standin.exchanges) == 1, "a user is locked out after a few"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"status": 403}, "HTTP 403"),
        ({"status": 404}, "HTTP 404"),
        ({"status": 302, "headers": {"Location": "https://elsewhere.example.com/"}}, "HTTP 302"),
        ({"status": 503, "headers": {"Retry-After": "9"}}, "HTTP 503"),
        ({"status": 429}, "HTTP 429"),
    ],
)
def test_its_web_server_refuses(desk: Desk, said: dict[str, Any], why: str) -> None:
    desk.standin.fail({"fault": "say", "from": 1, **said})
    assert desk.load(2, parallel=1) == [("not_asked", f"its web server answers {why}")] * 2
    assert desk.there.leads == []


def test_a_server_in_trouble_is_not_fed_on(desk: Desk) -> None:
    desk.standin.fail({"fault": "reset", "from": 1})
    said = desk.load(20, parallel=1)
    assert len(desk.standin.exchanges) == MOST_CUT_OFF
    assert {word for word, _ in said[4:]} == {"not_asked"}


def test_without_a_connection_nothing_is_in_doubt(desk: Desk) -> None:
    desk.standin.fail({"fault": "accept_then_die", "requests": [1]})
    desk.load(1)
    desk.standin.exchanges.clear()
    ((word, why),) = desk.load(1)
    assert (word, why.startswith("no connection to VICIdial")) == ("not_asked", True)


AT = datetime(2026, 12, 4, 19, 30, tzinfo=UTC)


def promised(desk: Desk, agent: str | None = "ann", **keys: Any) -> list[tuple[str, str]]:
    api = desk.api(**{"campaign": "RENEW", **keys})
    return words(api.load(leads(api, 1, callback_at=AT, callback_agent=agent)))


@pytest.mark.parametrize(
    ("agent", "as_told"),
    [("ann", ("USERONLY", "ann")), (None, ("ANYONE", "")), ("left-us", ("ANYONE", ""))],
)
def test_a_promised_call_is_scheduled_at_its_time_of_its_agent_or_anybody(
    desk: Desk, agent: str | None, as_told: tuple[str, str]
) -> None:
    assert promised(desk, agent) == [LOADED]
    assert desk.there.callbacks == {1: ("2026-12-04 14:30:00", *as_told)}, "by the clock of its server"
    assert desk.there.leads[0].status == "CBHOLD"


def test_a_promise_that_cannot_be_scheduled_is_told(desk: Desk) -> None:
    assert promised(desk, campaign=None)[0][0] == "refused"
    assert desk.there.leads == []
    desk.standin.fail({"fault": "accept_then_reset", "requests": [1]})
    assert promised(desk) == [LOADED], "the lead was found, and its call scheduled"
    assert len(desk.there.callbacks) == 1
    desk.there.leads.clear()
    desk.standin.fail({"fault": "reset", "from": 2})
    assert promised(desk, "left-us") == [("unscheduled", "cut off before its promised call was scheduled")]


def test_a_lead_is_off_once_it_is_out_of_the_hopper(desk: Desk) -> None:
    lead = desk.there.put(entry(0), "2125551000")
    desk.there.hopper[lead.id] = "READY"
    desk.there.callbacks[lead.id] = ("2026-12-04 14:30:00", "ANYONE", "")
    assert desk.recall() == [("off", "")]
    assert (desk.there.dialable(), desk.there.callbacks, lead.status) == (set(), {}, "RECALL")
    assert desk.recall() == [("off", "")], "however often it is asked"


def test_every_lead_with_its_token_leaves_the_hopper(desk: Desk) -> None:
    for into in ("998", "999", "998"):
        desk.there.hopper[desk.there.put(entry(0), "2125551000", into).id] = "READY"
    assert desk.recall() == [("off", "")]
    assert desk.there.dialable() == set()


def test_who_may_still_be_dialled_is_never_off(desk: Desk) -> None:
    lead = desk.there.put(entry(0), "2125551000")
    desk.there.hopper[lead.id] = "INCALL"
    assert desk.recall() == [("on_a_call", "it is in a call, or about to be")]
    assert desk.recall(2)[1] == ("not_there", "")
    desk.there.has_hopper_words = False
    assert desk.recall()[0][0] == "refused"


@pytest.mark.parametrize("fault", ["reset", "accept_then_reset", "half", "hang"])
def test_a_recall_that_was_cut_off_is_asked_again_at_once(desk: Desk, fault: str) -> None:
    desk.there.put(entry(0), "2125551000")
    desk.standin.fail({"fault": fault, "requests": [1]})
    assert desk.recall() == [("off", "")]
    desk.standin.fail({"fault": fault, "requests": [1, 2]})
    assert desk.recall() == [("in_doubt", "cut off")]


def test_without_a_user_nothing_is_asked(desk: Desk) -> None:
    with pytest.raises(SendRefused, match=f"{stand.PASSWORD_ENV} is not set"):
        desk.api(environment={stand.USER_ENV: "x"})
    with pytest.raises(InputError, match="has no `api`"):
        VicidialApi(dialler("vicidial"), ENVIRONMENT)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("ERROR: Login incorrect, please try again: |6666|hunter2|BAD|", "Login incorrect, please try again"),
        ("ERROR: Your IP Address is not allowed: 10.0.0.1: ||IPBLOCK|", "Your IP Address is not allowed"),
        ("ERROR: add_lead LEAD HAS NOT BEEN ADDED - 7275551111|9|INSERT|6666", "LEAD HAS NOT BEEN ADDED"),
        ("ERROR: update_lead NO VALID SEARCH METHOD - 6666|LEAD_ID|||", "NO VALID SEARCH METHOD"),
        ("ERROR: <b>what</b> 7275551111", "something that VICIdial's documentation has not"),
    ],
)  # fmt: skip
def test_no_echo_is_kept(line: str, word: str) -> None:
    (said,) = said_in(f"<br />\nDEBUG: select 1\n  {line}\r\n".encode())
    assert (said.short, said.lead) == (word, None)


FAULTS = st.sampled_from(["reset", "accept_then_reset", "half", "say", "accept_then_say"])
RULES = st.lists(st.tuples(FAULTS, st.integers(1, 12)), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(RULES, max_size=3))
def test_whatever_breaks_everybody_is_loaded_once(desk: Desk, runs: list[list[tuple[str, int]]]) -> None:
    desk.there.leads.clear()
    for rules in runs:
        broken = {"status": 500, "body": "oops"}
        desk.standin.fail(*({"fault": fault, "requests": [turn], **broken} for fault, turn in rules))
        for n, (word, _) in enumerate(desk.load(4)):
            assert word not in ("loaded", "there") or desk.there.codes()[entry(n)] == 1
    desk.standin.fail()
    assert {word for word, _ in desk.load(4)} <= {"loaded", "there"}
    assert desk.there.codes() == {entry(n): 1 for n in range(4)}
