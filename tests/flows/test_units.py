"""A text message costs its units: what the dry run expects, what is written at the sending, what the report adds up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from channels.registry import CAPABILITIES
from console.cli import app
from flows.running import load_running
from ledger.report import count_wave
from ledger.report_rows import Lens, opened_waves
from tests.builders import DAY, HOUR, T0, Person, World, make_world, phone, plan_text, put
from waves.message import BEGIN_WITHIN_S, CHANNEL_CODES, Capabilities, Message, Receipt

PRICE = Decimal("0.0075")
WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
VARIANTS = (
    "  - wave: notice\n    channels: [{first_of: [sms, email]}]\n    release: 2h\n    listen: 1d\n"
    "    variants: {a: {message: hello, weight: 75%}, b: {message: long, weight: 25%}}\n"
)
LONG = "{{ 'x' }}" + "a" * 160 + "{% if age > 50 %}" + "b" * 153 + "{% endif %}"
"""Two units, or three for those above 50."""


@dataclass
class Unsure:
    """A provider that takes every second message and leaves the others in doubt."""

    capabilities: Capabilities = CAPABILITIES["sms"]
    provider: str = "unsure"
    chunk: int = 500

    def find(self, tokens: Sequence[str]) -> None:
        """Nobody answers there."""

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        return [Receipt(m.token, "in_doubt" if n % 2 else "accepted") for n, m in enumerate(messages)]


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url, costs={"sms": PRICE, "email": "0.001"})
    (made.config / "templates" / "long.sms.j2").write_text(LONG)
    (made.config / "templates" / "long.email.j2").write_text(f"Subject: x\n\n{LONG}")
    people = [Person(f"c{n}", (("sms", phone(n)),), age=40 + 20 * (n % 2)) for n in range(8)]
    put(made.ledger, [*people, Person("mail", (("email", "c@example.com"),))])
    yield made
    made.ledger.close()


def long_text() -> str:
    return plan_text(WAVE.replace("hello", "long"))


def test_the_dry_run_expects_the_units_of_what_members_would_read(world: World) -> None:
    (wave,) = world.forecast(long_text(), T0 - DAY).waves
    units = Decimal(8) * (2 * 5 + 3 * 4) / 9  # the mean of all nine members: five of 40, four of 60
    assert (wave.touches, wave.units) == ({"sms": 8}, {"sms": units})
    assert wave.cost == units * PRICE
    (wave,) = world.forecast(plan_text(VARIANTS), T0 - DAY).waves
    mixed = Decimal(8) * (Decimal("0.75") * 9 + Decimal("0.25") * (2 * 5 + 3 * 4)) / 9
    assert wave.units == {"sms": mixed, "email": Decimal(1)}
    assert wave.cost == mixed * PRICE + Decimal("0.001")


def test_each_message_is_written_with_its_own_cost_and_the_report_agrees(world: World) -> None:
    world.start(long_text())
    world.advance(T0)
    costs = [(int(row.key[1:]) % 2, row.cost) for row in world.touches("notice")]
    assert sorted(costs) == [(0, 2 * PRICE)] * 4 + [(1, 3 * PRICE)] * 4
    assert spent(world) == 20 * PRICE


def test_a_message_in_doubt_keeps_what_it_costs_if_it_was_sent(world: World) -> None:
    world.start(long_text())
    world.room._channels["sms"] = Unsure()
    world.advance(T0)
    assert sum(row.cost for row in world.touches("notice")) == 20 * PRICE
    world.advance(T0 + DAY + 3 * HOUR)
    assert spent(world) == 20 * PRICE


def spent(world: World) -> Decimal:
    """What the report says that the campaign cost, with another price in the settings by now."""
    running = load_running(world.ledger, "test")
    lens = Lens("renewed", 14 * DAY, world.now, {CHANNEL_CODES["sms"]: Decimal(9)})
    with world.ledger.read() as connection:
        waves = opened_waves(connection, running.id, lens.as_of)
        return sum((count_wave(connection, wave, lens).cost for wave in waves), Decimal(0))


def test_plan_and_check_say_it_on_the_screen_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIWAVE_COSTS", json.dumps({"sms": float(PRICE)}))
    world = make_world(tmp_path / "home")
    put(world.ledger, [Person(f"c{n}", (("sms", phone(n)),)) for n in range(3)])
    (world.config / "templates" / "hello.sms.j2").write_text("Hello\nit’s time " + "a" * 60)
    (world.config / "plans" / "plan.yaml").write_text(plan_text(WAVE))
    world.ledger.close()

    def said(*words: str) -> str:
        result = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *words])
        assert result.exit_code == 0, result.output
        return result.output

    (first, second) = json.loads(said("check", "plan", "--json"))["notes"]
    assert "hello.sms.j2:1: the fixed text alone takes 2 segments" in first
    assert "hello.sms.j2:2: ’ (U+2019) is not in the GSM alphabet" in second
    assert "note: " in said("check", "plan")
    found = json.loads(said("plan", "plan", "--json"))
    assert [(wave["units"], wave["cost"]) for wave in found["waves"]] == [({"sms": 6.0}, 0.045)]
    assert [(one["units"], one["alphabet"]) for one in found["wordings"]] == [(2, "UCS-2")]
    shown = said("plan", "plan")
    assert "2 units (UCS-2)" in shown
    assert "0.04 USD" in shown or "0.05 USD" in shown
