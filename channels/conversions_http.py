"""Conversions that others POST to us: JSON in, checked item by item; kept in the spool, and read back from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from channels.conversions_file import VALUE
from waves.errors import InputError
from waves.message import Came, Conversion
from waves.plan import NAME

MOST = 1000
"""Conversions in one request."""
LONGEST = 200
KEYS = ("customer", "token", "goal", "at", "value", "currency", "product", "source_id", "reversed_at")
TOLD = 20
"""Problems that an answer lists."""
Ours = Callable[[str], str | None]
"""The token in a text, when it is one of ours; a link's code holds one too."""


def read_posted(body: bytes, source: str, ours: Ours) -> list[Conversion]:
    """The conversions of a request, all or none; InputError names each problem by its item, and shows no value."""
    try:
        said = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InputError("the body is not JSON; write one conversion, or a list of them") from None
    items = said if isinstance(said, list) else [said]
    if not 1 <= len(items) <= MOST:
        raise InputError(f"{len(items)} conversions in one request; send 1 to {MOST}")
    found, problems = [], list[str]()
    for number, item in enumerate(items):
        wrong, conversion = _read(item, source, ours)
        problems += [f"item {number}: {what}" for what in wrong]
        found += [conversion] if conversion else []
    if problems:
        more = [f"and {len(problems) - TOLD} more"] if len(problems) > TOLD else []
        raise InputError("\n".join([*problems[:TOLD], *more]))
    return found


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _read(item: Any, source: str, ours: Ours) -> tuple[list[str], Conversion | None]:
    if not isinstance(item, dict):
        return ['is no object; write {"customer": ..., "goal": ..., "at": ..., "source_id": ...}'], None
    wrong = list(_problems(item, ours))
    if wrong:
        return wrong, None
    at, undone = _moment(item["at"]), _moment(item.get("reversed_at"))
    if at is None or (undone is not None and undone < at):
        return ["`reversed_at` is before `at`; a conversion cannot be taken back before it happened"], None
    value, token = item.get("value"), item.get("token")
    return [], Conversion(
        customer=item.get("customer"),
        token=None if token is None else ours(token),
        goal=item["goal"],
        at=at,
        value=None if value is None else Decimal(value),
        currency=item.get("currency"),
        product=item.get("product"),
        reversed_at=undone,
        provider=source,
        provider_event_id=item["source_id"],
    )


def _problems(item: dict[str, Any], ours: Ours) -> Iterator[str]:
    if set(item) - set(KEYS):
        yield f"has a key that means nothing here; the keys are {', '.join(KEYS)}"
    given = [key for key in ("customer", "token") if item.get(key) is not None]
    if len(given) != 1:
        yield "names nobody, or twice; write either `customer` (your key) or `token` (of a message or a link)"
    for key in (*given, "source_id", *(["product"] if item.get("product") is not None else [])):
        if not _is_text(item.get(key)):
            yield f"`{key}` is no text of 1 to {LONGEST} printable characters"
        elif key == "token" and ours(item["token"]) is None:
            yield "`token` is none of ours; write it as the message or the link had it"
    if not isinstance(item.get("goal"), str) or not re.fullmatch(NAME, item["goal"]):
        yield "`goal` is no name; write the plan's goal.event, such as renewed"
    if _moment(item.get("at")) is None:
        yield "`at` is no time with a zone; write 2026-12-01T14:05:00+02:00"
    if item.get("reversed_at") is not None and _moment(item["reversed_at"]) is None:
        yield "`reversed_at` is no time with a zone; write 2026-12-01T14:05:00+02:00"
    value, currency = item.get("value"), item.get("currency")
    if value is not None and not (isinstance(value, str | Decimal) and VALUE.fullmatch(_digits(value))):
        yield "`value` is no amount; write 1250 or 1250.50 (at most 4 decimals)"
    if (value is not None or currency is not None) and not (
        isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency)
    ):
        yield "`currency` is no code of 3 letters; write USD"


def _digits(value: str | Decimal) -> str:
    if isinstance(value, str):
        return value
    return f"{value:f}" if value.is_finite() and -20 < value.adjusted() < 20 else ""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST and value.isprintable() and value == value.strip()


def _moment(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def kept_body(conversions: Sequence[Conversion]) -> bytes:
    """Conversions as the body of a record of page `conversion`."""
    return json.dumps(
        [
            {
                "customer": c.customer,
                "token": c.token,
                "goal": c.goal,
                "at": c.at.isoformat(),
                "value": None if c.value is None else str(c.value),
                "currency": c.currency,
                "product": c.product,
                "reversed_at": c.reversed_at and c.reversed_at.isoformat(),
                "source": c.provider,
                "id": c.provider_event_id,
            }
            for c in conversions
        ]
    ).encode()


def read_kept(body: bytes, _at: datetime) -> list[Came]:
    """The conversions that `kept_body` wrote."""
    return [
        Conversion(
            customer=item["customer"],
            token=item["token"],
            goal=item["goal"],
            at=datetime.fromisoformat(item["at"]),
            value=None if item["value"] is None else Decimal(item["value"]),
            currency=item["currency"],
            product=item["product"],
            reversed_at=item["reversed_at"] and datetime.fromisoformat(item["reversed_at"]),
            provider=item["source"],
            provider_event_id=item["id"],
        )
        for item in json.loads(body)
    ]
