import csv
import gzip
import hashlib
from collections import Counter

import phonenumbers
import pytest

from console.demo.bank import ANSWERS, DEMO, FIRST, LAST, crowd_of, write_world
from console.demo.customers import HEADER, PhoneBook, build_customers
from console.demo.odds import load_odds
from waves.errors import PlanError


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    return crowd_of(write_world(tmp_path_factory.mktemp("world")))


@pytest.fixture(scope="module")
def odds():
    return load_odds(DEMO / "people.yaml")


@pytest.fixture(scope="module")
def built(crowd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert build_customers(folder / "customers.csv", folder / "history.csv", crowd) == 21_188
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


def test_addresses_consents_and_languages_follow_the_odds(odds, customers):
    of = len(customers)
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
    crowd = crowd_of(write_world(tmp_path))
    build_customers(tmp_path / "customers.csv", tmp_path / "history.csv", crowd)
    for name in ("customers.csv", "history.csv"):
        assert (tmp_path / name).read_bytes() == (built / name).read_bytes()


def test_no_two_owners_have_one_phone(crowd, odds):
    book = PhoneBook(crowd, odds)
    owners = [n for n in range(FIRST, LAST + 1) if not book.shares(n)]
    assert len({book.phone(n).number for n in owners}) == len(owners)


def test_who_would_open_a_deposit_is_the_datas_own_answer(crowd):
    would = crowd.keys["would"]
    assert len(would) == 4640
    assert len([key for key in would if int(key.removeprefix("bank-")) >= FIRST]) == 3726


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("granted: 0.72", "granted: 0.99", "granted and denied are more than 1 together"),
        ("phone: 0.93", "phone: 1.93", "`phone` is 1.93; write at most 1"),
        ("es: 0.12", "es: 0.22", "add up to 1.1"),
        ("has:", "hsa:", "there is no key `hsa` here; write has"),
    ],
)
def test_odds_that_cannot_be_are_refused(tmp_path, old, new, said):
    text = (DEMO / "people.yaml").read_text()
    assert old in text
    (tmp_path / "people.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(PlanError) as error:
        load_odds(tmp_path / "people.yaml")
    assert said in str(error.value)
