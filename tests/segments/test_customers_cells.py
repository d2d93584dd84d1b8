"""Cells, addresses and places: what is understood, what is refused, and that every short cut is right."""

from __future__ import annotations

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from segments.addresses import KINDS, email, phone, plain
from segments.values import READERS, Unfit
from segments.zones import Place, canonical, whereabouts
from waves.message import CHANNEL_CODES

AUSTIN, TOLL_FREE = ("US", ("America/Chicago",)), ("US", ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("integer", "-9223372036854775808", -(2**63)),
        ("integer", "+007", 7),
        ("number", "1.", 1.0),
        ("number", "-0", 0.0),
        ("number", "1e-400", 0.0),
        ("text", "no\u00a0break, soft\u00adhyphen, 名", "no\u00a0break, soft\u00adhyphen, 名"),
        ("boolean", "N", False),
        ("boolean", "TRUE", True),
        ("date", "1969-12-31", -1),
        ("datetime", "1970-01-01 00:00:01.5Z", 1_500_000),
        ("datetime", "1970-01-01T02:00+02:00", 0),
    ],
)
def test_a_cell_in_its_type(kind: str, cell: str, value: object) -> None:
    found = READERS[kind](cell)
    assert found == value
    assert str(found) == str(value)


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        *(("integer", cell) for cell in ("1.0", "1_000", "٣", "9223372036854775808", "9" * 5000, "0x1", "")),
        *(("number", cell) for cell in ("nan", "inf", "-Infinity", "1e999", "1,5", ".", "1_0", "٣.٥")),
        *(("boolean", cell) for cell in ("maybe", "2", "on")),
        *(("date", cell) for cell in ("20261231", "2026-W01", "31.12.2026", "2026-02-29", "0000-01-01", "٢٠٢٦-01-1")),
        *(("datetime", cell) for cell in ("2026-01-01T00:00:00", "2026-01-01", "2026-01-01T25:00Z", "now")),
        *(("datetime", cell) for cell in ("0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-01-01T00:00 CET")),
        *(("text", cell) for cell in ("a\tb", "a\x00", "a\x85b", "\x7f")),
    ],
)
def test_a_cell_that_does_not_fit(kind: str, cell: str) -> None:
    with pytest.raises(Unfit) as caught:
        READERS[kind](cell)
    assert str(caught.value).startswith("expected ")


def test_every_channel_has_a_kind_of_address() -> None:
    assert KINDS.keys() == CHANNEL_CODES.keys()


@pytest.mark.parametrize(
    ("cell", "region", "value"),
    [
        ("+1 (512) 555-0100", "GB", "+15125550100"),
        ("512.555.0100", "US", "+15125550100"),
        ("1 512 555 0100 ext. 7", "US", "+15125550100"),
        ("512-555-0100", "CA", "+15125550100"),
    ],
)
def test_a_phone(cell: str, region: str, value: str) -> None:
    found = phone(cell, region)
    assert (found.value, found.region, found.zones) == (value, "US", ("America/Chicago",))


@pytest.mark.parametrize("cell", ["555-0100", "call me", "+1 111 555 0100", "+999 1234567", "1" * 300, "51255501000"])
def test_no_phone(cell: str) -> None:
    with pytest.raises(Unfit, match="expected a phone number"):
        phone(cell, "US")


