"""Schemathesis asks the stand-ins what their providers' descriptions allow: none answers what it must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.openapi.checker import HERE, SERVER
from tests.standins.scripted import Standin
from tests.standins.twilio import ACCOUNT, TOKEN, start_twilio

CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance)
BOTH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
ONE = "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json"


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    started, _ = start_twilio()
    yield started
    started.stop()


def _relative(part: dict[str, Any]) -> dict[str, Any]:
    """Twilio's uris are relative, whatever its description says."""
    return {**part, "format": "uri-reference"} if part.get("format") == "uri" else part


@pytest.mark.parametrize(
    ("path", "method"), [(BOTH, "POST"), (BOTH, "GET"), (ONE, "GET"), (ONE, "POST"), (ONE, "DELETE")]
)
def test_twilio_answers_as_its_description_has_it(standin: Standin, path: str, method: str) -> None:
    tree = json.loads((HERE / "twilio_messages_calls.json").read_text("utf-8"), object_hook=_relative)
    item = {key: part for key, part in tree["paths"][path].items() if key != "servers"}
    schema = schemathesis.openapi.from_dict({**tree, "servers": [{"url": SERVER}], "paths": {path: item}})

    @settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(base_url=standin.url, auth=(ACCOUNT, TOKEN))
        case.validate_response(answer, checks=CHECKS)

    ask()
