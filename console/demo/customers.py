"""The demo's customers: real profile rows of the bank data with synthetic contact points, consents and values."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from console.demo.bank import DEMO, FIRST, LAST, bank_rows, customer_key
from console.demo.odds import CustomerOdds, load_odds
from flows.crowd import Crowd

COPIED = ("age", "job", "marital", "education", "housing", "loan", "previous", "poutcome")
HEADER = (
    *("customer_id", "full_name", "language", "household", "phone", "email", "push"),
    *("sms_ok", "email_ok", "push_ok", "call_ok", "time_zone", *COPIED, "in_default", "pdays_known", "pdays", "value"),
)
HISTORY = (
    *("row", "age", "job", "marital", "education", "default", "housing", "loan", "contact", "month", "day_of_week"),
    *("campaign", "pdays", "previous", "poutcome", "y"),
)
"""What is kept of the earlier calls: never `duration`, nor the national indicators."""
CONSENTS = {"sms_ok": "sms", "email_ok": "email", "push_ok": "web_push", "call_ok": "call_list"}
NEVER = "999"
IN_RANGE = 100


@dataclass(frozen=True, slots=True)
class Phone:
    """A number reserved for fiction (+1 NPA 555-0100 to 555-0199) and its time zone, empty when the area has two."""

    number: str
    zone: str


class PhoneBook:
    """Gives every customer a phone of its own, and a few the phone of the customer before: a household."""

    def __init__(self, crowd: Crowd, odds: CustomerOdds, folder: Path = DEMO) -> None:
        with (folder / "area_codes.csv").open(encoding="utf-8", newline="") as file:
            self.areas = [(row["area_code"], row["time_zone"]) for row in csv.DictReader(file)]
        self.crowd = crowd
        self.odds = odds
        size = len(self.areas) * IN_RANGE
        self.step = int(size * 0.618) + crowd.seed % 1000
        while math.gcd(self.step, size) != 1:
            self.step += 1

    def shares(self, number: int) -> bool:
        """Whether this customer uses the phone of the one before (who never shares in turn)."""
        return number > FIRST and self._drawn(number) and not self._drawn(number - 1)

    def _drawn(self, number: int) -> bool:
        return self.crowd.draw(number, "household") < self.odds.household

    def phone(self, number: int) -> Phone:
        """The phone this customer uses: slots of the range in an order that repeats none (the step is prime to it)."""
        owner = number - 1 if self.shares(number) else number
        slot = (owner * self.step) % (len(self.areas) * IN_RANGE)
        area, zone = self.areas[slot // IN_RANGE]
        return Phone(f"+1{area}55501{slot % IN_RANGE:02}", zone)

    def household(self, number: int) -> str:
        """The household of those who share a phone, else nothing."""
        if self.shares(number):
            return f"home-{number - 1}"
        return f"home-{number}" if number < LAST and self.shares(number + 1) else ""


def build_customers(target: Path, history: Path, crowd: Crowd, folder: Path = DEMO) -> int:
    """Writes rows 20,001 to 41,188 as a customers file and the rows before as call history; says how many customers."""
    book, count = PhoneBook(crowd, load_odds(folder / "people.yaml"), folder), 0
    with (
        target.open("w", encoding="utf-8", newline="") as new,
        history.open("w", encoding="utf-8", newline="") as old,
    ):
        customers, calls = csv.DictWriter(new, HEADER), csv.DictWriter(old, HISTORY, extrasaction="ignore")
        customers.writeheader()
        calls.writeheader()
        for number, row in bank_rows(folder):
            if number < FIRST:
                calls.writerow({"row": number, **row})
            elif number <= LAST:
                customers.writerow(customer_row(book, number, row))
                count += 1
    return count


def customer_row(book: PhoneBook, number: int, row: Mapping[str, str]) -> dict[str, object]:
    """One line of the customers file: the profile is the data's, all else is drawn."""
    crowd, odds, phone = book.crowd, book.odds, book.phone(number)
    never, worth = row["pdays"] == NEVER, crowd.worth(customer_key(number))
    owner = number - 1 if book.shares(number) else number
    return {
        "customer_id": customer_key(number),
        "full_name": f"Customer {number}",
        "language": crowd.pick(odds.languages, number, "language"),
        "household": book.household(number),
        "phone": phone.number if crowd.draw(owner, "phone") < odds.has.phone else "",
        "email": f"customer-{number}@example.com" if crowd.draw(number, "email") < odds.has.email else "",
        "push": f"https://push.example.com/v1/{number}" if crowd.draw(number, "push") < odds.has.web_push else "",
        **{column: _consent(book, number, channel) for column, channel in CONSENTS.items()},
        "time_zone": phone.zone,
        **{column: row[column] for column in COPIED},
        "in_default": row["default"],
        "pdays_known": "no" if never else "yes",
        "pdays": "" if never else row["pdays"],
        "value": worth[0] if worth else "",
    }


def _consent(book: PhoneBook, number: int, channel: str) -> str:
    odds = book.odds.consent[channel]  # type: ignore[index]
    drawn = book.crowd.draw(number, channel, "consent")
    if drawn < odds.granted:
        return "yes"
    return "no" if drawn < odds.granted + odds.denied else ""
