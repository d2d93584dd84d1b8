"""Consent in an import: the latest wins, a denial wins in doubt, and no import undoes a STOP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.consent import DENIED, GRANTED, NOTHING, UNKNOWN, Said, Standing, inherited, lay_over, read_word
from segments.values import Unfit
from tests.import_desk import NOW, Desk, person
from waves.errors import InputError
from waves.message import Consent

DAY = timedelta(days=1)
times = st.none() | st.integers(0, 5)
words = st.sampled_from([UNKNOWN, GRANTED, DENIED])
standings = st.builds(Standing, words, st.sampled_from(["crm", "event"]), times)
sayings = st.none() | st.builds(Said, words, st.just("file"), times)


@pytest.mark.parametrize(
    ("known", "said", "after"),
    [
        (NOTHING, None, NOTHING),
        (NOTHING, Said(UNKNOWN, "file"), NOTHING),
        (NOTHING, Said(GRANTED, "file"), Standing(GRANTED, "file", 9)),
        (NOTHING, Said(DENIED, "file", 3), Standing(DENIED, "file", 3)),
        (Standing(GRANTED, "crm", 5), None, Standing(GRANTED, "crm", 5)),
        (Standing(GRANTED, "crm", 5), Said(GRANTED, "file"), Standing(GRANTED, "crm", 5)),
        (Standing(GRANTED, "crm", 5), Said(GRANTED, "file", 4), Standing(GRANTED, "crm", 5)),
        (Standing(GRANTED, "crm", 5), Said(GRANTED, "file", 6), Standing(GRANTED, "file", 6)),
        (Standing(GRANTED, "crm", 5), Said(DENIED, "file"), Standing(DENIED, "file", 9)),
        (Standing(GRANTED, "crm", 5), Said(DENIED, "file", 5), Standing(DENIED, "file", 5)),
        (Standing(GRANTED, "crm", 5), Said(DENIED, "file", 4), Standing(GRANTED, "crm", 5)),
        (Standing(GRANTED, "crm", None), Said(DENIED, "file", 1), Standing(DENIED, "file", 1)),
        (Standing(DENIED, "event", 5), Said(GRANTED, "file"), Standing(DENIED, "event", 5)),
        (Standing(DENIED, "event", 5), Said(GRANTED, "file", 5), Standing(DENIED, "event", 5)),
        (Standing(DENIED, "event", 5), Said(GRANTED, "file", 6), Standing(GRANTED, "file", 6)),
        (Standing(DENIED, "event", None), Said(GRANTED, "file", 6), Standing(DENIED, "event", None)),
        (Standing(DENIED, "event", 5), Said(DENIED, "file", 7), Standing(DENIED, "event", 7)),
        (Standing(DENIED, "event", 5), Said(DENIED, "file"), Standing(DENIED, "event", 5)),
        (Standing(DENIED, "event", None), Said(DENIED, "file", 7), Standing(DENIED, "event", None)),
    ],
)
def test_what_a_file_says_over_what_is_known(known: Standing, said: Said | None, after: Standing) -> None:
    assert lay_over(known, said, 9) == after


@given(standings, sayings)
def test_saying_it_again_changes_nothing(known: Standing, said: Said | None) -> None:
    once = lay_over(known, said, 10)
    assert lay_over(once, said, 11) == once


@given(standings, sayings)
def test_only_a_later_grant_lifts_a_denial(known: Standing, said: Said | None) -> None:
    if known.consent == DENIED and lay_over(known, said, 10).consent != DENIED:
        assert said is not None
        assert said.at is not None
        assert known.at is not None
        assert said.at > known.at


@given(st.lists(standings.map(lambda known: Standing(DENIED, known.source, known.at))))
def test_a_new_address_starts_from_the_strongest_denial(denials: list[Standing]) -> None:
    start = inherited(denials)
    assert start == inherited(denials[::-1])
    if any(denial.at is None for denial in denials):
        assert start.at is None
    else:
        assert start.at == max((denial.at or 0 for denial in denials), default=None)


@pytest.mark.parametrize("cell", ["maybe", "oui", "2", "yes please"])
def test_a_strange_word_is_refused(cell: str) -> None:
    with pytest.raises(Unfit, match="expected yes, no or an empty cell"):
        read_word(cell)


def test_consent_without_a_time_takes_the_first_import_and_a_no_acts_at_once(desk: Desk) -> None:
    def email() -> tuple[str, str | None, datetime | None]:
        return desk.consent("c1", "email")["c1@example.com"]

    desk.put(person(1))
    desk.put(person(1), later=DAY)
    assert email() == ("GRANTED", "crm", NOW)
    desk.put(person(1, email_ok=""), later=DAY)
    assert email() == ("GRANTED", "crm", NOW)
    desk.put(person(1, email_ok="no"), later=DAY)
    assert email() == ("DENIED", "crm", NOW + 3 * DAY)
    desk.put(person(1), later=DAY)
    assert email() == ("DENIED", "crm", NOW + 3 * DAY)


def test_a_stop_outlasts_the_file_until_a_later_grant(desk: Desk) -> None:
    number = "+15125550101"
    desk.put(person(1))
    stop = NOW + DAY
    desk.change("c1", "sms", consent=int(Consent.DENIED), consent_source="event", consent_at=stop)
    desk.put(person(1), later=2 * DAY)
    desk.put(person(1, sms_at=stop.isoformat()))
    assert desk.consent("c1", "sms") == {number: ("DENIED", "event", stop)}
    later = stop + timedelta(seconds=1)
    desk.put(person(1, sms_at=later.isoformat()))
    assert desk.consent("c1", "sms") == {number: ("GRANTED", "crm", later)}


def test_a_new_number_inherits_the_stop_of_the_old_one(desk: Desk) -> None:
    desk.put(person(1))
    stop = NOW + DAY
    desk.change("c1", "sms", consent=int(Consent.DENIED), consent_source="event", consent_at=stop)
    desk.put(person(1, mobile="+15125550155"), later=2 * DAY)
    assert desk.consent("c1", "sms")["+15125550155"] == ("DENIED", "inherited", stop)
    desk.put(person(1, mobile="+15125550166", sms_at=(stop + DAY).isoformat()))
    assert desk.consent("c1", "sms")["+15125550166"] == ("GRANTED", "crm", stop + DAY)
    assert desk.consent("c1", "sms")["+15125550101"] == ("DENIED", "event", stop)


def test_a_denial_covers_addresses_that_the_file_no_longer_names(desk: Desk) -> None:
    desk.put(person(1))
    desk.put(person(1, email="", email_ok="no"), later=DAY)
    assert desk.consent("c1", "email") == {"c1@example.com": ("DENIED", "crm", NOW + DAY)}


@pytest.mark.parametrize("chunk", [1, 1000])
def test_a_stopped_number_is_denied_for_whoever_else_brings_it(desk: Desk, chunk: int) -> None:
    desk.put(person(1))
    stop = NOW + DAY
    desk.change("c1", "sms", consent=int(Consent.DENIED), consent_source="event", consent_at=stop)
    regranted = person(1, sms_at=(stop + timedelta(hours=1)).isoformat())
    desk.put(regranted, person(2, mobile="+15125550101"), later=2 * DAY, chunk=chunk)
    assert desk.consent("c1", "sms")["+15125550101"][0] == "GRANTED"
    assert desk.consent("c2", "sms") == {"+15125550101": ("DENIED", "event", stop)}
    assert desk.consent("c2", "call_list")["+15125550101"][0] == "GRANTED"


def test_a_denial_dated_in_the_future_acts_at_once(desk: Desk) -> None:
    desk.put(person(1, sms_ok="no", sms_at="2099-01-01T00:00:00Z"))
    assert desk.consent("c1", "sms")["+15125550101"] == ("DENIED", "crm", NOW)


def test_the_sources_that_the_ledger_writes_are_not_for_files(desk: Desk) -> None:
    desk.schema = {**desk.schema, "consent": {"email": {"column": "email_ok", "source": "event"}}}
    with pytest.raises(InputError, match="consent source of email is 'event'"):
        desk.put(person(1))


def test_a_stop_that_comes_while_the_import_runs_is_seen(desk: Desk) -> None:
    from config.schema import CustomersSchema
    from segments.customers import import_customers

    desk.put(person(1))
    schema = CustomersSchema.model_validate(desk.schema)
    path = desk.write([person(3), person(2, mobile="+15125550101", sms_at="2026-01-02T00:00:00Z")])
    stop = datetime(2026, 5, 1, tzinfo=UTC)

    def stopped(rows: int) -> None:
        if rows == 1:
            desk.change("c1", "sms", consent=int(Consent.DENIED), consent_source="event", consent_at=stop)

    import_customers(desk.ledger, schema, path, desk.rejects, NOW, stopped, chunk=1)
    assert desk.consent("c2", "sms") == {"+15125550101": ("DENIED", "event", stop)}
