"""Addresses in the one spelling the ledger keeps: phones in E.164, e-mail domains in lower case."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumber
from phonenumbers.timezone import time_zones_for_geographical_number, time_zones_for_number

from segments.values import CONTROL, Unfit
from waves.subscriptions import BadSubscription, read_subscription

Kind = Literal["phone", "email", "push", "text"]

KINDS: dict[str, Kind] = {
    "web_push": "push",
    "sms": "phone",
    "email": "email",
    "call_list": "phone",
    "visit": "text",
    "inbox": "text",
    "fax": "phone",
    "im": "text",
    "whatsapp": "phone",
}
"""What an address of each channel is."""

LONGEST_EMAIL = 254  # RFC 5321 4.5.3.1.3: a path of 256 octets, angle brackets included
LONGEST_LOCAL = 64  # RFC 5321 4.5.3.1.1
LONGEST_TEXT = 4096
PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
UNKNOWN_ZONE = "Etc/Unknown"
DROP = str.maketrans("", "", " ().-")
PLAIN_US = re.compile(r"(?:\+1)?([2-9][0-9]{9})")
LIKE_A_NUMBER = re.compile(r"\+?[0-9 ()./-]+")


@dataclass(frozen=True, slots=True)
class Phone:
    """A valid number: E.164, the region it belongs to (None: no single one), its candidate zones (empty: unknown)."""

    value: str
    region: str | None
    zones: tuple[str, ...]


def phone(cell: str, region: str) -> Phone:
    """The number in a cell, read as written in `region` unless it starts with +; Unfit when no country has it."""
    number = _number(cell, region)
    home = phonenumbers.region_code_for_number(number)
    if home == "US" or home == "CA":
        # These two share +1 and are told apart by full validation, so the number is valid; and no zone is listed for
        # a prefix of +1 that is not geographical, so that the geographical answer is the right one for all of them.
        zones = time_zones_for_geographical_number(number)
        return Phone(f"+1{number.national_number}", home, zones)
    zones = time_zones_for_number(number)
    if not phonenumbers.is_valid_number(number):
        raise Unfit("expected a phone number that its country has, such as +1 512 555 0100")
    return Phone(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        None if home == "001" else home,
        () if UNKNOWN_ZONE in zones else tuple(zones),
    )


def as_kept(typed: str, region: str) -> str:
    """A number or an e-mail address that a person typed in the ledger's spelling; anything else as it is."""
    try:
        if "@" in typed:
            return email(typed)
        return phone(typed, region).value if LIKE_A_NUMBER.fullmatch(typed) else typed
    except Unfit:
        return typed


def _number(cell: str, region: str) -> PhoneNumber:
    plain = PLAIN_US.fullmatch(cell.translate(DROP))
    if plain and (region == "US" or cell.startswith("+1")):
        # What parse() makes of ten national digits: no prefix to strip, as the first digit is not the 1 it would be.
        return PhoneNumber(country_code=1, national_number=int(plain[1]))
    try:
        return phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        raise Unfit("expected a phone number, such as +1 512 555 0100") from None


def email(cell: str) -> str:
    """The e-mail address in a cell with its domain in lower-case ASCII; Unfit when no mail could reach it."""
    local, _, domain = cell.rpartition("@")
    if PLAIN_LOCAL.fullmatch(local) and len(local) <= LONGEST_LOCAL:
        ascii_domain = _domain(domain)
        if ascii_domain is not None and len(local) + 1 + len(ascii_domain) <= LONGEST_EMAIL:
            return f"{local}@{ascii_domain}"
        raise Unfit("expected an e-mail address, such as name@example.com")
    try:
        found = validate_email(cell, check_deliverability=False, allow_smtputf8=False).ascii_email
    except EmailNotValidError:
        found = None
    if found is None:
        raise Unfit("expected an e-mail address, such as name@example.com")
    return found


@lru_cache(maxsize=65_536)
def _domain(domain: str) -> str | None:
    try:
        return validate_email(f"a@{domain}", check_deliverability=False, allow_smtputf8=False).ascii_domain
    except EmailNotValidError:
        return None


def push(cell: str) -> str:
    """A push subscription as the ledger spells it, or whatever token a gateway of one's own knows; else Unfit."""
    if not cell.startswith("{"):
        return plain(cell)
    try:
        return read_subscription(cell).text
    except BadSubscription as error:
        raise Unfit(f"expected a push subscription: {error}") from None


def plain(cell: str) -> str:
    """An address that only its provider can read, such as a device's token."""
    if len(cell) > LONGEST_TEXT or (not cell.isprintable() and CONTROL.search(cell)):
        raise Unfit(f"expected at most {LONGEST_TEXT} characters, none of them a control character")
    return cell
