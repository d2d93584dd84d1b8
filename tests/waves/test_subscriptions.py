"""What is taken for a push subscription: the services of the browsers, sound keys, one spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segments.addresses import push
from segments.values import Unfit
from waves.subscriptions import (
    LONGEST,
    BadSubscription,
    check_endpoint,
    endpoint_in,
    origin_of,
    read_subscription,
    starts_with,
)

POINT = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
FCM = "https://fcm.googleapis.com/fcm/send/c1KrmpTuRm8:APA91bE-x_y"


def written(endpoint: Any = FCM, p256dh: Any = POINT, auth: Any = AUTH, **more: Any) -> str:
    return json.dumps({"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}, **more})


@pytest.mark.parametrize(
    "endpoint",
    [
        FCM,
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAA_-=",
        "https://web.push.apple.com/QGuQyavXutnMH",
        "https://db5p.notify.windows.com/w/?token=BQYAAA%2bD",
        "https://FCM.googleapis.com:443/x",
    ],
)
def test_the_browsers_own_push_services(endpoint: str) -> None:
    check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "fcm.googleapis.com/x",
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com.example.com/x",
        "https://example.com/fcm.googleapis.com",
        "https://fcm.googleapis.com@example.com/x",
        "https://user@fcm.googleapis.com/x",
        "https://xnotify.windows.com/x",
        "https://notify.windows.com.example.com/",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://fcm.googleapis.com/x#y",
        "https://fcm.googleapis.com/x y",
        "https://fcm.googleapis.com/x\r\nTopic: y",
        'https://fcm.googleapis.com/"x',
        "https://fcm.googleapis.com\\@example.com/",
        "https://fcm.googleapis.com?x",
        "ftp://fcm.googleapis.com/",
        "https://fcm.googleapis.com/" + "x" * LONGEST,
    ],
)
def test_nothing_else_and_no_host_of_ours(endpoint: str) -> None:
    with pytest.raises(BadSubscription) as error:
        check_endpoint(endpoint)
    assert endpoint == "" or endpoint not in str(error.value)


def test_this_machine_where_tests_say_so() -> None:
    check_endpoint("http://127.0.0.1:8090/notify/x", loopback=True)
    with pytest.raises(BadSubscription):
        check_endpoint("http://10.0.0.1:8090/notify/x", loopback=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 3000, "not JSON"),
        ("7", "no subscription"),
        ("{}", "no subscription"),
        ('{"keys": {}}', "no endpoint"),
        (written(endpoint=7), "no endpoint"),
        (written(endpoint="https://10.0.0.1/"), "no push service"),
        (written(p256dh=None), "no p256dh"),
        (written(p256dh="!!"), "not base64url"),
        (written(p256dh=POINT[:-4]), "no point"),
        (written(p256dh=POINT[:-2] + "AA"), "no point"),
        (written(auth=AUTH[:-2]), "16 bytes"),
        (written(auth=[AUTH]), "no auth"),
        (written(endpoint=f"https://fcm.googleapis.com/{'x' * 1900}"), "too long"),
        (written(extra="x" * 5000), "too long"),
    ],
)
def test_what_is_no_subscription_is_told_and_not_shown(text: str, said: str) -> None:
    with pytest.raises(BadSubscription, match=said):
        read_subscription(text)


def test_one_spelling_whatever_the_browser_wrote() -> None:
    plain = read_subscription(written()).text
    padded = read_subscription(written(p256dh=POINT + "=", auth=AUTH + "==", expirationTime=None)).text
    assert plain == padded == f'{{"endpoint":"{FCM}","keys":{{"p256dh":"{POINT}","auth":"{AUTH}"}}}}'
    low, high = starts_with(FCM)
    assert low < plain < high
    other = read_subscription(written(endpoint=FCM + "z")).text
    assert not low <= other < high


@pytest.mark.parametrize("other", ["1 Long Street", "{}", '{"endpoint":', '{"endpoint":' + "[" * 1900])
def test_any_other_address_has_no_endpoint(other: str) -> None:
    assert endpoint_in(other) is None
    assert endpoint_in(read_subscription(written()).text) == FCM


def test_a_file_of_customers_may_name_subscriptions_or_tokens_of_a_gateway() -> None:
    assert push(written()) == read_subscription(written()).text
    assert push("device-token:7") == "device-token:7"
    assert push("https://push.example.com/7") == "https://push.example.com/7"
    with pytest.raises(Unfit, match="no push service"):
        push(written(endpoint="https://10.0.0.1/"))


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        (FCM, "https://fcm.googleapis.com"),
        ("https://FCM.googleapis.com:443/x", "https://fcm.googleapis.com"),
        ("http://127.0.0.1:80/x", "http://127.0.0.1"),
        ("http://127.0.0.1:8090/x", "http://127.0.0.1:8090"),
    ],
)
def test_the_origin_as_vapid_wants_it(endpoint: str, origin: str) -> None:
    assert origin_of(endpoint) == origin
