"""Durations, shares, times and the records of a plan: what people write, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from waves.plan import Moment, Plan, Wave, parse_duration, parse_share, plan_of

H = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", H / 40),
        ("30m", H / 2),
        ("2h", 2 * H),
        ("14d", 14 * 24 * H),
        ("2w", 14 * 24 * H),
        ("1d 12h", 36 * H),
        ("1d12h", 36 * H),
        (" 2 H ", 2 * H),
        ("1.5h", 1.5 * H),
        ("0s", 0 * H),
        (2 * H, 2 * H),
    ],
)
def test_a_length_of_time(text: object, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "2", 2, "h", "two hours", "2 hours", "-2h", "2h-", "1,5h", "2h ago", "9" * 400 + "w", None]
)
def test_no_length_of_time(text: object) -> None:
    with pytest.raises(ValueError, match=r"write 90s, 30m, 2h or 14d"):
        parse_duration(text)


@given(st.integers(0, 10**6), st.sampled_from("smhdw"))
def test_any_whole_length(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert parse_duration(f"{number}{unit}") == timedelta(seconds=number * seconds)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0%", 0), ("100 %", 1), ("12.5%", 0.125), (0.05, 0.05)])
def test_a_share(text: object, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", [5, "5", "0.05", "101%", "-5%", "5%%", "", "half", 1.5, float("nan"), True, None])
def test_no_share(text: object) -> None:
    with pytest.raises(ValueError, match="is no share; write 5%"):
        parse_share(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01 09:00 Europe/Kyiv", datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ("2026-07-01 09:00 Europe/Kyiv", datetime(2026, 7, 1, 6, tzinfo=UTC)),
        ("2026-12-01T09:00:30 America/New_York", datetime(2026, 12, 1, 14, 0, 30, tzinfo=UTC)),
        ("2026-12-01 9:05 UTC", datetime(2026, 12, 1, 9, 5, tzinfo=UTC)),
        ("2026-12-01 9:05:06 UTC", datetime(2026, 12, 1, 9, 5, 6, tzinfo=UTC)),
        ("2026-12-01 09:00Z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("2026-12-01 09:00 Etc/GMT+5", datetime(2026, 12, 1, 14, tzinfo=UTC)),
    ],
)
def test_an_instant(text: str, at: datetime) -> None:
    found = Moment.parse(text)
    assert (found.at, found.at.tzinfo) == (at, UTC)
    assert Moment.parse(found) is found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-12-01 09:00", "write a date, an hour and a zone"),
        ("2026-12-01", "write a date, an hour and a zone"),
        ("tomorrow", "write a date, an hour and a zone"),
        ("2026-12-01 09:00 +02:00", "write a date, an hour and a zone"),
        (datetime(2026, 12, 1, tzinfo=UTC), "write a date, an hour and a zone"),
        ("2026-12-01 09:00 Mars/Olympus", "'Mars/Olympus' is no time zone"),
        ("2026-12-01 09:00 Europe/kyiv/", "is no time zone"),
        ("2026-13-01 09:00 UTC", "month must be in 1..12"),
        ("2026-12-01 24:00 UTC", "hour must be in 0..23"),
        ("2026-03-29 02:30 Europe/Berlin", "does not exist or comes twice"),
        ("2026-10-25 02:30 Europe/Berlin", "does not exist or comes twice"),
    ],
)
def test_no_instant(text: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Moment.parse(text)


def test_an_instant_is_shown_as_it_was_written() -> None:
    assert str(Moment.parse("2026-12-01T9:00 Europe/Kyiv")) == "2026-12-01 09:00 Europe/Kyiv"


def wave(**values: Any) -> Wave:
    return Wave.model_validate({"wave": "notice", "channels": ["sms"], "listen": "2d", **values})


def test_a_wave_with_nothing_said() -> None:
    made = wave()
    assert (made.release, made.wait, made.at, made.holdout, made.enter) == (24 * H, 0 * H, None, None, None)
    assert (made.channel_names, made.messages) == (("sms",), {})


@pytest.mark.parametrize(
    ("channels", "groups"),
    [
        (["web_push", {"first_of": ["sms", "email"]}], [("web_push",), ("sms", "email")]),
        (["sms", "email"], [("sms",), ("email",)]),
        ([{"first_of": ["sms"]}], [("sms",)]),
    ],
)
def test_channels_in_groups(channels: list[object], groups: list[tuple[str, ...]]) -> None:
    made = wave(channels=channels)
    assert [group.first_of for group in made.channels] == groups
    assert made.channel_names == tuple(name for group in groups for name in group)


@pytest.mark.parametrize(
    ("written", "share", "then"),
    [("5%", 0.05, "stop"), ({"share": "5%"}, 0.05, "stop"), ({"share": "10%", "then": "skip"}, 0.1, "skip")],
)
def test_a_holdout_short_and_long(written: object, share: float, then: str) -> None:
    holdout = wave(holdout=written).holdout
    assert holdout is not None
    assert (holdout.share, holdout.then) == (pytest.approx(share), then)


def test_messages_by_variant() -> None:
    assert wave(message="hello").messages == {0: "hello"}
    both = {"b": {"message": "warm", "weight": "30%"}, "a": {"message": "cool", "weight": "70%"}}
    assert wave(variants=both).messages == {1: "warm", 2: "cool"}


def plan(**values: Any) -> Plan:
    goal = {"event": "renewed", "within": "14d"}
    waves = [{"wave": name, "channels": ["sms"], "listen": "2d"} for name in ("one", "two", "three")]
    head = {"campaign": "test", "title": "T", "segment": "all", "starts": "2026-12-01 09:00 UTC", "goal": goal}
    return plan_of({**head, "waves": waves, **values})


def test_the_waves_of_a_plan() -> None:
    made = plan()
    assert [made.earlier(name) for name in ("one", "two", "three")] == [(), ("one",), ("one", "two")]
    assert made.wave("two") is made.waves[1]
    with pytest.raises(KeyError):
        made.wave("four")
    assert (made.holdout, made.priority, made.hours.set, made.in_doubt) == (0, 50, "house", "assume_sent")


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"campaign": "Autumn"}, "campaign"),
        ({"campaign": "a b"}, "campaign"),
        ({"campaign": "../x"}, "campaign"),
        ({"title": ""}, "title"),
        ({"waves": []}, "waves"),
        ({"priority": 101}, "priority"),
        ({"limits": {"contacts": 0, "within": "7d"}}, "limits.contacts"),
        ({"in_doubt": "retry"}, "in_doubt.literal['assume_sent','hold','resend']"),
        ({"goal": {"event": "Renewed!", "within": "14d"}}, "goal.event"),
        ({"budget": 100}, "budget"),
        ({"waves": [{"wave": "w", "channels": [], "listen": "1d"}]}, "waves.0.channels"),
        ({"waves": [{"wave": "w", "channels": ["sms"]}]}, "waves.0.listen"),
        ({"waves": [{"wave": "w", "channels": ["sms"], "listen": "1d", "lisen": "1d"}]}, "waves.0.lisen"),
        (
            {"waves": [{"wave": "w", "channels": ["sms"], "listen": "1d", "holdout": {"share": "5%", "then": "go"}}]},
            "waves.0.holdout.then",
        ),
    ],
)
def test_what_does_not_fit_a_plan(values: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        plan(**values)
    assert where in [".".join(map(str, error["loc"])) for error in caught.value.errors()]


def test_a_plan_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        plan().title = "another"  # type: ignore[misc]
