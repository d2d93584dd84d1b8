import csv
import gzip
import hashlib
from collections import Counter

import phonenumbers
import pytest

from console.demo.customers import HEADER, PhoneBook, build_customers
from console.demo.world import ANSWERS, DEMO, FIRST, LAST, load_world


@pytest.fixture(scope="module")
def world():
    return load_world()


@pytest.fixture(scope="module")
def built(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert build_customers(folder / "customers.csv", folder / "history.csv", world) == 21_188
    return folder


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def customers(built):
    return rows_of(built / "customers.csv")


def test_the_file_is_the_one_its_readme_names():
    packed = (DEMO / ANSWERS).read_bytes()
    readme = (DEMO / "README.md").read_text()
    for content in (packed, gzip.decompress(packed)):
        assert hashlib.sha256(content).hexdigest() in readme


def test_the_rows_are_the_last_ones_in_order(built, customers):
    assert [row["customer_id"] for row in customers] == [f"bank-{n}" for n in range(FIRST, LAST + 1)]
    assert list(customers[0]) == list(HEADER)
    history = rows_of(built / "history.csv")
    assert [row["row"] for row in history] == [str(n) for n in range(1, FIRST)]
    assert "duration" not in history[0]
    assert "duration" not in customers[0]
    assert "y" not in customers[0]
    assert all((row["pdays"] == "") == (row["pdays_known"] == "no") for row in customers)


def test_phones_are_reserved_for_fiction_valid_and_few_are_shared(customers):
    phones = Counter(row["phone"] for row in customers if row["phone"])
    for phone in phones:
        assert phone.startswith("+1")
        assert phone[5:10] == "55501"
        assert len(phone) == 12
    areas = {phone[2:5] for phone in phones}
    assert len(areas) == 359
    for area in areas:
        for end in ("00", "99"):
            number = phonenumbers.parse(f"+1{area}55501{end}")
            assert phonenumbers.is_valid_number(number)
            assert phonenumbers.region_code_for_number(number) == "US"
    assert set(phones.values()) == {1, 2}
    shared = sum(count == 2 for count in phones.values())
    assert 150 < shared < 270
    for row in customers:
        assert phones.get(row["phone"], 1) == 1 or row["household"]
    assert len(Counter(row["household"] for row in customers if row["household"])) >= shared


def test_no_address_is_a_real_persons(customers):
    assert all(row["email"] in ("", f"customer-{row['customer_id'][5:]}@example.com") for row in customers)
    assert all(row["push"] == "" or row["push"].startswith("https://push.example.com/") for row in customers)


def test_addresses_consents_and_languages_follow_the_odds(world, customers):
    odds, of = world.odds.customers, len(customers)
    counts = {
        odds.has.phone: sum(row["phone"] != "" for row in customers),
        odds.has.email: sum(row["email"] != "" for row in customers),
        odds.has.web_push: sum(row["push"] != "" for row in customers),
        odds.consent["sms"].granted: sum(row["sms_ok"] == "yes" for row in customers),
        odds.consent["email"].denied: sum(row["email_ok"] == "no" for row in customers),
        odds.languages["es"]: sum(row["language"] == "es" for row in customers),
    }
    assert {share: abs(count / of - share) < 0.015 for share, count in counts.items()} == dict.fromkeys(counts, True)


def test_the_same_seed_makes_the_same_file(built, tmp_path):
    build_customers(tmp_path / "customers.csv", tmp_path / "history.csv")
    for name in ("customers.csv", "history.csv"):
        assert (tmp_path / name).read_bytes() == (built / name).read_bytes()


def test_no_two_owners_have_one_phone(world):
    book = PhoneBook(world)
    owners = [n for n in range(FIRST, LAST + 1) if not book.shares(n)]
    assert len({book.phone(n).number for n in owners}) == len(owners)
