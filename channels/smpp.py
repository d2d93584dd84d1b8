"""Provider `smpp`: text messages over a session with an SMSC, SMPP 3.4.

Each message is a submit_sm, or one for each of its parts, written once. An answer says what became of it; one that
never came leaves it in doubt, and so does a connection that broke meanwhile. From the first accepted part on a message
counts as accepted, whatever becomes of the rest: to send it again would reach the person twice.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.http_answers import LATER_S, Stop
from channels.http_line import FAIR_S, NeverMade, TooLate
from channels.http_options import connect_once
from channels.meanings import TAKEN, Meaning, receipt
from channels.own_loop import OwnLoop
from channels.smpp_codes import status_meaning
from channels.smpp_options import SmppOptions
from channels.smpp_pdu import ANSWERS, Command, Pdu, Place, Submit, message_id
from channels.smpp_text import Part, TooLong, parts_of, payload_of
from channels.smpp_wire import BindRefused, Login, Session, bind
from channels.steady import steady
from waves.errors import MultiwaveError
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.outcomes import Action, Outcome, Reason
from waves.senders import Sender

CHUNK = 500
NOT_BOUND = 0x04
CLOCKS_APART = timedelta(seconds=10)
"""An SMSC refuses what is over by its own clock (ESME_RINVEXPIRY)."""
MOST_CUT_OFF = 3
"""Messages of a chunk that end in doubt before the rest of it waits: a broken SMSC is not fed on."""
RESTS = frozenset({Action.PAUSE_SENDER, Action.STOP_PROVIDER})
"""Actions that speak of the sender: nothing more of the chunk is begun."""


@dataclass
class _Chunk:
    """What one call of `send` goes by; `stop` is what becomes of the rest once beginning more makes no sense."""

    now: datetime
    begin_by: float
    stop: Stop | None = None
    cut_off: int = 0

    def note_cut_off(self) -> None:
        self.cut_off += 1
        if self.cut_off >= MOST_CUT_OFF:
            self.stop = self.stop or (Reason.PROVIDER, LATER_S)

    def note(self, meaning: Meaning) -> None:
        """What the answer to one message says of the next ones."""
        if meaning.action in RESTS:
            limited = meaning.retry_after_s is not None
            wait = LATER_S if meaning.retry_after_s is None else meaning.retry_after_s
            self.stop = self.stop or (meaning.reason if limited else Reason.PROVIDER, wait)
        elif meaning.action in (Action.RETRY, Action.RECONCILE):
            self.note_cut_off()


class Smpp:
    """An SMSC for text messages; its session is kept from chunk to chunk and shared by all threads."""

    provider = "smpp"
    chunk = CHUNK

    def __init__(self, capabilities: Capabilities, sender: Sender, environment: Mapping[str, str] = os.environ) -> None:
        self.capabilities = capabilities
        self.sender = sender
        self.options = SmppOptions.of(sender)
        self._timeout_s = sender.timeout.total_seconds()
        password = self.options.password(sender.sender, environment)
        self._login = Login(self.options, password, self._timeout_s)
        self._source = Place(self.options.source.lstrip("+"), *self.options.source_kind)
        self._window = min(self.options.window, sender.concurrency)
        self._loop = OwnLoop("smpp", self._begun)
        self._session: asyncio.Task[Session] | None = None
        self._is_heard = False  # whether anybody waited to the end of that bind
        self._sending: set[asyncio.Task[Any]] = set()

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order; what the SMSC left unanswered is in doubt."""
        return self._loop.run(self._sent(list(messages), _Chunk(now, steady() + within_s)))

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """None: an SMSC knows a message by the id in its answer, and what is in doubt has had none."""
        return None

    def reachable(self, timeout_s: float = 5.0) -> str | None:
        """Why no connection to the SMSC comes about, or None when one does; nothing is bound or sent."""
        scheme, host = "https" if self.options.tls else "http", self.options.host
        return connect_once(f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.options.port}", timeout_s)

    def close(self) -> None:
        """Wait for what is in the air and unbind; the next `send` binds anew."""
        atexit.unregister(self.close)
        self._loop.close(self._leave)

    def _begun(self) -> None:
        self._session, self._sending = None, set()
        atexit.register(self.close)  # a program that ends unbinds: some SMSCs hold the session's place for minutes

    async def _leave(self) -> None:
        if self._sending:
            await asyncio.wait(self._sending)
        bound, self._session = self._session, None
        if bound is None:
            return
        if not bound.done():
            bound.cancel()
            await asyncio.wait([bound])
        if not bound.cancelled() and bound.exception() is None:
            await bound.result().leave()

    async def _bound(self, begin_by: float) -> Session:
        """The session, made anew when there is none; TooLate and NeverMade when there is none in time."""
        known = self._session
        if known is None or self._is_over(known):
            known = asyncio.create_task(bind(self._login, Command.BIND_TRANSMITTER, self._window))
            self._session = known
        left = begin_by - steady()
        try:
            async with asyncio.timeout(max(left, 0)):
                return await asyncio.shield(known)  # it goes on binding for the next chunk
        except TimeoutError as error:
            if left < FAIR_S:
                raise TooLate("too late to bind") from error
            raise NeverMade("no session with the SMSC yet") from error
        finally:
            self._is_heard = known.done()

    def _is_over(self, bound: asyncio.Task[Session]) -> bool:
        """Whether it takes a new bind: this one's session is closed, or why it came to nothing was heard."""
        if not bound.done():
            return False
        return self._is_heard if bound.exception() else not bound.result().is_open

    async def _sent(self, messages: list[Message], chunk: _Chunk) -> list[Receipt]:
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        try:
            return await self._send(messages, chunk)
        finally:
            self._sending.discard(task)

    async def _send(self, messages: list[Message], chunk: _Chunk) -> list[Receipt]:
        try:
            session = await self._bound(chunk.begin_by)
        except TooLate:
            return [_not_sent(message.token, None, 0.0) for message in messages]
        except NeverMade:
            return [_not_sent(message.token, Reason.PROVIDER, LATER_S) for message in messages]
        except BindRefused as error:
            return [_kept_out(message.token, error.meaning) for message in messages]
        said: list[Receipt | None] = [None] * len(messages)
        turns = iter(range(len(messages)))  # shared: whoever is free takes the next message
        abreast = min(self.sender.parallel, self._window, len(messages))
        await asyncio.gather(*(self._carry(session, turns, messages, said, chunk) for _ in range(abreast)))
        return [one for one in said if one is not None]

    async def _carry(
        self,
        session: Session,
        turns: Iterator[int],
        messages: list[Message],
        said: list[Receipt | None],
        chunk: _Chunk,
    ) -> None:
        for turn in turns:
            if chunk.stop is None and steady() >= chunk.begin_by:
                chunk.stop = (None, 0.0)
            if chunk.stop is None:
                said[turn] = await self._submit(session, messages[turn], chunk)
            else:
                said[turn] = _not_sent(messages[turn].token, *chunk.stop)

    async def _submit(self, session: Session, message: Message, chunk: _Chunk) -> Receipt:
        """One message, part after part: a part that is refused is followed by none, so that little is in pieces."""
        try:
            number, parts = _number_of(message.address), self._parts(message)
        except Unsendable as error:
            return Receipt(message.token, "refused", reason=error.reason, action=Action.NEXT_CHANNEL)
        ids, until = list[str](), steady() + self._timeout_s
        for place, part in enumerate(parts):
            begins = place == 0
            body = self._body(message, number, part, chunk.now)
            try:
                answer, meaning = await self._given(session, body, chunk, begins, until)
            except (TooLate, NeverMade) as error:
                chunk.stop = chunk.stop or ((None, 0.0) if isinstance(error, TooLate) else (Reason.PROVIDER, LATER_S))
                return _not_sent(message.token, *chunk.stop) if begins else self._accepted(message.token, ids)
            except OSError:
                chunk.note_cut_off()
                return _in_doubt(message.token) if begins else self._accepted(message.token, ids)
            if meaning.outcome not in TAKEN:
                if answer.status == NOT_BOUND:
                    session.retire()
                return receipt(message.token, meaning) if begins else self._accepted(message.token, ids)
            ids.append(message_id(answer.body))
        return self._accepted(message.token, ids)

    async def _given(
        self, session: Session, body: bytes, chunk: _Chunk, begins: bool, until: float
    ) -> tuple[Pdu, Meaning]:
        """The answer to one part, and what it means.

        Only the beginning heeds who said stop meanwhile: half a text is worse than one a moment too late. So a later
        part that the SMSC did not take for now comes again, as long as the message may take.
        """
        while True:
            answer = await session.submit(body, chunk.begin_by if begins else math.inf, until)
            meaning = _meaning(answer)
            if meaning.outcome not in TAKEN:
                chunk.note(meaning)
            wait_s = meaning.retry_after_s
            if begins or meaning.outcome is not Outcome.DEFERRED or wait_s is None or steady() + wait_s >= until:
                return answer, meaning
            await asyncio.sleep(wait_s)

    def _accepted(self, token: str, ids: list[str]) -> Receipt:
        """Taken, with the references that its receipts will name."""
        named = [one for one in ids if one]
        refs = map(_decimal, named) if self.options.receipt_ids == "hex_to_decimal" else named
        return Receipt(token, "accepted", named[-1] if named else None, refs=tuple(refs))

    def _parts(self, message: Message) -> list[Part]:
        text = message.fields["body"]
        try:
            parts = parts_of(text, message.token)
            return parts if len(parts) == 1 or self.options.long_texts == "parts" else [payload_of(text)]
        except UnicodeEncodeError:
            raise Unsendable(Reason.CONTENT) from None
        except TooLong:
            raise Unsendable(Reason.TOO_LARGE) from None

    def _body(self, message: Message, number: str, part: Part, now: datetime) -> bytes:
        options = self.options
        return Submit(
            self._source,
            Place(number, options.to_ton, options.to_npi),
            part.coding,
            part.content,
            with_header=part.with_header,
            as_payload=len(part.content) > 254,
            service_type=options.service_type,
            valid_until=_valid_until(message, now),
        ).written()


