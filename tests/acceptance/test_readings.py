"""What the program says of a campaign, before, during and after it: the dry run, the status, one customer's story."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.acceptance.story import Story
from tests.acceptance.town import CAMPAIGN, HOUR, T0

pytestmark = pytest.mark.acceptance
WAVES = ["push", "notice", "call", "last_word"]


def test_the_dry_run_is_the_run(story: Story) -> None:
    promised, opened = story.said["plan"], story.said["status push"]
    assert promised["waves"][0]["verdicts"] == opened["waves"][0]["verdicts"]
    assert promised["waves"][0]["touches"] == {"web_push": sum(opened["waves"][0]["states"].values())}
    assert sum(promised["members"].values()) == opened["members"] == len(story.books.members)
    assert promised["members"]["held_out"] == story.books.members.held_out.sum()


def test_a_forecast_is_never_below_what_came(story: Story) -> None:
    came = {wave["wave"]: wave["verdicts"]["go"] for wave in story.said["status"]["waves"]}
    promised = {wave["wave"]: wave["verdicts"]["go"] for wave in story.said["plan"]["waves"]}
    assert all(came[wave] <= promised[wave] for wave in WAVES), (came, promised)


def test_the_dry_run_has_the_promised_shape(story: Story) -> None:
    plan = story.said["plan"]
    assert {"campaign", "digest", "members", "waves"} <= set(plan)
    assert (plan["campaign"], len(plan["digest"]), set(plan["members"])) == (CAMPAIGN, 64, {"treated", "held_out"})
    assert [wave["wave"] for wave in plan["waves"]] == WAVES
    for wave in plan["waves"]:
        assert {"wave", "verdicts", "touches", "opens", "closes", "cost"} <= set(wave)
        assert sum(wave["verdicts"].values()) == sum(plan["members"].values())
    assert (plan["waves"][0]["opens"], plan["waves"][0]["closes"]) == (T0.isoformat(), (T0 + 24 * HOUR).isoformat())


@pytest.mark.parametrize("moment", ["status push", "status"])
def test_the_status_has_the_promised_shape(story: Story, moment: str) -> None:
    status = story.said[moment]
    assert {"campaign", "state", "members", "waves"} <= set(status)
    assert (status["campaign"], status["state"]) == (CAMPAIGN, "finished" if moment == "status" else "running")
    assert [wave["wave"] for wave in status["waves"]] == WAVES
    for wave in status["waves"]:
        assert {"wave", "state", "verdicts", "states", "outcomes", "parts", "balanced"} <= set(wave)
        if wave["opened"]:
            assert sum(wave["verdicts"].values()) == status["members"]
            assert sum(wave["parts"].values()) == wave["verdicts"]["go"]
            assert wave["balanced"] is True


def test_the_moves_of_advance_are_told(story: Story) -> None:
    def told(step: str) -> list[tuple[str, str, str]]:
        return [(move["wave"], move["before"], move["after"]) for move in story.said[step]["moves"]]

    assert told("set clock") == []
    assert told("open push")[0] == ("push", "pending", "open")
    assert told("open notice")[:2] == [("push", "open", "closed"), ("notice", "pending", "open")]
    assert told("open last")[:2] == [("call", "open", "closed"), ("last_word", "pending", "open")]


def test_why_tells_each_verdict_part_and_touch(story: Story) -> None:
    books = story.books
    sent = Counter((line["customer"], line["wave"], line["channel"]) for line in books.sent)
    for key, told in story.said["stories"].items():
        assert told["arm"] == ("held_out" if books.members.held_out[key] else "treated")
        assert [wave["wave"] for wave in told["waves"]] == WAVES
        for wave in told["waves"]:
            name = wave["wave"]
            assert wave["verdict"] == books.verdicts(name)[key], (key, name)
            assert wave["part"] == books.parts(name, story.stage).get(key), (key, name)
            handed = {(key, name, t["channel"]): 1 for t in wave["touches"] if t["sent_at"]}
            assert handed == {place: n for place, n in sent.items() if place[:2] == (key, name)}
    assert len(story.said["stories"]) > 3


def test_an_import_says_what_became_of_the_rows(story: Story) -> None:
    people = story.books.people
    first, again = story.said["customers"], story.said["customers again"]
    assert (first["rows"], first["added"], first["rejected"]) == (len(people), len(people), 0)
    assert (again["added"], again["updated"], again["unchanged"]) == (0, 0, len(people))
    twice: dict[str, Any] = {
        channel: int((people[column][people[column].ne("")].value_counts() > 1).sum())
        for channel, column in (("sms", "mobile"), ("call_list", "mobile"), ("email", "email"))
    }
    assert first["shared"] == twice


def test_the_lists_are_told(story: Story) -> None:
    lists = story.said["lists out"]["lists"]
    assert [found["entries"] for found in lists] == [len(cut["rows"]) for cut in story.said["lists"]]
    assert all(found["returned_at"] and found["team"] == "north" and found["wave"] == "call" for found in lists)
