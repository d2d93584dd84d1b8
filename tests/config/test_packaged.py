"""The packaged examples are a whole configuration that checks clean and renders for everybody."""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path

import pytest

from config import PACKAGED
from config.loading import check_plan, load_plan
from config.schema import RESERVED, attribute_types, load_schema
from config.templates import OFFERED
from waves.message import Capabilities

PLANS = sorted(path.name for path in (PACKAGED / "plans").glob("*.yaml"))
LANGUAGES = ("en", "uk", "pt-br", None)
ADA = {"name": "Ada Example", "contract_end": date(2026, 12, 31), "plan_name": "Fibre 300", "vip": True}


@pytest.mark.parametrize("name", PLANS)
def test_every_packaged_plan_checks_clean(name: str, capabilities: dict[str, Capabilities]) -> None:
    assert check_plan(PACKAGED / "plans" / name, PACKAGED, capabilities) == []


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("known", [ADA, {}], ids=["known", "nothing known"])
def test_every_packaged_message_renders(
    name: str, language: str | None, known: dict[str, object], capabilities: dict[str, Capabilities]
) -> None:
    bundle = load_plan(PACKAGED / "plans" / name, PACKAGED, capabilities)
    values: dict[str, object] = dict.fromkeys(bundle.types)
    values |= {**dict.fromkeys(OFFERED, "text"), "link": str, "name": None, "language": language, **known}
    templates = bundle.open_templates()
    for wave in bundle.plan.waves:
        for message in wave.messages.values():
            for channel in wave.channel_names:
                parts = templates.render(message, channel, language, values)
                assert set(parts) >= {*capabilities[channel].required_parts, "body"}
                assert "None" not in str(parts)
                assert "  " not in parts["body"]


def test_the_example_customers_fit_the_schema() -> None:
    schema = load_schema(PACKAGED)
    with (PACKAGED / "examples" / "customers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = {schema.key, schema.name, schema.language, schema.postal, schema.country, *attribute_types(schema)}
    named |= {address.column for address in schema.addresses} | {c.column for c in schema.consent.values()}
    assert len(rows) == 12
    assert set(rows[0]) == named


def test_the_examples_name_nobody_real() -> None:
    text = (PACKAGED / "examples" / "customers.csv").read_text(encoding="utf-8")
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", phone) for phone in re.findall(r"\+\d+", text))
    assert {address.rpartition("@")[2] for address in re.findall(r"[\w.]+@[\w.]+", text)} == {"example.com"}
    assert {Path(url).parts[1] for url in re.findall(r"https://[^,]+", text)} == {"push.example.com"}


def test_no_declared_attribute_is_a_reserved_word() -> None:
    assert not set(attribute_types(load_schema(PACKAGED))) & RESERVED
    assert set(OFFERED) <= RESERVED