class Unsendable(MultiwaveError):
    """A message that no submit_sm can carry."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.name.lower())
        self.reason = reason


def _number_of(address: str) -> str:
    """The digits of an E.164 number, as SMPP wants them."""
    digits = address.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise Unsendable(Reason.INVALID_ADDRESS)
    return digits


def _valid_until(message: Message, now: datetime) -> str:
    """A time in UTC in SMPP's absolute spelling (7.1.1); nothing lets the SMSC decide.

    What it could not pass on by the end of the wave, or of its reader's day, it throws away (EXPIRED).
    """
    if message.ends is None:
        return ""
    return f"{max(message.ends, now + CLOCKS_APART).astimezone(UTC):%y%m%d%H%M%S}000+"


def _meaning(answer: Pdu) -> Meaning:
    """Of the answer to a submit_sm; a nack, or an answer to something else, that claims success proves nothing."""
    if answer.status == 0 and answer.command != Command.SUBMIT_SM | ANSWERS:
        return Meaning(None, Reason.PROVIDER, Action.RECONCILE)
    return status_meaning(answer.status)


def _decimal(number: str) -> str:
    try:
        return str(int(number, 16))
    except ValueError:
        return number


def _kept_out(token: str, meaning: Meaning) -> Receipt:
    """Nothing was begun: a refused bind says what becomes of the sender, not of the message."""
    wait = LATER_S if meaning.retry_after_s is None else meaning.retry_after_s
    if meaning.action is Action.STOP_PROVIDER:
        return Receipt(token, "not_sent", reason=meaning.reason, action=Action.STOP_PROVIDER, retry_after_s=wait)
    return _not_sent(token, Reason.PROVIDER if meaning.reason is Reason.OTHER else meaning.reason, wait)


def _not_sent(token: str, reason: Reason | None, wait: float) -> Receipt:
    return Receipt(token, "not_sent", reason=reason, action=Action.RETRY, retry_after_s=wait)


def _in_doubt(token: str) -> Receipt:
    return Receipt(token, "in_doubt", reason=Reason.PROVIDER, action=Action.RECONCILE)
