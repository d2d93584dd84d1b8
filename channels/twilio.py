"""Provider `twilio`: text messages and WhatsApp through the SDK, one request a message, over our own line.

Twilio has no idempotency key: nothing is ever repeated here, and what may have been read is looked for in the list of
messages to that address. It is never given `SendAt` (STOP does not cancel what it holds): our own schedule is the only.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from twilio.base.exceptions import TwilioException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from channels.http_answers import LATER_S, Stop, retry_after_s
from channels.http_line import Line, NeverMade, TooLate
from channels.http_options import connect_once
from channels.meanings import IN_DOUBT, receipt
from channels.opening import Opening
from channels.steady import steady
from channels.twilio_codes import meaning_of_error
from channels.twilio_options import API, TwilioOptions
from channels.twilio_stops import LIST, read_day
from channels.twilio_transport import CALL, UNREADABLE, Call, LineClient
from waves.errors import SendInDoubt, SendRefused
from waves.message import BEGIN_WITHIN_S, AnsweredInPart, Doubtful, Message, Receipt, StopPage
from waves.outcomes import Action, Outcome, Reason

MOST_WRONG = 3
"""Requests of a chunk that end in doubt, or are wrong, before the rest of it waits; so with questions of a round."""
KEEP_S = 4.0
"""Idle connections are closed after so long: a POST must not cross with the other side doing so."""
LONGEST_VALIDITY_S = 36_000
OVERRIDES = "#rc=3&rp=all&ct=2000&rt=5000"
"""Twilio tries a callback three times more, whatever failed: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""
NEWEST = 20
"""Messages to one address that are looked at for one in doubt."""
SLOWEST = timedelta(seconds=30)
"""Twilio works on a request for 26 s at most (twilio-ruby #519): what it made of one is no younger."""
CLOCKS_APART = timedelta(seconds=10)
WHATSAPP = "whatsapp:"


@dataclass
class _Chunk:
    """What one call of `send` goes by; `stop` is what becomes of the rest once beginning more makes no sense."""

    now: datetime
    begin_by: float
    stop: Stop | None = None
    wrong: int = 0
    slowed: bool = False

    def note_wrong(self) -> None:
        self.wrong += 1
        if self.wrong >= MOST_WRONG and self.stop is None:
            self.stop = (Reason.PROVIDER, LATER_S)


