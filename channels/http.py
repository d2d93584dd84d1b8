"""Provider `http`: POSTs messages as signed JSON to a company's own gateway, for SMS, e-mail and push.

One request carries `messages` of them; its answer holds a receipt for each (the README has the contract). Requests
are never repeated here: a POST that may have been read is in doubt, and only a connection never made is `not_sent`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from channels.http_answers import LATER_S, Answer, Stop, UnreadableAnswer, found_of, receipts_of
from channels.http_line import Line, NeverMade, Post, Target, TooLate
from channels.http_options import HttpOptions, connect_once, sign
from channels.steady import steady
from waves.errors import SendInDoubt
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.outcomes import Action, Reason
from waves.senders import Sender

MOST_CUT_OFF = 3
"""Requests of a chunk that end in doubt before the rest of it waits: a broken gateway is not fed on."""
KEEP_S = 4.0
"""Idle connections are closed after so long: common servers do so after 5 s, and a POST must not cross with that."""
LONGEST_ANSWER = 64 * 1024, 1024
"""Bytes of an answer that are read: so many, and so many more for each message."""
ASKED = 500
"""Tokens in one status query."""
CUT_OFF = (OSError, UnreadableAnswer)
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass
class _Chunk:
    """What one call of `send` goes by; `stop` is what becomes of the rest once beginning more makes no sense."""

    now: datetime
    begin_by: float
    stop: Stop | None = None
    cut_off: int = 0

    def note_cut_off(self) -> None:
        self.cut_off += 1
        if self.cut_off >= MOST_CUT_OFF and self.stop is None:
            self.stop = (Reason.PROVIDER, LATER_S)


class Http:
    """A gateway for one channel; its connections are kept from chunk to chunk and shared by all threads."""

    provider = "http"

    def __init__(self, capabilities: Capabilities, sender: Sender, environment: Mapping[str, str] = os.environ) -> None:
        self.capabilities = capabilities
        self.sender = sender
        self.options = HttpOptions.of(sender)
        self.secret = self.options.secret(sender.sender, environment)
        self.chunk = max(500, min(2000, self.options.messages * sender.parallel))
        self._line = Line(KEEP_S)
        self._target = Target.of(self.options.url)
        self._status = Target.of(self.options.status_url) if self.options.status_url else None
        self._timeout_s = sender.timeout.total_seconds()

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order; what the gateway left unclear is in doubt."""
        begin_by = steady() + within_s
        return self._line.run(self._send(list(messages), _Chunk(now, begin_by)))

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """What the gateway's status query has of these tokens; None without a `status_url`."""
        return None if self._status is None else self._line.run(self._find(list(tokens), self._status))

    def reachable(self, timeout_s: float = 5.0) -> str | None:
        """Why no connection to the gateway comes about, or None when one does; nothing is sent."""
        return connect_once(self.options.url, timeout_s)

    def close(self) -> None:
        """Close the connections; the next `send` opens new ones."""
        self._line.close()

    async def _send(self, messages: list[Message], chunk: _Chunk) -> list[Receipt]:
        size = self.options.messages
        parts = [messages[i : i + size] for i in range(0, len(messages), size)]
        said: list[list[Receipt]] = [[] for _ in parts]
        turns = iter(range(len(parts)))  # shared: whoever is free takes the next part
        abreast = min(self.sender.parallel, len(parts))
        await asyncio.gather(*(self._carry(turns, parts, said, chunk) for _ in range(abreast)))
        return [receipt for receipts in said for receipt in receipts]

    async def _carry(
        self, turns: Iterator[int], parts: list[list[Message]], said: list[list[Receipt]], chunk: _Chunk
    ) -> None:
        for turn in turns:
            if chunk.stop is None and steady() >= chunk.begin_by:
                chunk.stop = (None, 0.0)
            if chunk.stop is None:
                said[turn] = await self._post_part(parts[turn], chunk)
            else:
                reason, wait = chunk.stop
                said[turn] = [_not_sent(message.token, reason, wait) for message in parts[turn]]

    async def _post_part(self, part: list[Message], chunk: _Chunk) -> list[Receipt]:
        """One request; its receipts in the order of its messages."""
        try:
            body = self._body(part)
        except UnicodeEncodeError:
            return await self._without_the_unwritable(part, chunk)
        tokens = [message.token for message in part]
        key = hashlib.sha256("\n".join(tokens).encode()).hexdigest()[:40]
        try:
            answer = await self._post(self._target, body, len(part), chunk.begin_by, f"Idempotency-Key: {key}\r\n")
        except NeverMade:
            chunk.stop = (Reason.PROVIDER, LATER_S)
            return [_not_sent(token, *chunk.stop) for token in tokens]
        except TooLate:
            chunk.stop = (None, 0.0)
            return [_not_sent(token, *chunk.stop) for token in tokens]
        except CUT_OFF:
            chunk.note_cut_off()
            return [_in_doubt(token) for token in tokens]
        receipts, stop = receipts_of(tokens, answer, chunk.now)
        chunk.stop = chunk.stop or stop
        if all(receipt.result == "in_doubt" for receipt in receipts):
            chunk.note_cut_off()
        return receipts

    def _body(self, part: list[Message]) -> bytes:
        messages = ",".join([_written(message) for message in part])
        return f'{{"sender":{encode(self.sender.sender)},"messages":[{messages}]}}'.encode()

    async def _without_the_unwritable(self, part: list[Message], chunk: _Chunk) -> list[Receipt]:
        """A message that is no Unicode text (half a surrogate pair) is refused alone."""
        sound = [message for message in part if _is_writable(self._body, message)]
        said = {receipt.token: receipt for receipt in (await self._post_part(sound, chunk) if sound else [])}
        refused = Action.NEXT_CHANNEL
        return [said.get(m.token) or Receipt(m.token, "refused", reason=Reason.CONTENT, action=refused) for m in part]

    async def _post(self, target: Target, body: bytes, items: int, begin_by: float, more: str) -> Answer:
        """The answer to one signed POST; `more` are header lines of its own."""
        signed = "".join(f"{name}: {value}\r\n" for name, value in sign(self.secret, body, int(time.time())).items())
        most = LONGEST_ANSWER[0] + items * LONGEST_ANSWER[1]
        return await self._line.post(Post(target, signed + more, body, begin_by), most, self._timeout_s)

    async def _find(self, tokens: list[str], target: Target) -> dict[str, Receipt]:
        found: dict[str, Receipt] = {}
        for start in range(0, len(tokens), ASKED):
            asked = tokens[start : start + ASKED]
            try:
                body = encode({"tokens": asked}).encode()
                answer = await self._post(target, body, len(asked), math.inf, "")
                found.update(found_of(asked, answer))
            except (*CUT_OFF, NeverMade) as error:
                said = str(error) if isinstance(error, UnreadableAnswer) else type(error).__name__
                raise SendInDoubt(f"the status query of sender {self.sender.sender} failed: {said}") from None
        return found


def _written(m: Message) -> str:
    """A message as JSON, by hand: the encoder takes its time to begin, except with a text."""
    fields = ",".join([f"{encode(name)}:{encode(text)}" for name, text in m.fields.items()])
    return (
        f'{{"token":{encode(m.token)},"channel":{encode(m.channel)},"to":{encode(m.address)},'
        f'"name":{"null" if m.name is None else encode(m.name)},'
        f'"language":{"null" if m.language is None else encode(m.language)},"fields":{{{fields}}},'
        f'"campaign":{encode(m.campaign)},"wave":{encode(m.wave)},"variant":{m.variant},'
        f'"until":{"null" if (ends := m.ends) is None else encode(ends.isoformat())}}}'
    )


def _not_sent(token: str, reason: Reason | None, wait: float) -> Receipt:
    return Receipt(token, "not_sent", reason=reason, action=Action.RETRY, retry_after_s=wait)


def _in_doubt(token: str) -> Receipt:
    return Receipt(token, "in_doubt", reason=Reason.PROVIDER, action=Action.RECONCILE)


def _is_writable(body: Callable[[list[Message]], bytes], message: Message) -> bool:
    try:
        body([message])
    except UnicodeEncodeError:
        return False
    return True
