"""The report of the town's campaign: every number worked out again by hand, then, before, and after late news."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.program import Program
from tests.acceptance.replies import sale, write_events, write_table
from tests.acceptance.report_by_hand import ByHand, figures
from tests.acceptance.story import Story
from tests.acceptance.town import CAMPAIGN, HOUR, PHRASE, SURNAME, T0

pytestmark = pytest.mark.acceptance
COSTS = {"web_push": 0.0002, "sms": 0.0075, "email": 0.001, "call_list": 1.1}
HOLDOUTS = {"campaign": (0.10, "campaign"), "notice": (0.15, "skip"), "call": (0.10, "stop")}
ENDED, LAST = 243, 260
MOMENTS = (1.5, 30.5, 100, ENDED - 1, ENDED + 1, LAST)
"""Hours after the first opening: in each wave, before the late news, after it and before the last refund, now."""


@pytest.fixture(scope="module")
def town(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A copy of the finished campaign into which come late reports, a late call, sales in euros, and refunds."""
    home = tmp_path_factory.mktemp("report") / "home"
    shutil.copytree(story.program.home, home)
    program = Program(home, story.program.settings | {"MULTIWAVE_COSTS": json.dumps(COSTS)}, quick=True)
    lines = [line for channel in ("web_push", "sms", "email") for line in program.outbox(channel)]
    words = ("clicked", "declined", "bounced_hard", "unsubscribed", "delivered")
    late = [_event(line["token"], words[place % 5]) for place, line in enumerate(lines[::17])]
    program.run("events", "import", write_events(home.parent / "late.jsonl", late))
    called = {row["token"] for row in story.books.calls}
    forgotten = next(row["token"] for row in story.said["lists"][-1]["rows"] if row["token"] not in called)
    call = {"token": forgotten, "disposition": "sale", "at": _at(75), "call_id": "found in a drawer"}
    program.run("dispositions", "import", write_table(home.parent / "late.csv", [call]))
    everybody = list(story.books.members.index)
    bought = [
        sale(key, T0 + 80 * HOUR) | {"currency": "EUR", "value": f"{20 + place}.25"}
        for place, key in enumerate(everybody[::9])
    ]
    again = [sale(key, T0 + 90 * HOUR) for key in everybody[::45]]
    program.run("conversions", "import", write_table(home.parent / "sales.csv", [*bought, *again]))
    refunds = [row | {"reversed_at": _at(120)} for row in bought[::3]]
    refunds += [row | {"reversed_at": _at(ENDED + 4)} for row in bought[1::3]]
    program.run("conversions", "import", write_table(home.parent / "refunds.csv", refunds))
    program.run("conversions", "import", write_table(home.parent / "again.csv", bought))
    program.run("advance", "--now", _at(LAST))
    return program


def _at(hours: float) -> str:
    return (T0 + hours * HOUR).isoformat()


def _event(token: str, outcome: str) -> dict[str, Any]:
    return {"token": token, "outcome": outcome, "at": _at(60), "provider": "post", "provider_event_id": f"late {token}"}


@pytest.fixture(scope="module")
def said(town: Program) -> Callable[[float], Any]:
    """What `report --json` says as of so many hours after the first opening."""
    return cache(lambda hours: town.json("report", CAMPAIGN, "--as-of", _at(hours)))


@pytest.fixture(scope="module")
def folder(town: Program) -> Path:
    """The report's folder as of now."""
    out = town.home.parent / "report"
    town.run("report", CAMPAIGN, "--out", out)
    return out


def by_hand(town: Program, hours: float, prices: dict[str, float] = COSTS) -> ByHand:
    return ByHand(town.rows, T0 + hours * HOUR, "signed", timedelta(days=30), HOLDOUTS, prices)