def parsed(cell: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


@given(
    st.from_regex(r"(\+?1)?[ .]?\(?[0-9]{3}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{4}", fullmatch=True),
    st.sampled_from(["US", "CA", "GB", "UA"]),
)
def test_the_short_cut_reads_phones_as_the_library_does(cell: str, region: str) -> None:
    number = parsed(cell, region)
    if number is None:
        with pytest.raises(Unfit):
            phone(cell, region)
        return
    found = phone(cell, region)
    assert found.value == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert found.region == phonenumbers.region_code_for_number(number)
    assert found.zones == time_zones_for_number(number)


def test_no_zone_is_listed_for_a_number_of_plus_one_that_has_no_place() -> None:
    def has_place(prefix: str) -> bool:
        number = phonenumbers.parse(f"+{prefix.ljust(11, '2')}")
        kind = phonenumbers.number_type(number)
        return kind not in (PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.PERSONAL_NUMBER)

    prefixes = [prefix for prefix in TIMEZONE_DATA if prefix.startswith("1") and len(prefix) >= 4]
    assert len(prefixes) > 300
    assert all(map(has_place, prefixes))


LOCAL = st.text("abcXYZ019._+-!'\"@ é", max_size=70)
DOMAINS = ["example.com", "EXAMPLE.org", "a.b-c.example", "example", "x..com", "-a.com", "a_b.com", "bücher.example"]


@given(LOCAL, st.sampled_from(DOMAINS))
def test_the_short_cut_reads_emails_as_the_library_does(local: str, domain: str) -> None:
    cell = f"{local}@{domain}"
    try:
        expected = validate_email(cell, check_deliverability=False, allow_smtputf8=False).ascii_email
    except EmailNotValidError:
        with pytest.raises(Unfit):
            email(cell)
    else:
        assert email(cell) == expected


def test_the_local_part_keeps_its_case_and_long_addresses_are_refused() -> None:
    assert email("First.Last+Tag@Example.COM") == "First.Last+Tag@example.com"
    domain = ".".join(["a" * 60] * 4)
    with pytest.raises(Unfit):
        email(f"{'b' * 60}@{domain}.com")


def test_a_push_subscription_is_kept_as_it_is() -> None:
    assert plain('{"endpoint": "https://push.example.com/1"}').startswith("{")
    for cell in ("a\nb", "x" * 4097):
        with pytest.raises(Unfit):
            plain(cell)


@pytest.mark.parametrize(
    ("phones", "place", "zones", "jurisdictions", "left_out"),
    [
        ([], Place(), "", "", []),
        ([AUSTIN], Place(), "America/Chicago", "US", []),
        ([TOLL_FREE], Place(), "", "US", []),
        ([AUSTIN, TOLL_FREE], Place(), "", "US", []),
        ([AUSTIN, (None, ())], Place(), "", "US", []),
        ([TOLL_FREE], Place(postal="10001"), "America/New_York", "US US-NY", []),
        ([AUSTIN], Place(postal="10001-0001"), "America/Chicago America/New_York", "US US-NY", []),
        ([], Place(postal="32501"), "America/Chicago", "US US-FL", []),
        ([], Place(zone="europe/kiev"), "Europe/Kyiv", "", []),
        ([], Place(zone="US/Eastern"), "America/New_York", "", []),
        ([("IN", ("Asia/Calcutta",))], Place(country="in"), "Asia/Kolkata", "IN", []),
        ([], Place(country="Ukraine"), "Europe/Kyiv Europe/Simferopol", "UA", []),
        ([], Place(country="UA", zone="Europe/Kyiv"), "Europe/Kyiv", "UA", []),
        ([], Place(country="GB", postal="EC1A 1BB"), "Europe/London", "GB", []),
        ([], Place(state="tn"), "America/Chicago America/New_York", "US US-TN", []),
        ([], Place(country="CA", state="ON", zone="America/Toronto"), "America/Toronto", "CA CA-ON", []),
        ([AUSTIN], Place(zone="EST"), "America/Chicago", "US", ["zone"]),
        ([AUSTIN], Place(postal="00000", state="ZZ"), "America/Chicago", "US", ["postal", "state"]),
        ([AUSTIN], Place(country="Atlantis", postal="10001"), "America/Chicago", "US", ["country"]),
        ([], Place(postal="09001"), "", "", ["postal"]),  # military post: somewhere in the world
    ],
)
def test_where_a_customer_may_be(
    phones: list[tuple[str | None, tuple[str, ...]]], place: Place, zones: str, jurisdictions: str, left_out: list[str]
) -> None:
    found = whereabouts(tuple(phones), place, "US")
    assert (found.zones, found.jurisdictions) == (zones, jurisdictions)
    assert [part for part, _ in found.left_out] == left_out


def test_the_names_of_the_tz_database_stay() -> None:
    assert [canonical(zone) for zone in ("Europe/Amsterdam", "UTC", "Asia/Katmandu")] == [
        "Europe/Amsterdam",
        "UTC",
        "Asia/Kathmandu",
    ]
