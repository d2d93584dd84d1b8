"""The service worker: every push shows something and is told, no click opens a script, a renewal proves itself.

The script of a page says `on` and `off` of what is so, whether multiwave answers or not.
"""

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
    return run(tmp_path_factory.mktemp("worker"), "worker")


def run(folder: Path, name: str) -> dict[str, Any]:
    """What became of each case of one of the files that we serve."""
    served = folder / f"{name}.js"
    served.write_text(file_of(served.name, {"server": SERVER, "key": ""}) or "")
    words = ["node", str(NODE / f"{name}_cases.js"), str(served)]
    return dict(json.loads(subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout))


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


@pytest.fixture(scope="module")
def presses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("client"), "client")


@pytest.mark.parametrize("answer", ["202", "403", "503", "offline"])
def test_who_turns_pushes_off_gets_none_whatever_multiwave_answers(presses: dict[str, Any], answer: str) -> None:
    case = presses[f"unsubscribe {answer}"]
    assert (case["state"], case["kept"]) == ("off", None)
    (asked,) = case["asked"]
    assert asked["url"] == f"{SERVER}/push/unsubscribe"
    assert asked["said"] == {"endpoint": "https://fcm.googleapis.com/one", "proof": "proof"}


@pytest.mark.parametrize(("answer", "state"), [("202", "on"), ("403", "off"), ("503", "off"), ("offline", "off")])
def test_a_browser_that_multiwave_does_not_know_is_not_on(presses: dict[str, Any], answer: str, state: str) -> None:
    case = presses[f"subscribe {answer}"]
    assert case["state"] == state
    assert ("error" in case) == (state == "off")
