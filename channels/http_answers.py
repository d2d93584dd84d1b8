"""What a gateway's answer means for each message: its receipts first, and for the rest its status code.

RFC 9110 says of which codes the request was surely not acted on; whatever leaves that open is in doubt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from channels.events_file import ACTIONS, REASONS
from channels.meanings import STOPPED_S
from waves.errors import MultiwaveError
from waves.message import Receipt
from waves.outcomes import Action, Reason

LATER_S, DAY_S = 60.0, 86_400.0
LONGEST_REF = 200

REFUSALS: dict[int, tuple[Reason, Action]] = {
    307: (Reason.CONFIG, Action.STOP_PROVIDER),
    308: (Reason.CONFIG, Action.STOP_PROVIDER),
    400: (Reason.CONFIG, Action.PAUSE_SENDER),
    401: (Reason.ACCOUNT, Action.STOP_PROVIDER),
    402: (Reason.ACCOUNT, Action.STOP_PROVIDER),
    403: (Reason.ACCOUNT, Action.STOP_PROVIDER),
    404: (Reason.CONFIG, Action.STOP_PROVIDER),
    405: (Reason.CONFIG, Action.STOP_PROVIDER),
    410: (Reason.CONFIG, Action.STOP_PROVIDER),
    413: (Reason.TOO_LARGE, Action.PAUSE_SENDER),
}
"""Status code -> why the whole request was refused; any other 4xx but those below is the 400.

With STOP_PROVIDER its messages wait for somebody to mend the sender.
"""
MAY_HAVE_BEEN_READ = frozenset({408})
"""A proxy says so of a slow gateway behind it as well."""
NOT_YET = frozenset({425, 429})
"""Refused for now, before anything was accepted; so is a 503 that says when to come again."""

RESULTS: dict[str, Action] = {"accepted": Action.OK, "refused": Action.NEXT_CHANNEL, "not_sent": Action.RETRY}
"""What a receipt may say, and the action where it names none."""

Stop = tuple[Reason | None, float]
"""Why nothing more of a chunk should be begun, and for how many seconds."""


class UnreadableAnswer(MultiwaveError):
    """An answer that is not of the contract; the message says what was wrong and nothing that was in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, read whole."""

    status: int
    content: bytes
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    """All of them, case forgiven."""


def receipts_of(tokens: Sequence[str], answer: Answer, now: datetime) -> tuple[list[Receipt], Stop | None]:
    """A receipt for each token, in order, and whether the rest of the chunk should wait."""
    try:
        clear = _clear_receipts(tokens, read_json(answer.content))
    except UnreadableAnswer:
        clear = {}
    rest, stop = _by_status(answer, now)
    receipts = [clear.get(token) or Receipt(token, *rest) for token in tokens]
    return receipts, stop


def found_of(tokens: Sequence[str], answer: Answer) -> dict[str, Receipt]:
    """What a status query found, `accepted` or `refused`; UnreadableAnswer unless every word of it is clear."""
    if not 200 <= answer.status < 300:
        raise UnreadableAnswer(f"HTTP {answer.status}")
    found: dict[str, Receipt] = {}
    items, asked = _list_in(read_json(answer.content), "found"), frozenset(tokens)
    for item in items:
        receipt = _receipt(item)
        if receipt is None:
            raise UnreadableAnswer("a finding without a token or with an unknown result")
        if receipt.token in asked and receipt.result != "not_sent":
            found[receipt.token] = receipt
    return found


def read_json(content: bytes) -> object:
    """The JSON value; UnreadableAnswer when it is none."""
    try:
        return cast(object, decode(content.decode(json.detect_encoding(content), "surrogatepass")))
    except (ValueError, RecursionError):
        raise UnreadableAnswer("an answer that is not JSON") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


decode = json.JSONDecoder(parse_constant=_no_constant).decode  # json.loads makes one for each text


def _list_in(body: object, key: str) -> list[object]:
    items = body.get(key) if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise UnreadableAnswer(f"an answer without a list of `{key}`")
    return items


def _clear_receipts(tokens: Sequence[str], body: object) -> dict[str, Receipt]:
    """The receipts that can be relied on: of our tokens, with a known result, and none that contradict each other."""
    clear: dict[str, Receipt] = {}
    ours, torn = frozenset(tokens), set[str]()
    for item in _list_in(body, "receipts"):
        receipt = _receipt(item)
        if receipt is None:
            named = item.get("token") if isinstance(item, dict) else None
            torn.update([named] if isinstance(named, str) else [])
        elif receipt.token in ours and clear.setdefault(receipt.token, receipt) != receipt:
            torn.add(receipt.token)
    return {token: receipt for token, receipt in clear.items() if token not in torn}


def _receipt(item: object) -> Receipt | None:
    if not isinstance(item, dict):
        return None
    token, result, ref = item.get("token"), item.get("result"), item.get("ref")
    if not isinstance(token, str) or not isinstance(result, str) or result not in RESULTS:
        return None
    ref = reference(str(ref)) if isinstance(ref, str | int) and not isinstance(ref, bool) else None
    if result == "accepted":
        return Receipt(token, "accepted", ref)
    reason = _word(REASONS, item.get("reason")) or Reason.OTHER
    action = _word(ACTIONS, item.get("action"))
    if result == "not_sent":
        return Receipt(token, "not_sent", None, reason, Action.RETRY, _wait(item.get("retry_after_s")))
    return Receipt(token, "refused", ref, reason, RESULTS[result] if action is None else action)


def reference(text: str) -> str | None:
    """A provider's own reference of a message; None for one that a database would refuse, and with it the receipt."""
    return text[:LONGEST_REF] if text and text.isprintable() else None


def _word(known: Mapping[str, Any], said: object) -> Any:
    return known.get(said.strip().lower()) if isinstance(said, str) else None


def _wait(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float):
        return LATER_S
    return float(min(max(said, 1.0), DAY_S))


Rest = tuple[Any, None, Reason | None, Action, float | None]


def _by_status(answer: Answer, now: datetime) -> tuple[Rest, Stop | None]:
    """What the code says of every message without a receipt, as a Receipt's fields, and of the rest of the chunk."""
    status = answer.status
    doubt: Rest = ("in_doubt", None, Reason.PROVIDER, Action.RECONCILE, None)
    if status in NOT_YET or (status == 503 and answer.retry_after is not None):
        wait = retry_after_s(answer.retry_after, now)
        return ("not_sent", None, Reason.RATE_LIMITED, Action.RETRY, wait), (Reason.RATE_LIMITED, wait)
    if status in REFUSALS or (400 <= status < 500 and status not in MAY_HAVE_BEEN_READ):
        reason, action = REFUSALS.get(status, REFUSALS[400])
        stops = action is Action.STOP_PROVIDER  # it speaks of the gateway, and of none of the messages
        rest: Rest = ("not_sent" if stops else "refused", None, reason, action, STOPPED_S if stops else None)
        return rest, (Reason.PROVIDER, LATER_S)
    return doubt, None


def retry_after_s(header: str | None, now: datetime) -> float:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3: seconds or a date), between 1 s and a day."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(max(float(text[:9]), 1.0), DAY_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return LATER_S
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 1.0), DAY_S)
