"""Provider `sendgrid`: e-mail by SendGrid's v3 Mail Send API, 100 recipients and more in a request.

A request is accepted or refused as a whole, so it is the unit of doubt. It is never repeated: a 400 says that nothing
of it was sent, and then what it names is refused, and the others go out in a new request.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from channels.http_answers import DAY_S, LATER_S, Answer, Stop, UnreadableAnswer, read_json, reference, retry_after_s
from channels.http_line import NeverMade, TooLate
from channels.http_options import connect_once
from channels.meanings import IN_DOUBT, Meaning, receipt
from channels.opening import Opening
from channels.sendgrid_api import CUT_OFF, Api
from channels.sendgrid_logs import find_by_activity, find_by_logs
from channels.sendgrid_mail import Mails, Part, Refusal
from channels.sendgrid_options import SendgridOptions
from channels.sendgrid_stops import lists_of, read_page, share
from channels.steady import steady
from waves.errors import SendInDoubt, SendRefused
from waves.message import BEGIN_WITHIN_S, Doubtful, Message, Receipt, StopPage
from waves.outcomes import Action, Outcome, Reason

ANSWERS: dict[int, Meaning] = {
    200: Meaning(Outcome.REJECTED, Reason.CONFIG),  # sandbox mode: validated only, no events follow
    202: Meaning(Outcome.ACCEPTED),
    307: Meaning(Outcome.FAILED, Reason.CONFIG, Action.STOP_PROVIDER),  # not SendGrid: it redirects nothing
    308: Meaning(Outcome.FAILED, Reason.CONFIG, Action.STOP_PROVIDER),
    400: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    401: Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER),
    403: Meaning(Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER),
    404: Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG),
    408: IN_DOUBT,  # a proxy says so of what it passed on as well
    413: Meaning(Outcome.FAILED, Reason.TOO_LARGE, Action.BUG),
    429: Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.RETRY),
}
"""Answer to POST /v3/mail/send -> what it means for each of its messages; 5xx and the others are in doubt."""
OTHER_4XX = Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG)
WRONG_ADDRESS: Refusal = (Reason.INVALID_ADDRESS, Action.DROP_ADDRESS)
WRONG_CONTENT: Refusal = (Reason.CONTENT, Action.NEXT_CHANNEL)
MOST_CUT_OFF = 3
"""Requests of a chunk that end in doubt before the rest of it waits."""
MOST_LONE = 3
"""Messages refused alone by a 400 that does not say why, before the rest waits: the fault may lie in all of them.

