"""Settings: every MULTIWAVE_* variable, with its meaning and its default."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from waves.errors import MultiwaveError

PREFIX = "MULTIWAVE_"
SHORTEST_LEASE = timedelta(seconds=10)
EXAMPLES = {"worker": "machine-2"}
PUBLIC = re.compile(r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class SettingsError(MultiwaveError):
    """An environment variable holds what its setting cannot be; the message names it and never shows a value."""


def read_duration(value: object) -> timedelta:
    """A length of time written as 90s, 2m, 1h or 90d; ValueError for anything else."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d{1,6})\s*([smhd])", str(value).strip())
    if not match or not int(match[1]):
        raise ValueError("write a length of time, such as 90s, 2m, 1h or 90d")
    return timedelta(seconds=int(match[1]) * SECONDS[match[2]])


def _lease(value: object) -> timedelta:
    length = read_duration(value)
    if length < SHORTEST_LEASE:
        raise ValueError("write 10s or more: a worker needs the time to send what it claimed")
    return length


def _share(value: object) -> float:
    """A share written as 0.3%; ValueError for anything else."""
    if isinstance(value, float) and 0 < value <= 1:
        return value
    match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", str(value).strip())
    if not match or not 0 < float(match[1]) <= 100:
        raise ValueError("write a share, such as 0.3% or 2%")
    return float(match[1]) / 100