@pytest.mark.parametrize("hours", MOMENTS)
def test_every_number_is_what_the_raw_rows_give(town: Program, said: Callable[[float], Any], hours: float) -> None:
    found = figures({key: value for key, value in said(hours).items() if key != "definitions"})
    expected = figures(by_hand(town, hours).expected())
    assert set(found) == set(expected)
    wrong = {name: (n, expected[name]) for name, n in found.items() if n != pytest.approx(expected[name], rel=1e-6)}
    assert wrong == {}
    assert len(found) > 60


def test_the_town_shows_late_outcomes_refunds_two_currencies_and_every_holdout(said: Callable[[float], Any]) -> None:
    before, after, now = (said(hours) for hours in MOMENTS[-3:])
    late = {wave["wave"]: wave["late"] for wave in now["waves"]}
    assert all(any(changes.values()) for changes in late.values()), late
    assert [wave["counts"] | {"converted": 0} for wave in before["waves"]] == [
        wave["counts"] | {"converted": 0} for wave in now["waves"]
    ], "late reports change nothing of what was closed"
    assert {value["currency"] for value in now["value"]} == {"USD", "EUR", None}
    assert after["converted"]["treated"] > now["converted"]["treated"], "a refund lowers the count"
    assert [c["design"] for c in now["comparisons"]] == ["campaign", "skip", "stop"]
    assert said(30.5)["not_opened"] == ["call", "last_word"]
    assert [wave["closed"] is None for wave in said(30.5)["waves"]] == [False, True]


def test_without_prices_no_cost_per_conversion_is_shown(town: Program) -> None:
    found = Program(town.home, {**town.settings, "MULTIWAVE_COSTS": "{}"}, quick=True).json("report", CAMPAIGN)
    expected = by_hand(town, LAST, {}).cost([wave.id for wave in by_hand(town, LAST, {}).waves])
    assert found["cost"]["touches_of_unknown_cost"] == expected["touches_of_unknown_cost"] > 0
    assert {(c["cost_per_incremental"], c["naive_cost"]) for c in found["comparisons"]} == {(None, None)}


