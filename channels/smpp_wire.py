"""One bound session with an SMSC: requests and their answers, kept alive, ended in order.

A request is written once. What was written and has no answer may have been taken; what was not is told apart by its
own error. The requests of the SMSC are answered here, but for the deliveries, which their taker answers for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from channels.http_line import NEXT_ADDRESS_S, NeverMade, TooLate
from channels.meanings import Meaning
from channels.smpp_codes import status_meaning
from channels.smpp_options import SmppOptions
from channels.smpp_pdu import ANSWERS, LAST_NUMBER, Command, Pdu, UnreadablePdu, bind_body, first_of
from channels.steady import steady
from waves.errors import MultiwaveError

UNKNOWN_COMMAND = 0x03
NOT_NOW = 0x64
"""ESME_RX_T_APPN: a delivery could not be taken; the SMSC keeps it and comes again."""
UNANSWERED = frozenset({0x0B, 0x102})
"""outbind and alert_notification have no response (4.1.7, 4.12.1), and nothing for us."""
LEAVES_WITHIN_S = 2.0
Taker = Callable[[Pdu], Awaitable[bool]]
"""Takes the body of a delivery; whether it is safe with us."""


class BindRefused(MultiwaveError):
    """The SMSC answered the bind, and it did not say yes; the message names the status."""

    def __init__(self, status: int, meaning: Meaning) -> None:
        super().__init__(f"the SMSC refuses the bind with status 0x{status:02X}")
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Login:
    """Where an SMSC is, and who we are there."""

    options: SmppOptions
    password: str
    timeout_s: float


async def bind(login: Login, command: Command, window: int = 1, take: Taker | None = None) -> Session:
    """A bound session. NeverMade when no connection comes about or no answer to the bind, BindRefused by its status."""
    options, loop = login.options, asyncio.get_running_loop()
    session, bound = None, False
    try:
        async with asyncio.timeout(login.timeout_s):
            _, session = await loop.create_connection(
                lambda: Session(options.keep_alive.total_seconds(), login.timeout_s, window, take),
                options.host,
                options.port,
                ssl=ssl.create_default_context() if options.tls else None,
                happy_eyeballs_delay=NEXT_ADDRESS_S,
            )
            body = bind_body(options.system_id, login.password, options.system_type)
            answer = await session.ask(command, body, steady() + login.timeout_s)
        if answer.status != 0 or answer.command != command | ANSWERS:
            raise BindRefused(answer.status, status_meaning(answer.status))
        session.keep_alive()
        bound = True
        return session
    except (OSError, UnicodeError, NeverMade) as error:
        raise NeverMade(f"no session with the SMSC: {type(error).__name__}") from error
    finally:
        if session is not None and not bound:
            session.hang_up()


class Session(asyncio.Protocol):
    """A connection to an SMSC."""

    def __init__(self, keep_alive_s: float, timeout_s: float, window: int, take: Taker | None) -> None:
        self._keep_alive_s = keep_alive_s
        self._timeout_s = timeout_s
        self._window = asyncio.Semaphore(window)
        self._take = take
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._number = 0
        self._heard = steady()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alive: asyncio.Task[None] | None = None
        self._retired = False
        self.closed = asyncio.Event()
        """Set once the connection is gone."""

    @property
    def is_open(self) -> bool:
        """Whether a request may be written."""
        return self._transport is not None and not self._transport.is_closing() and not self._retired

    async def submit(self, body: bytes, begin_by: float, until: float) -> Pdu:
        """The answer to one submit_sm, as the window has room.

        NeverMade and TooLate when no byte of it has left, another OSError when it may have been taken.
        """
        try:
            async with asyncio.timeout(max(min(begin_by, until) - steady(), 0)):
                await self._window.acquire()
        except TimeoutError:
            raise TooLate("no room in the window in time") from None
        try:
            if steady() >= min(begin_by, until):
                raise TooLate("too late to begin")
            return await self.ask(Command.SUBMIT_SM, body, until)
        finally:
            self._window.release()

    async def ask(self, command: Command, body: bytes, until: float) -> Pdu:
        """The answer to one request; NeverMade when the connection is closed before it is written."""
        if self._transport is None or not self.is_open:
            raise NeverMade("the connection is closed")
        number = self._next_number()
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._transport.write(Pdu(command, 0, number, body).written())
        try:
            async with asyncio.timeout(max(until - steady(), 0)):
                return await answer
        finally:
            self._waiting.pop(number, None)
            self._close_retired()

    def retire(self) -> None:
        """Begin nothing more on this session, and close it once everything has its answer."""
        self._retired = True
        self._close_retired()

    def _close_retired(self) -> None:
        if self._retired and not self._waiting and self._transport is not None:
            self._transport.close()

    async def leave(self) -> None:
        """Finish what was taken, unbind, close; the SMSC may be gone already."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVES_WITHIN_S)
        with suppress(OSError, NeverMade):
            await self.ask(Command.UNBIND, b"", steady() + LEAVES_WITHIN_S)
        self.hang_up()
        await self.closed.wait()
        if self._alive is not None:
            await asyncio.wait([self._alive])

    def hang_up(self) -> None:
        """Close the connection; what has no answer yet stays in doubt."""
        if self._transport is not None:
            self._transport.abort()

    def keep_alive(self) -> None:
        """From now on ask after each silence whether the SMSC is there, and hang up when it is not."""
        self._alive = asyncio.get_running_loop().create_task(self._keep_asking())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers to ours, requests of theirs."""
        self._heard = steady()
        self._buffer += data
        try:
            while (pdu := first_of(self._buffer)) is not None:
                self._hear(pdu)
        except UnreadablePdu:  # where the next one begins nobody knows
            self.hang_up()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Whatever waits for an answer gets none."""
        if self._alive is not None:
            self._alive.cancel()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("closed before the answer"))
        self.closed.set()

    def _next_number(self) -> int:
        self._number = self._number % LAST_NUMBER + 1
        return self._number

    def _hear(self, pdu: Pdu) -> None:
        if pdu.is_answer:
            answer = self._waiting.get(pdu.number)
            if answer is not None and not answer.done():
                answer.set_result(pdu)
        elif pdu.command == Command.DELIVER_SM and self._take is not None:
            task = asyncio.get_running_loop().create_task(self._deliver(pdu, self._take))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif pdu.command == Command.DELIVER_SM:
            self._answer(pdu, NOT_NOW, b"\0")
        elif pdu.command in (Command.ENQUIRE_LINK, Command.UNBIND):
            self._answer(pdu)
            if pdu.command == Command.UNBIND:
                self.retire()
        elif pdu.command not in UNANSWERED:
            self._write(Pdu(Command.GENERIC_NACK, UNKNOWN_COMMAND, pdu.number))

    async def _deliver(self, pdu: Pdu, take: Taker) -> None:
        self._answer(pdu, 0 if await take(pdu) else NOT_NOW, b"\0")

    def _answer(self, pdu: Pdu, status: int = 0, body: bytes = b"") -> None:
        self._write(Pdu(pdu.command | ANSWERS, status, pdu.number, body))

    def _write(self, pdu: Pdu) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pdu.written())

    async def _keep_asking(self) -> None:
        while self.is_open:
            silent = steady() - self._heard
            if silent < self._keep_alive_s:
                await asyncio.sleep(self._keep_alive_s - silent)
                continue
            try:
                await self.ask(Command.ENQUIRE_LINK, b"", steady() + self._timeout_s)
            except (OSError, NeverMade):
                self.hang_up()
