"""Schemathesis asks the stand-in of SendGrid what the descriptions allow: it never answers what it must not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.openapi.checker import HERE, SERVER
from tests.standins.sendgrid import KEY, Standin, running

CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance)
LISTS = ("bounces", "blocks", "invalid_emails", "spam_reports", "unsubscribes")
ASKED = [
    ("sendgrid_mail", "/v3/mail/send", "POST"),
    ("sendgrid_email_activity", "/v3/messages", "GET"),
    ("sendgrid_email_logs", "/v3/logs", "POST"),
    *[("sendgrid_suppressions", f"/v3/suppression/{name}", "GET") for name in LISTS],
    ("sendgrid_suppressions", "/v3/asm/suppressions", "GET"),
    ("sendgrid_suppressions", "/v3/asm/suppressions/global", "POST"),
]


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with running(checked=False) as started:
        said = {
            "email": "ada@example.com",
            "created": 1796115600,
            "reason": "550",
            "status": "5.1.1",
            "ip": "192.0.2.1",
        }
        started.lists = {name: [said] for name in LISTS}
        yield started


@pytest.mark.parametrize(("name", "path", "method"), ASKED, ids=[path for _, path, _ in ASKED])
def test_sendgrid_answers_as_its_description_has_it(standin: Standin, name: str, path: str, method: str) -> None:
    tree = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    item = {key: part for key, part in tree["paths"][path].items() if key != "servers"}
    schema = schemathesis.openapi.from_dict({**tree, "servers": [{"url": SERVER}], "paths": {path: item}})

    @settings(max_examples=3, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(base_url=standin.url, headers={"Authorization": f"Bearer {KEY}"})
        case.validate_response(answer, checks=CHECKS)

    ask()
