"""What a gateway answers, however odd: a receipt for every message, and never an exception that throws others away."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.http_answers import DAY_S, LATER_S, Answer, UnreadableAnswer, found_of, receipts_of, retry_after_s

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("9" * 5000, DAY_S),
        ("Tue, 01 Dec 2026 09:00:30 GMT", 30.0),
        ("Tue, 01 Dec 2026 09:00:30", 30.0),
        ("Tue, 01 Dec 1970 09:00:00 GMT", 1.0),
        ("Tue, 01 Dec 2026 09:00:30 +99999999999999999999", LATER_S),
        (f"Tue, 01 Dec {'9' * 30} 09:00:30 GMT", LATER_S),
        ("soon", LATER_S),
        (None, LATER_S),
    ],
)
def test_a_wait_is_between_a_second_and_a_day(header: str | None, seconds: float) -> None:
    assert retry_after_s(header, NOW) == seconds


ODD: dict[str, tuple[Any, tuple[str, float | str | None]]] = {
    "a result that is a list": ({"result": ["accepted"]}, ("in_doubt", None)),
    "a result that is an object": ({"result": {}}, ("in_doubt", None)),
    "no result": ({}, ("in_doubt", None)),
    "a wait of 400 digits": ({"result": "not_sent", "retry_after_s": 10**400}, ("not_sent", DAY_S)),
    "a wait before now": ({"result": "not_sent", "retry_after_s": -(10**400)}, ("not_sent", 1.0)),
    "a wait in words": ({"result": "not_sent", "retry_after_s": "soon"}, ("not_sent", LATER_S)),
    "a reference": ({"result": "accepted", "ref": "Zoë 7"}, ("accepted", "Zoë 7")),
    "a reference of half a letter": ({"result": "accepted", "ref": "\ud83d"}, ("accepted", None)),
    "a reference with a zero in it": ({"result": "accepted", "ref": "a\0b"}, ("accepted", None)),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_receipt_says_nothing_of_the_others(case: str) -> None:
    item, (result, told) = ODD[case]
    body = json.dumps({"receipts": [{"token": "odd", **item}, {"token": "well", "result": "accepted", "ref": "1"}]})
    (odd, well), stop = receipts_of(["odd", "well"], Answer(200, body.encode()), NOW)
    assert (well.result, well.provider_ref, stop) == ("accepted", "1", None)
    assert (odd.result, odd.retry_after_s if result == "not_sent" else odd.provider_ref) == (result, told)


RESULTS = {
    "not_sent": (307, 308, 401, 402, 403, 404, 405, 410, 425, 429),
    "refused": (400, 406, 413, 422, 451),
    "in_doubt": (200, 204, 301, 302, 303, 408, 500, 502, 503, 504),
}


@pytest.mark.parametrize(("result", "status"), [(result, code) for result, codes in RESULTS.items() for code in codes])
def test_without_receipts_the_status_decides_and_no_message_pays_for_its_sender(result: str, status: int) -> None:
    (said,), stop = receipts_of(["a"], Answer(status, b""), NOW)
    assert said.result == result
    assert (stop is None) == (result == "in_doubt")
    assert (said.retry_after_s is not None) == (result == "not_sent")


def test_an_odd_finding_leaves_all_in_doubt() -> None:
    body = json.dumps({"found": [{"token": "odd", "result": ["accepted"]}]})
    with pytest.raises(UnreadableAnswer):
        found_of(["odd"], Answer(200, body.encode()))
