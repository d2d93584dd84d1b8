"""Whether a request, and the answer to it, are what a provider's own OpenAPI description says they may be.

The descriptions are the files beside this one. Where they are wrong, or say less than the provider's documentation,
the difference is written down here: one constant or function each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.validation.schemas.exceptions import InvalidSchemaValue
from werkzeug.datastructures import Headers, ImmutableMultiDict

HERE = Path(__file__).parent
SERVER = "http://provider.test"
"""Stands for whatever server a description names, and for the stand-in that was really called."""
FORM, JSON = "application/x-www-form-urlencoded", "application/json"

UNDESCRIBED_FIELDS = {"MessageIntent"}
"""Twilio documents it, its description does not have it."""
LONGEST_VALIDITY_S = 36_000
"""Twilio's ValidityPeriod is described as any whole number; outside 1 to this the API answers 400."""
STRINGS_ONLY = ("custom_args", "headers", "substitutions")
"""Objects of SendGrid whose values are strings; the description lets anything pass."""


class NotAsDescribed(AssertionError):
    """What is wrong with a request or an answer, by its provider's description."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in: its address (any server's), its headers and its body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def check_request(asked: Asked) -> None:
    """NotAsDescribed for a request that its provider's description does not allow."""
    wrong = list(_wrong_with_request(asked))
    if wrong:
        raise NotAsDescribed(f"{asked.method} {urlsplit(asked.url).path}: {'; '.join(wrong)}")


def check_answer(asked: Asked, said: Said) -> None:
    """NotAsDescribed for an answer that the description does not allow; an error it leaves out may be anything."""
    description = _description_of(asked)
    if said.status >= 400 and not {str(said.status), "default"} & set(description.operation(asked)["responses"]):
        return
    try:
        description.rules.validate_response(_Request(asked), _Response(said))
    except OpenAPIError as error:
        raise NotAsDescribed(f"{asked.method} {urlsplit(asked.url).path} -> {said.status}: {_told(error)}") from error


def _wrong_with_request(asked: Asked) -> Iterator[str]:
    description = _description_of(asked)
    try:
        description.rules.validate_request(_Request(asked))
    except OpenAPIError as error:
        yield _told(error)
        return
    known = {p["name"] for p in description.parameters(asked) if p["in"] == "query"}
    yield from (f"no query parameter {name}" for name, _ in _Request(asked).pairs if name not in known)
    content = description.content(asked)
    kind = _Request(asked).content_type.partition(";")[0].strip()
    schema = content.get(kind, {}).get("schema")
    if schema is None:
        if asked.body and (asked.method != "GET"):
            yield f"a body of type {kind or 'nothing'}; the description has {', '.join(content) or 'none'}"
        return
    if kind == FORM:
        yield from _wrong_with_form(description.resolved(schema), asked.body)
    elif kind == JSON:
        value = json.loads(asked.body)
        yield from _unknown_names(description, schema, value, "")
        yield from _not_strings(value)


def _wrong_with_form(schema: Mapping[str, Any], body: bytes) -> Iterator[str]:
    for name, text in parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)):
        described = schema["properties"].get(name)
        if described is None:
            if name not in UNDESCRIBED_FIELDS:
                yield f"no form field {name}"
        elif described.get("format") == "uri" and not _is_web_address(text):
            yield f"{name} is no web address"
        elif name == "ValidityPeriod" and not 1 <= int(text) <= LONGEST_VALIDITY_S:
            yield f"{name} is not between 1 and {LONGEST_VALIDITY_S}"


def _is_web_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s_]", parts.netloc)


def _unknown_names(description: _Description, schema: Any, value: Any, where: str) -> Iterator[str]:
    """Names in a JSON body that the description does not have, wherever it lists the names of an object."""
    branches = description.branches(schema)
    if isinstance(value, list):
        items = [branch["items"] for branch in branches if "items" in branch]
        for item in value if items else ():
            yield from _unknown_names(description, {"anyOf": items}, item, f"{where}[]")
    if not isinstance(value, dict):
        return
    listed = [branch["properties"] for branch in branches if "properties" in branch]
    is_open = any("additionalProperties" in branch for branch in branches) or not listed
    for name, inner in value.items():
        known = [properties[name] for properties in listed if name in properties]
        if known:
            yield from _unknown_names(description, {"anyOf": known}, inner, f"{where}.{name}".lstrip("."))
        elif not is_open:
            yield f"no name {f'{where}.{name}'.lstrip('.')}"