def matching(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The rows that a filter of numbers.csv names."""
    for column, value in re.findall(r"(\w+)=(\S+)", rule):
        rows = rows[rows[column].eq("" if value == "empty" else value)]
    return rows


def test_the_rows_behind_each_number_are_there_to_be_counted(folder: Path, said: Callable[[float], Any]) -> None:
    tables = {path.name: pd.read_csv(path, dtype=str, keep_default_na=False) for path in folder.glob("*.csv")}
    numbers, counted = tables["numbers.csv"], 0
    for number in numbers[numbers.file.ne("")].to_dict("records"):
        rows, rule = tables[number["file"]], number["rows"]
        if number["kind"] == "rate":
            continue
        if late := re.fullmatch("sum of (.*) less sum of (.*)", rule):
            found: float = rows[late[1]].astype(int).sum() - rows[late[2]].astype(int).sum()
        elif number["number"] == "cost":
            found = pd.to_numeric(rows.cost).sum()
        elif number["number"] in ("value", "refunded_value"):
            found = pd.to_numeric(matching(rows, rule).value).sum()
        else:
            found = len(matching(rows, rule))
        assert float(number["value"]) == pytest.approx(found), number
        counted += 1
    assert counted > 100
    flow = tables["flow.csv"].groupby("from_wave").members.apply(lambda column: column.astype(int).sum())
    assert set(flow) == {sum(said(LAST)["members"].values())}
    arms = tables["rows-campaign.csv"]
    held = arms[arms.held_out.eq("1")]
    assert (len(held), held.converted.eq("1").sum()) == (
        said(LAST)["members"]["held_out"],
        said(LAST)["converted"]["held_out"],
    )


def test_each_number_cites_a_definition_that_is_printed(folder: Path, town: Program) -> None:
    with (folder / "definitions.csv").open() as file:
        known = {f"{row['id']} v{row['version']}" for row in csv.DictReader(file)}
    with (folder / "numbers.csv").open() as file:
        cited = {row["definition"] for row in csv.DictReader(file)} - {""}
    assert cited <= known
    shown = town.run("report", CAMPAIGN).out
    assert all(f"{name}: " in shown and f"<dt>{name}</dt>" in (folder / "report.html").read_text() for name in known)


def test_customer_keys_stand_in_the_rows_alone_and_addresses_nowhere(folder: Path, story: Story) -> None:
    people = story.books.people
    private = {value for column in ("mobile", "email", "push") for value in people[column] if value} | {SURNAME, PHRASE}
    keys = set(people.index)
    for path in folder.iterdir():
        text = path.read_text()
        assert not [value for value in private if value in text], path.name
        if not path.name.startswith(("rows-", "conversions-")):
            assert not keys & set(re.findall(r"[\w-]+", text)), path.name


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's chromium; without one this fails, because a page nobody opened is not tested."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no chromium here; on Debian: apt-get install chromium"
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_stands_alone_and_fits(
    browser: Browser, folder: Path, said: Callable[[float], Any], width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked, complaints = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((folder / "report.html").as_uri())
    assert asked == [(folder / "report.html").as_uri()]
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("script, link[rel=stylesheet], img").count() == 0
    seen, now = page.locator("body").inner_text(), said(LAST)
    own = now["comparisons"][0]
    assert page.locator(".headline").is_visible()
    assert f"{own['treated_converted']:,} of {own['treated']:,}" in seen
    assert f"{100 * own['difference']['value']:+.2f}" in seen
    for wave in now["waves"]:
        for count in ("eligible", "sent", "delivered", "reached", "engaged", "converted"):
            assert f"{count}\n{wave['counts'][count]:,}" in seen, (wave["wave"], count)
    assert page.locator("svg.interval:visible").count() == len(now["comparisons"])
    assert page.locator("svg.flow:visible").count() == (1 if width > 900 else len(now["waves"]) - 1)
    small = page.evaluate(
        "Math.min(...[...document.querySelectorAll('svg.flow text')].filter(t => t.getClientRects().length)"
        ".map(t => t.getBoundingClientRect().height))"
    )
    assert small > 11, "labels are readable"
    page.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nobody"], "there is no campaign 'nobody'; started campaigns: spring-offer"),
        ([CAMPAIGN, "--as-of", "2026-11-30T00:00Z"], "is before spring-offer was started"),
        ([CAMPAIGN, "--as-of", "2027-11-30T00:00Z"], "has not come yet"),
        ([CAMPAIGN, "--as-of", "yesterday"], "is no time"),
        ([CAMPAIGN, "--out", "ledger.db"], "this is a file; name a folder"),
        ([CAMPAIGN, "--out", "outbox"], "not empty and holds no report"),
        ([CAMPAIGN, "--out", "/proc/nowhere/report"], "/proc/nowhere"),
    ],
)
def test_what_cannot_be_reported_is_said_and_nothing_is_written(town: Program, words: list[str], told: str) -> None:
    before = sorted(town.home.rglob("*"))
    own = [str(town.home / word) if word in ("ledger.db", "outbox") else word for word in words]
    said = town.try_("report", *own)
    assert (said.code, said.out) == (2, "")
    assert told in " ".join(said.err.split())
    assert "Traceback" not in said.err
    assert sorted(path for path in town.home.rglob("*") if "-shm" not in path.name and "-wal" not in path.name) == [
        path for path in before if "-shm" not in path.name and "-wal" not in path.name
    ]


def test_an_earlier_report_is_replaced_whole(town: Program, folder: Path) -> None:
    made = json.loads((folder / "report.json").read_text())
    (folder / "rows-9-gone.csv").write_text("of an older plan")
    town.run("report", CAMPAIGN, "--out", folder)
    assert not (folder / "rows-9-gone.csv").exists()
    assert json.loads((folder / "report.json").read_text()) == made
    assert datetime.fromisoformat(made["as_of"]) == T0 + LAST * HOUR
    assert not [path.name for path in folder.parent.iterdir() if path.name.startswith(".")]
