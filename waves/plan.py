"""The plan as its author wrote it: frozen records of parsed durations, shares and times; nothing is looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

NAME = r"^[a-z][a-z0-9_]{0,39}$"
CAMPAIGN_NAME = r"^[a-z][a-z0-9_-]{0,59}$"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> timedelta:
    """`90s`, `30m`, `2h`, `14d` or `2w`, and sums such as `1d 12h`."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw])", text)
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([smhdw])|\s", "", text):
        raise ValueError(f"{value!r} is no length of time; write 90s, 30m, 2h or 14d")
    try:
        return timedelta(seconds=sum(float(n) * UNITS[u] for n, u in parts))
    except OverflowError:
        raise ValueError(f"{value!r} is too long; write 90s, 30m, 2h or 14d") from None


def parse_share(value: object) -> float:
    """`5%` as 0.05; a bare number is refused because 5 and 0.05 would be guesses."""
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(value).strip())
    if not match or not 0 <= float(match[1]) <= 100:
        raise ValueError(f"{value!r} is no share; write 5% (0% to 100%)")
    return float(match[1]) / 100


class Moment(BaseModel):
    """An instant and the zone its author thinks in."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: datetime
    zone: str

    @classmethod
    def parse(cls, value: object) -> Moment:
        """`2026-12-01 09:00 Europe/Kyiv`; a time with no zone is refused, and one that the clocks skip or repeat."""
        if isinstance(value, Moment):
            return value
        match = re.fullmatch(
            r"(\d{4}-\d{2}-\d{2})[ T](\d{1,2}:\d{2}(?::\d{2})?)\s*([A-Za-z][\w/+-]*)", str(value).strip()
        )
        if not match:
            raise ValueError(f"{value!r} is no time; write a date, an hour and a zone: 2026-12-01 09:00 Europe/Kyiv")
        day, hour, zone_name = match.groups()
        try:
            zone = ZoneInfo("UTC" if zone_name in ("Z", "z") else zone_name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone_name!r} is no time zone; write one such as Europe/Kyiv") from None
        try:
            naive = datetime.fromisoformat(f"{day} {hour.zfill(5) if len(hour) < 6 else hour.zfill(8)}")
        except ValueError as error:
            raise ValueError(f"{value!r} is no time: {error}") from None
        first, second = naive.replace(tzinfo=zone, fold=0), naive.replace(tzinfo=zone, fold=1)
        if first.utcoffset() != second.utcoffset():
            raise ValueError(f"{value!r} does not exist or comes twice when the clocks change; write another hour")
        return cls(at=first.astimezone(UTC), zone=zone.key)

    def __str__(self) -> str:
        return f"{self.at.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M} {self.zone}"


def _written(pattern: str) -> WithJsonSchema:
    """What an editor takes for well written; `check` has the last word."""
    return WithJsonSchema({"type": "string", "pattern": pattern})


Duration = Annotated[timedelta, BeforeValidator(parse_duration), _written(r"^\s*(\d+(\.\d+)?\s*[smhdwSMHDW]\s*)+$")]
Share = Annotated[float, BeforeValidator(parse_share), _written(r"^\s*(0*\d{1,2}(\.\d+)?|0*100(\.0+)?)\s*%\s*$")]
When = Annotated[
    Moment,
    BeforeValidator(Moment.parse),
    _written(r"^\s*\d{4}-\d{2}-\d{2}[ T]\d{1,2}:\d{2}(:\d{2})?\s*[A-Za-z][\w/+-]*\s*$"),
]
InDoubt = Literal["assume_sent", "hold", "resend"]


class Record(BaseModel):
    """A part of a file that people write: frozen, and no unknown key is let through."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Goal(Record):
    """What counts as success: a conversion event of this name, or a call that ended in one of these dispositions."""

    event: str = Field(pattern=NAME)
    dispositions: tuple[str, ...] = ()
    within: Duration


class Limits(Record):
    """At most `contacts` touches of one customer in any window of `within`, over all campaigns and channels."""

    contacts: int = Field(ge=1, le=1000)
    within: Duration


class Alarm(Record):
    """What holds the rest of a ramp back: more than these shares of the first part failed, or opted out."""

    failed: Share = 0.10
    opted_out: Share = 0.02


class Ramp(Record):
    """The first share, a hold, then the rest unless an alarm rang."""

    first: Share
    hold: Duration
    alarm: Alarm = Alarm()


