"""What SendGrid has of messages that were cut off: by our token in Email Activity, or by address in Email Logs.

Both are add-ons of the account, are asked one question at a time, and are rate limited (6 a minute): what was found
until then counts, and the next round goes on with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

from channels.http_answers import reference
from channels.sendgrid_api import Api, NoAnswer
from channels.sendgrid_mail import TOKEN_KEY
from waves.errors import SendInDoubt
from waves.message import AnsweredInPart, Doubtful, Receipt

AT_ONCE = 40
"""Tokens in one question: its address stays under 4 kB."""
PAGE = 1000
MOST_ALIKE = 20
"""Messages to one address that are looked into; with more, nobody can say that ours is not among them."""
MOST_FAILED = 3
"""Addresses that could not be looked up before the rest of a round waits: one of them may be the only one."""
CLOCKS = timedelta(minutes=5)
"""How far SendGrid's clock may be from ours."""
MESSAGE_ID = re.compile(r"[A-Za-z0-9._=-]{1,200}")


async def find_by_activity(api: Api, tokens: Sequence[str]) -> dict[str, Receipt]:
    """The receipts of those tokens that Email Activity has; SendInDoubt when it does not answer."""
    found: dict[str, Receipt] = {}
    try:
        for start in range(0, len(tokens), AT_ONCE):
            await _look(api, tokens[start : start + AT_ONCE], found)
    except NoAnswer as error:
        raise _cut_short(error, found) from error
    return found


async def _look(api: Api, tokens: Sequence[str], known: dict[str, Receipt]) -> None:
    """Ask about all at once, and in halves where some are known: the answer names addresses, and not our tokens.

    Each token went to one address. So as many addresses as tokens prove them all, and none proves none.
    """
    query = " OR ".join(f"(unique_args['{TOKEN_KEY}']=\"{token}\")" for token in tokens)
    found = _messages(await api.ask("messages", {"query": query, "limit": PAGE}), "msg_id")
    if not found:
        return
    if len(tokens) == 1:
        known[tokens[0]] = Receipt(tokens[0], "accepted", reference(found[0]["msg_id"]))
    elif len({str(message["to_email"]).lower() for message in found}) == len(tokens):
        known |= {token: Receipt(token, "accepted") for token in tokens}
    else:
        middle = len(tokens) // 2
        await _look(api, tokens[:middle], known)
        await _look(api, tokens[middle:], known)


async def find_by_logs(api: Api, asked: Sequence[Doubtful]) -> dict[str, Receipt]:
    """The receipts of those messages that Email Logs have; SendInDoubt when they do not answer."""
    found: dict[str, Receipt] = {}
    failed: list[NoAnswer] = []
    for one in asked:
        try:
            await _look_into(api, one, found)
        except NoAnswer as error:
            failed.append(error)
            if len(failed) >= MOST_FAILED:
                break
    if failed:
        raise _cut_short(failed[0], found) from failed[0]
    return found


async def _look_into(api: Api, one: Doubtful, known: dict[str, Receipt]) -> None:
    """Each message to that address since then says which token it has."""
    quote = '"' if "'" in one.address else "'"
    since = f"{(one.begun - CLOCKS).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    query = f'to_email = {quote}{one.address}{quote} AND sg_message_id_created_at >= TIMESTAMP "{since}"'
    found = _messages(await api.ask("logs", body={"query": query, "limit": MOST_ALIKE + 1}), "sg_message_id")
    for message in found[:MOST_ALIKE]:
        ident = str(message["sg_message_id"])
        if not MESSAGE_ID.fullmatch(ident):
            raise NoAnswer("an answer of SendGrid's logs that cannot be read")
        detail = await api.ask(f"logs/{ident}")
        events = detail.get("events") if isinstance(detail, dict) else None
        if not isinstance(events, list):
            raise NoAnswer("an answer of SendGrid's logs that cannot be read")
        if any(_token_of(event) == one.token for event in events):
            known[one.token] = Receipt(one.token, "accepted", ident)
            return
    if len(found) > MOST_ALIKE:
        raise NoAnswer("too many messages to one address to look into")


def _cut_short(error: NoAnswer, found: dict[str, Receipt]) -> SendInDoubt:
    return AnsweredInPart(str(error), found) if found else SendInDoubt(str(error))


def _token_of(event: Any) -> object:
    arguments = event.get("custom_args") if isinstance(event, dict) else None
    return arguments.get(TOKEN_KEY) if isinstance(arguments, dict) else None


def _messages(said: Any, ident: str) -> list[dict[str, Any]]:
    """The messages of an answer, each with an id and an address; NoAnswer for anything else."""
    messages = said.get("messages") if isinstance(said, dict) else None
    if not isinstance(messages, list) or not all(
        isinstance(m, dict) and isinstance(m.get(ident), str) and isinstance(m.get("to_email"), str) for m in messages
    ):
        raise NoAnswer("an answer of SendGrid that cannot be read")
    return messages