def _not_strings(value: Any) -> Iterator[str]:
    """What SendGrid's description lets pass: values that are no strings, custom_args outside a personalization."""
    if not isinstance(value, dict) or "personalizations" not in value:
        return
    if "custom_args" in value:
        yield "custom_args of the whole message; put them into the personalizations"
    for holder in (value, *value["personalizations"]):
        for name in STRINGS_ONLY:
            wrong = [key for key, inner in (holder.get(name) or {}).items() if not isinstance(inner, str)]
            yield from (f"{name}.{key} is no string" for key in wrong)


def _told(error: OpenAPIError) -> str:
    cause = error.__cause__
    if isinstance(error, InvalidSchemaValue):
        cause = error
    if isinstance(cause, InvalidSchemaValue):
        return "; ".join(f"{'.'.join(map(str, e.path))}: {e.message[:200]}" for e in cause.schema_errors)
    return f"{error}" + (f" ({cause})" if cause else "")


class _Description:
    """One file: what openapi-core makes of it, and the plain tree for what it does not look at."""

    def __init__(self, path: Path) -> None:
        self.tree = json.loads(path.read_text("utf-8"))
        self.tree["servers"] = [{"url": SERVER}]
        for item in self.tree["paths"].values():
            item.pop("servers", None)
        self.rules = OpenAPI.from_dict(self.tree, config=Config(extra_format_validators=FORMATS))
        self.templates = {re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(p))): p for p in self.tree["paths"]}

    def item(self, path: str) -> Mapping[str, Any] | None:
        """The path item of an address; an address written out goes before a template."""
        fitting = [template for pattern, template in self.templates.items() if pattern.fullmatch(path)]
        return self.tree["paths"][min(fitting, key=lambda t: t.count("{"))] if fitting else None

    def operation(self, asked: Asked) -> Mapping[str, Any]:
        item = self.item(urlsplit(asked.url).path) or {}
        if asked.method.lower() not in item:
            raise NotAsDescribed(f"{urlsplit(asked.url).path} takes no {asked.method}")
        return item[asked.method.lower()]

    def parameters(self, asked: Asked) -> list[Mapping[str, Any]]:
        item = self.item(urlsplit(asked.url).path) or {}
        listed = [*item.get("parameters", ()), *self.operation(asked).get("parameters", ())]
        return [self.resolved(parameter) for parameter in listed]

    def content(self, asked: Asked) -> Mapping[str, Any]:
        return self.resolved(self.operation(asked).get("requestBody", {})).get("content", {})

    def resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found = self.tree
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def branches(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """A schema and everything it is put together from."""
        schema = self.resolved(schema)
        parts = [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ())]
        return [schema, *(branch for part in parts for branch in self.branches(part))]


class _Request:
    """A request as openapi-core wants it."""

    def __init__(self, asked: Asked) -> None:
        parts = urlsplit(asked.url)
        headers = Headers(list(asked.headers.items()))
        self.host_url, self.path, self.method = SERVER, parts.path, asked.method.lower()
        self.pairs = parse_qsl(parts.query, keep_blank_values=True)
        self.body = asked.body or None
        self.content_type = headers.get("Content-Type", "").lower()
        self.parameters = RequestParameters(query=ImmutableMultiDict(self.pairs), header=headers)


class _Response:
    """An answer as openapi-core wants it."""

    def __init__(self, said: Said) -> None:
        self.headers = Headers(list(said.headers.items()))
        self.status_code, self.data = said.status, said.body
        self.content_type = self.headers.get("Content-Type", "")


def _is_rfc_2822(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    try:
        datetime.strptime(value, "%a, %d %b %Y %H:%M:%S %z")
    except ValueError:
        return False
    return True


FORMATS = {
    "uri": lambda value: not isinstance(value, str) or not re.search(r"\s", value),  # Twilio answers relative ones
    "date-time-rfc-2822": _is_rfc_2822,
    "currency": lambda value: not isinstance(value, str) or bool(re.fullmatch(r"[A-Za-z]{3}", value)),
}


@cache
def description(name: str) -> _Description:
    """The description in the file of that name, read once."""
    return _Description(HERE / f"{name}.json")


def _description_of(asked: Asked) -> _Description:
    path = urlsplit(asked.url).path
    for file in sorted(HERE.glob("*.json")):
        if description(file.stem).item(path) is not None:
            return description(file.stem)
    raise NotAsDescribed(f"no provider's description has the path {path}")