class Team(Record):
    """One call team: its agents, the languages that they speak and the skills they have (none named: every one)."""

    agents: int
    languages: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, value: object) -> object:
        return value if isinstance(value, Mapping | Team) else {"agents": value}


class Capacity(Record):
    """What the call teams can do in one shift: agents by team, hours a shift, handling time a call."""

    teams: dict[str, Team]
    hours: float = Field(gt=0, le=24)
    handle_time: Duration
    shrinkage: Share = 0.12
    occupancy: Share = 0.80


class Variant(Record):
    """One wording of a wave's message and the share of its customers that gets it."""

    message: str = Field(pattern=NAME)
    weight: Share


class Holdout(Record):
    """Eligible members a wave leaves alone, to measure it; `stop` keeps them out of later waves, `skip` does not."""

    share: Share
    then: Literal["stop", "skip"] = "stop"

    @model_validator(mode="before")
    @classmethod
    def _bare_share(cls, value: object) -> object:
        return value if isinstance(value, Mapping | Holdout) else {"share": value}


class Group(Record):
    """Channels of a wave that stand or fall together: one alone, or the first that passes (`first_of`)."""

    first_of: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, value: object) -> object:
        return {"first_of": [value]} if isinstance(value, str) else value


class Wave(Record):
    """One step of a campaign."""

    wave: str = Field(pattern=NAME)
    enter: str | None = None
    channels: tuple[Group, ...] = Field(min_length=1)
    message: str | None = Field(default=None, pattern=NAME)
    variants: dict[str, Variant] = Field(default_factory=dict)
    ramp: Ramp | None = None
    at: When | None = None
    wait: Duration = timedelta(0)
    release: Duration = timedelta(hours=24)
    listen: Duration
    holdout: Holdout | None = None
    capacity: Capacity | None = None
    rank: str | None = None
    explore: Share | None = None
    skill: str | None = None

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Every channel of the wave, in the plan's order."""
        return tuple(name for group in self.channels for name in group.first_of)

    @property
    def messages(self) -> dict[int, str]:
        """Variant number to the name of its message: 0 alone, or 1.. in the plan's order; empty without one."""
        if self.variants:
            return {i: v.message for i, v in enumerate(self.variants.values(), 1)}
        return {0: self.message} if self.message else {}


class Audience(Record):
    """Customers named by what they got from a wave that ran: `got` its message, or were to and did `not_got` it."""

    campaign: str = Field(pattern=CAMPAIGN_NAME)
    wave: str = Field(pattern=NAME)
    who: Literal["got", "not_got"]
    by: str | None = None
    variant: int | None = Field(default=None, ge=0, le=1000)


class HoursChoice(Record):
    """A set of rules/hours.yaml; the rows of it that bind by what they say though nobody has reviewed them."""

    set: str = Field(pattern=NAME)
    accept_unreviewed: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"set": value} if isinstance(value, str) else value


class Plan(Record):
    """A whole plan; `check` looks up what it names."""

    campaign: str = Field(pattern=CAMPAIGN_NAME)
    title: str = Field(min_length=1, max_length=200)
    segment: str | None = Field(default=None, pattern=NAME)
    audience: Audience | None = None
    starts: When
    holdout: Share = 0.0
    goal: Goal
    limits: Limits | None = None
    priority: int = Field(default=50, ge=0, le=100)
    hours: HoursChoice = HoursChoice(set="house")
    in_doubt: InDoubt | dict[str, InDoubt] = "assume_sent"
    waves: tuple[Wave, ...] = Field(min_length=1, max_length=60)

    def doubt_policy(self, channel: str) -> InDoubt:
        """What becomes of a send on this channel that was cut off and that its provider does not know."""
        if isinstance(self.in_doubt, dict):
            return self.in_doubt.get(channel, "assume_sent")
        return self.in_doubt

    def wave(self, name: str) -> Wave:
        """The wave of this name; KeyError when there is none."""
        for wave in self.waves:
            if wave.wave == name:
                return wave
        raise KeyError(name)

    def earlier(self, name: str) -> tuple[str, ...]:
        """The names of the waves before this one."""
        names = [wave.wave for wave in self.waves]
        return tuple(names[: names.index(name)])


def plan_of(data: Mapping[str, Any]) -> Plan:
    """The plan in parsed YAML; pydantic's ValidationError lists every part that does not fit."""
    return Plan.model_validate(data)
