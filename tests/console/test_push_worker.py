"""The service worker: every push shows something and is told, no click opens a script, a renewal proves itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from console.web.push_pages import file_of

NODE = Path(__file__).parents[1] / "node"
SERVER = "https://go.example.com"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    worker = tmp_path_factory.mktemp("worker") / "worker.js"
    worker.write_text(file_of("worker.js", {"server": SERVER, "key": ""}) or "")
    ran = subprocess.run(
        ["node", str(NODE / "worker_cases.js"), str(worker)], capture_output=True, text=True, check=True, timeout=60
    )
    return dict(json.loads(ran.stdout))


def told(case: dict[str, Any]) -> list[str]:
    assert all(one["keepalive"] for one in case["beacons"])
    return [one["said"]["event"] for one in case["beacons"]]


@pytest.mark.parametrize(
    ("case", "shown", "events"),
    [
        ("shown", [{"title": "Hello", "body": "You", "tag": "tag"}], ["shown"]),
        ("not shown", [], ["delivered"]),
        ("offline", [{"title": "Hello", "body": "You", "tag": "tag"}], ["shown"]),
        ("no JSON", [{"title": "www.example.com", "body": ""}], []),
        ("empty", [{"title": "www.example.com", "body": ""}], []),
    ],
)
def test_every_push_shows_something(cases: dict[str, Any], case: str, shown: list[Any], events: list[str]) -> None:
    assert cases[case]["shown"] == shown
    assert told(cases[case]) == events


@pytest.mark.parametrize(
    ("case", "opened", "focused"),
    [
        ("click", ["https://www.example.com/offer"], []),
        ("click, already open", [], ["https://www.example.com/offer"]),
        ("click on a script", [], []),
        ("click without address", ["https://www.example.com/"], []),
    ],
)
def test_a_click_opens_a_page_and_is_told(
    cases: dict[str, Any], case: str, opened: list[str], focused: list[str]
) -> None:
    assert (cases[case]["opened"], cases[case]["focused"]) == (opened, focused)
    assert told(cases[case]) == ["clicked"]
    assert cases[case]["beacons"][0]["url"] == f"{SERVER}/push/beacon"


def test_closing_it_is_told(cases: dict[str, Any]) -> None:
    assert told(cases["dismissed"]) == ["dismissed"]


def test_a_renewal_says_what_it_was_and_keeps_what_it_is(cases: dict[str, Any]) -> None:
    old, new = ({"endpoint": f"https://fcm.googleapis.com/{name}"} for name in ("old", "new"))
    (said,) = cases["renewed"]["beacons"]
    assert said["url"] == f"{SERVER}/push/renew"
    assert said["said"] == {"old": old["endpoint"], "proof": "proof", "subscription": new}
    assert cases["renewed"]["kept"] == {**new, "proof": "new proof"}
    assert cases["renewal refused"]["kept"] == {**old, "proof": "proof"}  # the next visit says it again
    assert cases["renewal of nobody"]["beacons"] == []