So it may where a 400 names everybody of so many, and then nobody's address is held to be bad.
"""
NAMED = re.compile(r"personalizations[.\[](\d{1,4})\]?(\.to[.\[]\d+\]?\.email)?")


@dataclass
class _Chunk:
    """What one call of `send` goes by; `stop` is what becomes of the rest once beginning more makes no sense."""

    now: datetime
    begin_by: float
    stop: Stop | None = None
    cut_off: int = 0
    lone: int = 0
    said: dict[str, Receipt] = field(default_factory=dict)

    def settle(
        self, messages: Sequence[Message], meaning: Meaning, wait: float | None = None, ref: str | None = None
    ) -> None:
        """One meaning for all of these."""
        self.said |= {m.token: receipt(m.token, meaning, ref, wait) for m in messages}

    def wait(self, messages: Sequence[Message]) -> None:
        """What was not begun goes back."""
        reason, wait = self.stop or (None, 0.0)
        self.said |= {m.token: Receipt(m.token, "not_sent", None, reason, Action.RETRY, wait) for m in messages}

    def doubt(self, messages: Sequence[Message]) -> None:
        """A request that may have been read."""
        self.settle(messages, IN_DOUBT)
        self.cut_off += 1
        if self.cut_off >= MOST_CUT_OFF and self.stop is None:
            self.stop = (Reason.PROVIDER, LATER_S)


class Sendgrid:
    """An account at SendGrid; its connections are kept from chunk to chunk and shared by all threads."""

    provider = "sendgrid"

    def __init__(self, opening: Opening) -> None:
        self.capabilities, self.sender = opening.capabilities, opening.sender
        self.options = options = SendgridOptions.of(opening.sender)
        if opening.public_url is None and options.unsubscribe_mailto is None:
            raise SendRefused(
                f"sender {self.sender.sender}: its e-mails would have no way to unsubscribe; "
                "set MULTIWAVE_PUBLIC_URL to where `multiwave serve` is reached, or write unsubscribe_mailto"
            )
        key = options.api_key(self.sender.sender, opening.environment)
        self.api = Api(key, options.base_url, self.sender.timeout.total_seconds())
        self.chunk = max(500, min(2000, options.messages * self.sender.parallel))
        self.stop_lists = lists_of(options)
        self._mails = Mails(options)

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order; a request that was cut off leaves all of its messages in doubt."""
        chunk = _Chunk(now, steady() + within_s)
        sound = list[Message]()
        for message in messages:
            refusal = self._mails.refusal(message)
            if refusal is None:
                sound.append(message)
            else:
                chunk.said[message.token] = _refused(message, refusal)
        if sound:
            self.api.line.run(self._send(list(self._mails.parts(sound)), chunk))
        return [chunk.said[message.token] for message in messages]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """What SendGrid's Email Activity has of these tokens, with `reconcile: activity`.

        With none, its events may still tell: SendInDoubt, as of one that does not answer yet, where they come in here.
        """
        if self.options.reconcile == "activity":
            return self.api.line.run(find_by_activity(self.api, list(tokens)))
        if self.options.webhook_public_key or self.options.webhook_key_env:
            raise SendInDoubt(f"the events of sender {self.sender.sender} are awaited")
        return None

    def find_messages(self, doubtful: Sequence[Doubtful]) -> Mapping[str, Receipt] | None:
        """As `find`; with `reconcile: logs`, what Email Logs have of them, looked up by address."""
        if self.options.reconcile == "logs":
            return self.api.line.run(find_by_logs(self.api, list(doubtful)))
        return self.find([one.token for one in doubtful])

    def stops(self, listed: str, after: datetime | None, until: datetime, page: int) -> StopPage:
        """One page of one of SendGrid's suppression lists; SendInDoubt when it does not answer."""
        return self.api.line.run(read_page(self.api, self.options, listed, after, until, page))

    def add_stops(self, addresses: Sequence[str]) -> bool:
        """Put these on SendGrid's list of unsubscribed; False where the options say not to. SendInDoubt as `stops`."""
        return self.options.share_stops and self.api.line.run(share(self.api, self.options, list(addresses)))

    def reachable(self, timeout_s: float = 5.0) -> str | None:
        """Why no connection to SendGrid comes about, or None when one does; nothing is sent."""
        return connect_once(self.options.base_url, timeout_s)

    def close(self) -> None:
        """Close the connections; the next `send` opens new ones."""
        self.api.close()

    async def _send(self, parts: list[Part], chunk: _Chunk) -> None:
        turns = iter(parts)  # shared: whoever is free takes the next part
        await asyncio.gather(*(self._carry(turns, chunk) for _ in range(min(self.sender.parallel, len(parts)))))

    async def _carry(self, turns: Iterator[Part], chunk: _Chunk) -> None:
        for part in turns:
            await self._post(part, chunk)

    async def _post(self, part: Part, chunk: _Chunk) -> None:
        """One request, and after a 400 the new ones that the rest of it needs."""
        if chunk.stop is None and steady() >= chunk.begin_by:
            chunk.stop = (None, 0.0)
        if chunk.stop is not None:
            chunk.wait(part.messages)
            return
        try:
            answer = await self.api.post("mail/send", self._mails.body(part), chunk.begin_by)
        except (NeverMade, TooLate) as error:
            chunk.stop = chunk.stop or ((Reason.PROVIDER, LATER_S) if isinstance(error, NeverMade) else (None, 0.0))
            chunk.wait(part.messages)
            return
        except CUT_OFF:
            chunk.doubt(part.messages)
            return
        if answer.status == 400:
            await self._without_the_wrong(part, answer, chunk)
        else:
            self._settle(part.messages, answer, chunk)

    def _settle(self, messages: Sequence[Message], answer: Answer, chunk: _Chunk) -> None:
        meaning = ANSWERS.get(answer.status) or (OTHER_4XX if 400 <= answer.status < 500 else IN_DOUBT)
        if meaning.outcome is None:
            chunk.doubt(messages)
            return
        wait, left = _wait_s(answer, chunk.now), answer.headers.get("X-RateLimit-Remaining")
        if answer.status == 429 or (left == "0" and answer.status == 202):
            chunk.stop = chunk.stop or (Reason.RATE_LIMITED, wait)
        elif meaning.action is not Action.OK:
            chunk.stop = chunk.stop or (Reason.PROVIDER, LATER_S)
        chunk.settle(messages, meaning, wait, reference(answer.headers.get("X-Message-Id", "")))

    async def _without_the_wrong(self, part: Part, answer: Answer, chunk: _Chunk) -> None:
        """After a 400, of which nothing was sent: refuse whom it names, send the others; else look in both halves."""
        wrong, of_all = _wrong(answer, len(part.messages))
        if of_all or len(part.messages) == 1:
            if of_all or (not wrong and chunk.lone + 1 >= MOST_LONE):
                self._settle(part.messages, answer, chunk)
            elif wrong:
                chunk.said[part.messages[0].token] = _refused(part.messages[0], wrong[0])
            else:
                chunk.lone += 1
                chunk.settle(part.messages, ANSWERS[400])
            return
        for number, refusal in wrong.items():
            chunk.said[part.messages[number].token] = _refused(part.messages[number], refusal)
        rest = [message for number, message in enumerate(part.messages) if number not in wrong]
        middle = len(rest) if wrong else len(rest) // 2
        for half in (rest[:middle], rest[middle:]):
            if half:
                await self._post(Part(half, part.whole), chunk)


def _refused(message: Message, refusal: Refusal) -> Receipt:
    return Receipt(message.token, "refused", None, *refusal)


def _wait_s(answer: Answer, now: datetime) -> float:
    """How long SendGrid asks to wait: Retry-After, else until X-RateLimit-Reset (Unix time)."""
    reset = answer.headers.get("X-RateLimit-Reset", "")
    if answer.retry_after is None and reset.isascii() and reset.isdigit():
        return min(max(math.ceil(int(reset[:12]) - now.timestamp()), 1.0), DAY_S)
    return retry_after_s(answer.retry_after, now)


def _wrong(answer: Answer, count: int) -> tuple[dict[int, Refusal], bool]:
    """The personalizations that a 400 names, by number, and whether it speaks of all of them together instead."""
    try:
        said = read_json(answer.content)
    except UnreadableAnswer:
        return {}, False
    errors = said.get("errors") if isinstance(said, dict) else None
    fields = [error.get("field") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    wrong: dict[int, Refusal] = {}
    for name in fields:
        found = NAMED.match(name) if isinstance(name, str) else None
        if found and int(found[1]) < count:
            wrong[int(found[1])] = WRONG_ADDRESS if found[2] else WRONG_CONTENT
    if len(wrong) == count >= MOST_LONE:
        return {}, True
    shared = [name for name in fields if isinstance(name, str) and name not in ("", "null")]
    return wrong, not wrong and bool(shared) and not any(name.startswith("personalizations") for name in shared)
