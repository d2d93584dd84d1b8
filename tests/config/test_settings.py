"""Settings come from MULTIWAVE_* variables; a bad one is named and its value is never shown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from config.settings import PREFIX, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_defaults() -> None:
    settings = load_settings()
    assert settings.home == Path("multiwave-home")
    assert settings.url == "sqlite:///multiwave-home/ledger.db"
    assert settings.lease == timedelta(minutes=2)
    assert settings.costs == {}


def test_the_argument_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MULTIWAVE_HOME", "elsewhere")
    assert load_settings().home == Path("elsewhere")
    assert load_settings(tmp_path).url == f"sqlite:///{tmp_path}/ledger.db"


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


GOOD = [
    ("database_url", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ("database_url", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ("database_url", "postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ("database_url", "sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ("database_url", "", None),
    ("lease", "90s", timedelta(seconds=90)),
    ("lease", "1 h", timedelta(hours=1)),
    ("costs", '{"sms": 0.0075, "email": "0.001"}', {"sms": Decimal("0.0075"), "email": Decimal("0.001")}),
    ("providers", '{"sms": "outbox"}', {"sms": ("outbox",)}),
    ("providers", '{"sms": ["main", "spare"]}', {"sms": ("main", "spare")}),
    ("failover", '{"sms": "stopped"}', {"sms": "stopped"}),
    ("public_url", "https://go.example.com/", "https://go.example.com"),
    ("public_url", "http://127.0.0.1:8321", "http://127.0.0.1:8321"),
    ("batch_size", "5", 5),
    ("tick", "1s", timedelta(seconds=1)),
    ("late_after", "5m", timedelta(minutes=5)),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_variable_is_read(name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), text)
    assert getattr(load_settings(), name) == value


BAD = [
    ("database_url", "mysql://u:hunter2@h/d", "MULTIWAVE_DATABASE_URL: write sqlite:///PATH or postgresql://"),
    ("token_key", "hunter2", "MULTIWAVE_TOKEN_KEY: write at least 16 characters"),
    ("default_language", "hunter2!", "MULTIWAVE_DEFAULT_LANGUAGE: write one such as en"),
    ("batch_size", "hunter2", "MULTIWAVE_BATCH_SIZE: write a whole number"),
    ("batch_size", "0", "MULTIWAVE_BATCH_SIZE: write at least 1"),
    ("enrol_range", "99999999999", "MULTIWAVE_ENROL_RANGE: write at most 10000000"),
    ("lease", "5", "MULTIWAVE_LEASE: write a length of time, such as 90s, 2m, 1h or 90d"),
    ("lease", "0s", "MULTIWAVE_LEASE: write a length of time"),
    ("costs", '{"sms": -1}', "MULTIWAVE_COSTS (sms): write at least 0"),
    ("costs", '{"sms": "hunter2"}', "MULTIWAVE_COSTS (sms): write a number"),
    ("costs", '{"sms": NaN}', "MULTIWAVE_COSTS (sms): write a number"),
    ("costs", "[1]", 'MULTIWAVE_COSTS: write it as JSON, such as {"sms": 0.0075}'),
    ("costs", "{hunter2", 'MULTIWAVE_COSTS: not JSON; write it as JSON, such as {"sms": 0.0075}'),
    ("providers", "hunter2", 'MULTIWAVE_PROVIDERS: not JSON; write it as JSON, such as {"sms": ["main", "spare"]}'),
    ("providers", '{"sms": 5}', "MULTIWAVE_PROVIDERS (sms): write a name or a list of them"),
    ("providers", '{"sms": []}', "MULTIWAVE_PROVIDERS (sms): write a name or a list of them"),
    ("providers", '{"sms": ["hunter2", "hunter2"]}', "MULTIWAVE_PROVIDERS (sms): one name stands twice"),
    ("failover", '{"sms": "hunter2"}', "MULTIWAVE_FAILOVER (sms): write 'never', 'stopped' or 'not_sent'"),
    ("public_url", "http://hunter2.example.com", "MULTIWAVE_PUBLIC_URL: write https://HOST"),
    ("public_url", "https://user:hunter2@example.com", "MULTIWAVE_PUBLIC_URL: write https://HOST"),
    ("tick", "0s", "MULTIWAVE_TICK: write a length of time"),
    ("late_after", "soon", "MULTIWAVE_LATE_AFTER: write a length of time"),
    ("alert_urls", "json://hunter2", 'MULTIWAVE_ALERT_URLS: not JSON; write it as JSON, such as ["mailto://'),
    ("alert_urls", '"json://hunter2"', 'MULTIWAVE_ALERT_URLS: write it as JSON, such as ["mailto://'),
    ("alert_urls", '[{"hunter2": 1}]', "MULTIWAVE_ALERT_URLS (0): write a text"),
    ("currency", "usd", "MULTIWAVE_CURRENCY: write one such as USD"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD)
def test_a_bad_variable_is_named(name: str, text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(said)
    assert "hunter2" not in str(caught.value)


def test_every_bad_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIWAVE_LEASE", "x")
    monkeypatch.setenv("MULTIWAVE_CURRENCY", "x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == 2


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIWAVE_TOKEN_KEY", "hunter2hunter2hunter2")
    monkeypatch.setenv("MULTIWAVE_ALERT_URLS", '["json://ops:hunter2@127.0.0.1"]')
    settings = load_settings()
    assert settings.alert_urls[0].get_secret_value() == "json://ops:hunter2@127.0.0.1"
    assert "hunter2" not in repr(settings) + str(settings.model_dump())