class Twilio:
    """A Twilio account as the carrier of one channel; its connections are kept and shared by all threads."""

    provider = "twilio"

    def __init__(self, opening: Opening) -> None:
        self.capabilities, self.sender = opening.capabilities, opening.sender
        self.options = TwilioOptions.of(self.sender)
        self.chunk = 10 * self.sender.parallel
        self._line = Line(KEEP_S)
        self._timeout_s = self.sender.timeout.total_seconds()
        user, password = self.options.credentials(self.sender.sender, opening.environment)
        self._client = Client(
            user,
            password,
            self.options.account_sid,
            http_client=LineClient(self._line, self._timeout_s),
            environment={"TWILIO_EDGE": ""},  # or the SDK would rewrite our host by what stands in ours
        )
        self._client.api.base_url = self.options.base_url
        if self.options.base_url != API:
            self._client.messaging.base_url = self.options.base_url.replace("//api.", "//messaging.")
        self.stop_lists = (LIST,) if self.options.deactivations else ()
        self._callback = _callback(opening)
        self._abreast = self.sender.parallel
        self._prefix = WHATSAPP if self.capabilities.channel == "whatsapp" else ""
        self._from = _from(self.options, self._prefix)

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order; what Twilio left unclear is in doubt."""
        chunk = _Chunk(now, steady() + within_s)
        return self._line.run(self._send(list(messages), chunk))

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """None: Twilio does not know our tokens; it is asked by address (`find_messages`)."""
        return None

    def find_messages(self, doubtful: Sequence[Doubtful]) -> Mapping[str, Receipt]:
        """Those that Twilio has, `accepted`; one it shows no message for may still be on its way, and is left out."""
        return self._line.run(self._find(list(doubtful)))

    def stops(self, listed: str, after: datetime | None, until: datetime, page: int) -> StopPage:
        """One day's numbers that are out of service; SendInDoubt when Twilio does not answer."""
        return self._line.run(read_day(self._client, self._line, after, until, page, self._timeout_s))

    def add_stops(self, addresses: Sequence[str]) -> bool:
        """False: Twilio keeps who said STOP by itself, and takes no list of ours."""
        return False

    def reachable(self, timeout_s: float = 5.0) -> str | None:
        """Why no connection to Twilio comes about, or None when one does; nothing is sent."""
        return connect_once(self.options.base_url, timeout_s)

    def close(self) -> None:
        """Close the connections; the next `send` opens new ones."""
        self._line.close()

    async def _send(self, messages: list[Message], chunk: _Chunk) -> list[Receipt]:
        said: list[Receipt | None] = [None] * len(messages)
        turns = iter(range(len(messages)))  # shared: whoever is free takes the next message
        abreast = min(self._abreast, len(messages))
        await asyncio.gather(*(self._carry(turns, messages, said, chunk) for _ in range(abreast)))
        # 20429 speaks of requests in the air at once: halve them, and come back one by one
        self._abreast = max(1, self._abreast // 2) if chunk.slowed else min(self._abreast + 1, self.sender.parallel)
        return [one for one in said if one is not None]

    async def _carry(
        self, turns: Iterator[int], messages: list[Message], said: list[Receipt | None], chunk: _Chunk
    ) -> None:
        for turn in turns:
            if chunk.stop is None and steady() >= chunk.begin_by:
                chunk.stop = (None, 0.0)
            message = messages[turn]
            said[turn] = await self._create(message, chunk) if chunk.stop is None else _waits(message, chunk.stop)

    async def _create(self, message: Message, chunk: _Chunk) -> Receipt:
        """One request, and the receipt of what came of it."""
        text = _text(message.fields)
        if text is None:
            return Receipt(message.token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
        call = Call(chunk.begin_by)
        CALL.set(call)
        try:
            made = await self._client.messages.create_async(
                to=self._prefix + message.address.removeprefix(WHATSAPP),
                **text,
                **self._from,
                **_validity(message, chunk.now),
                **self._callback_of(message.token),
            )
        except NeverMade:
            chunk.stop = chunk.stop or (Reason.PROVIDER, LATER_S)
            return _waits(message, (Reason.PROVIDER, LATER_S))
        except TooLate:
            chunk.stop = chunk.stop or (None, 0.0)
            return _waits(message, (None, 0.0))
        except UnicodeEncodeError:  # half a surrogate pair: nothing was written yet
            return Receipt(message.token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
        except TwilioException as error:
            return _refusal(message.token, call, getattr(error, "code", None), chunk)
        except UNREADABLE:
            made = None
        return _taken(message.token, made, chunk)

    def _callback_of(self, token: str) -> dict[str, str]:
        if self._callback is None:
            return {}
        return {"status_callback": f"{self._callback}?token={quote(token)}{OVERRIDES}"}

    async def _find(self, doubtful: list[Doubtful]) -> dict[str, Receipt]:
        found: dict[str, Receipt] = {}
        failed: list[SendInDoubt] = []
        turns = iter(doubtful)

        async def ask() -> None:
            for one in turns:
                if len(failed) >= MOST_WRONG:
                    return
                try:
                    match = self._match(one, await self._list(one.address))
                except SendInDoubt as error:
                    failed.append(error)
                    continue
                if match is not None:
                    found[one.token] = Receipt(one.token, "accepted", match)

        await asyncio.gather(*(ask() for _ in range(min(self.sender.parallel, len(doubtful)))))
        if failed:
            raise AnsweredInPart(str(failed[0]), found) if found else failed[0]
        return found

    async def _list(self, address: str) -> list[MessageInstance]:
        """The newest messages to an address; no filter by DateSent, which is null until one is sent."""
        call = Call()
        CALL.set(call)
        try:
            to = self._prefix + address.removeprefix(WHATSAPP)
            page = await self._client.messages.page_async(to=to, page_size=NEWEST)
            return list(page)
        except TwilioException:
            said = f"HTTP {call.answer.status if call.answer else 'error'}"
        except (NeverMade, *UNREADABLE) as error:
            said = type(error).__name__
        raise SendInDoubt(f"the list of messages of sender {self.sender.sender} could not be read: {said}")

    def _match(self, one: Doubtful, listed: Sequence[MessageInstance]) -> str | None:
        """The sid of the message that this send made; None where that is not certain.

        Our token in its text says so. Without it: the only message of this sender that was made in the time of the
        send, and that no other touch has.
        """
        ours = [m for m in listed if m.sid and m.direction == "outbound-api"]
        named = [m.sid for m in ours if m.body and one.token in m.body]
        if named:
            return str(named[0])
        begins, ends = one.begun - CLOCKS_APART, one.begun + self.sender.timeout + SLOWEST + CLOCKS_APART
        near = [
            m.sid
            for m in ours
            if m.date_created is not None and begins <= m.date_created <= ends and self._is_from_us(m)
        ]
        if not one.alone or len(near) != 1 or near[0] in one.known_refs:
            return None
        return str(near[0])

    def _is_from_us(self, message: MessageInstance) -> bool:
        if self.options.messaging_service_sid is not None:
            return bool(message.messaging_service_sid == self.options.messaging_service_sid)
        return bool(message.from_ == self._from["from_"])


def _text(fields: Mapping[str, str]) -> dict[str, str] | None:
    """What is sent: the text, or the template at Twilio that a header names, with its variables; None if they are torn.

    WhatsApp lets nothing but an approved template out to whoever did not write within a day (63016).
    """
    if not fields.get("content-sid"):
        return {"body": fields["body"]}
    try:
        variables = json.loads(fields.get("content-variables") or "{}")
    except (ValueError, RecursionError):
        return None
    if not isinstance(variables, dict):
        return None
    return {"content_sid": fields["content-sid"], "content_variables": json.dumps(variables, ensure_ascii=False)}


def _from(options: TwilioOptions, prefix: str) -> dict[str, str]:
    if options.messaging_service_sid is not None:
        return {"messaging_service_sid": options.messaging_service_sid}
    return {"from_": prefix + (options.from_ or "")}


def _callback(opening: Opening) -> str | None:
    """Where Twilio tells of each message's fate; None where we cannot be reached from outside."""
    if opening.public_url is None:
        return None
    host = urlsplit(opening.public_url).hostname or ""
    if "_" in host:
        raise SendRefused(f"Twilio calls no host with an underscore: {host} in MULTIWAVE_PUBLIC_URL; give it another")
    return f"{opening.public_url}/callbacks/twilio/{opening.sender.sender}"


def _validity(message: Message, now: datetime) -> dict[str, int]:
    """What Twilio could not pass on by the end of the wave, or of its reader's day, it throws away (code 30036)."""
    if message.ends is None:
        return {}
    return {"validity_period": max(1, min(LONGEST_VALIDITY_S, int((message.ends - now).total_seconds())))}


def _taken(token: str, made: MessageInstance | None, chunk: _Chunk) -> Receipt:
    sid = made.sid if made is not None else None
    if isinstance(sid, str) and re.fullmatch(r"[A-Z]{2}[0-9a-fA-F]{32}", sid):
        return Receipt(token, "accepted", sid)
    chunk.note_wrong()
    return receipt(token, IN_DOUBT)


def _refusal(token: str, call: Call, code: object, chunk: _Chunk) -> Receipt:
    """What an answer that is no success means for its message, and for the rest of the chunk."""
    answer = call.answer
    assert answer is not None
    meaning = meaning_of_error(answer.status, code)
    asked_for = retry_after_s(answer.retry_after, chunk.now) if answer.retry_after is not None else None
    said = receipt(token, meaning, retry_after_s=asked_for)
    if answer.status == 429:
        chunk.slowed = True
        chunk.stop = chunk.stop or (Reason.RATE_LIMITED, said.retry_after_s or LATER_S)
    elif meaning.outcome is Outcome.DEFERRED:
        chunk.stop = chunk.stop or (meaning.reason, said.retry_after_s or LATER_S)
    elif meaning.action in (Action.STOP_PROVIDER, Action.PAUSE_SENDER):
        chunk.stop = chunk.stop or (Reason.PROVIDER, LATER_S)
    elif meaning.outcome is None or meaning.action is Action.BUG:
        chunk.note_wrong()
    return said


def _waits(message: Message, stop: Stop) -> Receipt:
    reason, wait = stop
    return Receipt(message.token, "not_sent", reason=reason, action=Action.RETRY, retry_after_s=wait)