def _in_order(value: object) -> object:
    """One name, or several: first and then fallback."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError('write a name or a list of them, such as ["main", "spare"]')
    if len(set(names)) < len(names):
        raise ValueError("one name stands twice in a list; each sender has one place")
    return tuple(names)


class Settings(BaseSettings):
    """What an installation decides once, read from the environment; campaigns are not settings."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    home: Path = Field(
        default=Path("multiwave-home"),
        description="folder of the ledger, outbox, dial lists, spool and token key",
    )
    database_url: str | None = Field(
        default=None, description="ledger database; SQLite in the home folder, or postgresql://user:password@host/name"
    )
    default_language: str = Field(
        default="en",
        pattern=r"^[a-z]{2,3}(-[a-z0-9]+)*$",
        description="language of a template when the customer's own has none",
    )
    batch_size: int = Field(default=1000, ge=1, le=100_000, description="touches in a batch, which one worker leases")
    enrol_range: int = Field(
        default=50_000,
        ge=1,
        le=10_000_000,
        description="customers enrolled, frozen or closed in one transaction, at most",
    )
    lease: Annotated[timedelta, BeforeValidator(_lease)] = Field(
        default=timedelta(minutes=2),
        description="how long a worker holds a batch before another takes it (90s, 2m)",
    )
    tick: Annotated[timedelta, BeforeValidator(read_duration)] = Field(
        default=timedelta(seconds=10), description="how often `up` asks what is due (10s, 1m)"
    )
    late_after: Annotated[timedelta, BeforeValidator(read_duration)] = Field(
        default=timedelta(minutes=5), description="how late `up` may be with a tick before people are told (5m)"
    )
    keep_raw: Annotated[timedelta, BeforeValidator(read_duration)] = Field(
        default=timedelta(days=90), description="how long a report keeps the text it came with (90d)"
    )
    spool: Path | None = Field(
        default=None, description="folder where callbacks wait to be merged; else spool in the home folder"
    )
    complaint_warn: Annotated[float, BeforeValidator(_share)] = Field(
        default=0.001, description="share of a wave's e-mails whose complaints people are told of (0.1%)"
    )
    complaint_stop: Annotated[float, BeforeValidator(_share)] = Field(
        default=0.003, description="share of a wave's e-mails whose complaints stop the wave (0.3%)"
    )
    filtered_pause: Annotated[float, BeforeValidator(_share)] = Field(
        default=0.02, description="share of a wave's texts filtered by carriers that pauses the campaign (2%)"
    )
    alert_urls: list[SecretStr] = Field(
        default=[],
        description='whom `up` tells of trouble: apprise addresses, as JSON: ["mailto://user:password@example.com"]',
    )
    worker: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="this worker's name in `doctor`, no other worker's; else machine:process",
    )
    wave_workers: int = Field(
        default=2, ge=1, le=100, description="how many flow runs work on one wave side by side, on any machines"
    )
    costs: dict[str, Annotated[Decimal, Field(ge=0)]] = Field(
        default={}, description='cost of one touch by channel, of one segment for sms, as JSON: {"sms": 0.0075}'
    )
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="currency of the costs, three letters")
    providers: dict[str, Annotated[tuple[str, ...], BeforeValidator(_in_order)]] = Field(
        default={},
        description='senders or provider by channel, first and then fallback, as JSON: {"sms": ["main", "spare"]}; '
        "a channel not named uses the default",
    )
    failover: dict[str, Literal["never", "stopped", "not_sent"]] = Field(
        default={},
        description="when a channel's next sender takes over, as JSON: "
        '{"sms": "stopped"}; never, stopped (while the one before is paused) or not_sent (that, and what it surely '
        "did not take), which is the default",
    )
    public_url: str | None = Field(
        default=None,
        description="address under which `serve` is reached from outside, for links, pages and callbacks; https://...",
    )
    site_origins: list[str] = Field(
        default=[],
        description='sites whose pages may call `serve` from a browser, as JSON: ["https://www.example.com"]',
    )
    token_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="key that signs tokens, 16 characters or more; else made in the home folder",
    )

    @field_validator("home", "spool")
    @classmethod
    def _own_folder(cls, folder: Path | None) -> Path | None:
        return folder.expanduser() if folder is not None else None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not re.match(r"(sqlite|postgres(ql)?(\+psycopg)?)://", url):
            raise ValueError("write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
        return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", url)

    @field_validator("public_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not PUBLIC.fullmatch(url):
            raise ValueError("write https://HOST, such as https://go.example.com; http:// is for this machine only")
        return url.rstrip("/")

    @field_validator("site_origins")
    @classmethod
    def _origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not re.fullmatch(r"(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:\d{1,5})?", origin):
                raise ValueError("write origins as browsers do: https://www.example.com, lower case, no path, no slash")
        return origins

    @property
    def spool_folder(self) -> Path:
        """Where callbacks wait to be merged."""
        return self.spool or self.home / "spool"

    @property
    def url(self) -> str:
        """The ledger's database as SQLAlchemy spells it."""
        return self.database_url or f"sqlite:///{self.home / 'ledger.db'}"


def load_settings(home: Path | None = None) -> Settings:
    """The settings of this environment, `home` winning over MULTIWAVE_HOME; SettingsError names every bad variable."""
    try:
        return Settings() if home is None else Settings(home=home)
    except UnreadableVariable as error:
        name = re.search(r'field "(\w+)"', str(error))
        variable = f"{PREFIX}{name[1].upper()}" if name else f"one of the {PREFIX}* variables"
        example = f", such as {_example(name[1])}" if name else ""
        raise SettingsError(f"{variable}: not JSON; write it as JSON{example}") from None
    except ValidationError as error:
        raise SettingsError("\n".join(dict.fromkeys(map(_sentence, error.errors(include_url=False))))) from None


def _example(name: str) -> str:
    return (Settings.model_fields[name].description or "").rpartition("JSON: ")[2].partition(";")[0]


def _sentence(detail: ErrorDetails) -> str:
    """One bad variable; its value is not repeated, since it can hold a password."""
    name, *inside = map(str, detail["loc"])
    ctx = detail.get("ctx", {})
    advice = {
        "greater_than_equal": f"write at least {ctx.get('ge')}",
        "less_than_equal": f"write at most {ctx.get('le')}",
        "int_parsing": "write a whole number",
        "decimal_parsing": "write a number",
        "decimal_type": "write a number",
        "finite_number": "write a number",
        "string_type": "write a text",
        "dict_type": f"write it as JSON, such as {_example(name)}",
        "list_type": f"write it as JSON, such as {_example(name)}",
        "too_short": f"write at least {ctx.get('min_length')} characters",
        "value_error": str(ctx.get("error")),
        "literal_error": f"write {ctx.get('expected')}",
        "string_pattern_mismatch": f"write one such as {EXAMPLES.get(name, Settings.model_fields[name].default)}",
    }
    where = f" ({' '.join(inside)})" if inside else ""
    said = advice.get(str(detail["type"]), str(detail["msg"]))
    return f"{PREFIX}{name.upper()}{where}: {said}; it is: {Settings.model_fields[name].description}"
