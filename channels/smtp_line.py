"""The connections to one mail server, fed side by side and kept from chunk to chunk; no letter is given twice.

One MAIL, RCPT, DATA for each letter: whom the server refuses is refused alone. aiosmtplib opens the connections;
SmtpWire carries the letters.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from channels.letters import Letter
from channels.meanings import Meaning
from channels.own_loop import OwnLoop, all_others_done
from channels.smtp_opening import LATER, NotOpened, Opener, Stop
from channels.smtp_reply import LOST_AFTER_THE_DOT, LOST_EARLIER, Reply, meaning_of, receipt_of
from channels.smtp_wire import SmtpWire
from channels.steady import steady
from waves.message import Receipt
from waves.outcomes import Action, Outcome, Reason

KEEP_S = 5.0
"""Idle connections are closed after so long, well before a server would (RFC 5321 4.5.3.2.7: 5 minutes)."""
LEAVES_S = 1.0
"""How long a server may take to close after our goodbye."""
MOST_LOST = 3
"""Letters in doubt in a chunk, or connections lost one after the other, before the rest of it waits."""
ONE_WRITE = 64 * 1024
"""Bytes of a letter up to which the next one's envelope goes out with it."""
LONGEST_ASK_S = 0.5
"""However long the server took for an envelope, one is begun when this much is left for it."""
FADES = 0.8
"""What becomes of a remembered time with each shorter one."""
TOO_LATE: Stop = (None, Action.RETRY, 0.0)
OF_THE_SENDER = frozenset({Action.STOP_PROVIDER, Action.PAUSE_SENDER})
TOO_LARGE = Meaning(Outcome.FAILED, Reason.TOO_LARGE, Action.BUG)
GO_ON = 354
CLOSING = 421


@dataclass
class _Chunk:
    """What one call of `carry` goes by; `stop` is what becomes of the rest once beginning more makes no sense."""

    letters: deque[Letter]
    begin_by: float
    said: dict[str, Receipt] = field(default_factory=dict)
    stop: Stop | None = None
    lost: int = 0
    cut_off: int = 0

    def next(self, wire: SmtpWire, takes_s: float) -> Letter | None:
        """The letter to begin now on this wire, where the server wants its text in time if it takes so long."""
        while self.letters and self.stop is None and steady() + takes_s < self.begin_by:
            letter = self.letters.popleft()
            if wire.largest is None or len(letter.content) <= wire.largest:
                return letter
            self.said[letter.token] = receipt_of(letter.token, TOO_LARGE)
        return None

    def note(self, letter: Letter, meaning: Meaning, begun: bool = True) -> None:
        """What became of a letter, and whether the rest should wait."""
        receipt = self.said[letter.token] = receipt_of(letter.token, meaning, begun)
        if receipt.result == "accepted":
            self.lost = 0
        elif receipt.result == "in_doubt":
            self.cut_off += 1
        elif receipt.reason is Reason.PROVIDER:
            self.lost += 1
        if receipt.reason is Reason.RATE_LIMITED:
            self.stop = (Reason.RATE_LIMITED, Action.RETRY, receipt.retry_after_s or 0.0)
        elif receipt.result == "not_sent" and receipt.action in OF_THE_SENDER:
            self.stop = self.stop or (receipt.reason, Action.RETRY, receipt.retry_after_s or 0.0)
        elif receipt.action in OF_THE_SENDER or MOST_LOST in (self.lost, self.cut_off):
            self.stop = self.stop or LATER

    def too_late(self, letter: Letter) -> None:
        """The letter's envelope was taken, and its text was never begun."""
        self.said[letter.token] = _not_sent(letter.token, TOO_LATE)
        self.stop = self.stop or TOO_LATE


class SmtpLine:
    """Carries letters for any thread, over at most `abreast` connections at once for each call."""

    def __init__(self, opener: Opener, abreast: int, timeout_s: float) -> None:
        self.opener, self.abreast, self.timeout_s = opener, abreast, timeout_s
        self._ask_s = self._end_s = 0.0  # how long it took, about, for an envelope and for a text
        self._loop = OwnLoop("smtp-line", self._forget)
        self._forget()

    def _forget(self) -> None:
        self._idle: deque[tuple[float, SmtpWire]] = deque()
        self._opening: set[asyncio.Task[SmtpWire]] = set()  # nobody waits for them, or heard yet why they failed
        self._sweep: asyncio.TimerHandle | None = None

    def carry(self, letters: Sequence[Letter], begin_by: float) -> dict[str, Receipt]:
        """A receipt for each token; what is not begun before `begin_by` (channels.steady) is not sent."""
        return self._loop.run(self._carry(_Chunk(deque(letters), begin_by)))

    def reachable(self, timeout_s: float) -> str | None:
        """Why no connection, secured and logged in, comes about; None when one does. Nothing is sent."""
        return self._loop.run(self._try(timeout_s))

    def close(self) -> None:
        """Wait for what is in the air, close the connections and end the thread."""
        self._loop.close(self._hang_up)

    async def _carry(self, chunk: _Chunk) -> dict[str, Receipt]:
        first = await self._wire(chunk)  # alone: a wrong password is not tried on many lines at once
        if first is not None:
            more = min(self.abreast, len(chunk.letters)) - 1
            await asyncio.gather(self._feed(chunk, first), *(self._feed(chunk) for _ in range(more)))
        late = steady() + self._to_ask_s >= chunk.begin_by
        for letter in chunk.letters:
            chunk.said[letter.token] = _not_sent(letter.token, chunk.stop or (TOO_LATE if late else LATER))
        return chunk.said

    async def _feed(self, chunk: _Chunk, wire: SmtpWire | None = None) -> None:
        """Letters over one connection after the other, for as long as there are any and a connection comes about."""
        while chunk.letters and chunk.stop is None and steady() + self._to_ask_s < chunk.begin_by:
            wire = wire or await self._wire(chunk, alone=False)
            if wire is None:
                return
            await self._converse(wire, chunk)
            if not wire.is_open or not wire.is_quiet:
                wire.hang_up()
                wire = None
        if wire is not None:
            self._keep(wire)

    @property
    def _to_ask_s(self) -> float:
        return min(self._ask_s, LONGEST_ASK_S)

    async def _wire(self, chunk: _Chunk, alone: bool = True) -> SmtpWire | None:
        """A kept connection or a new one; None, and why nothing more can be begun, when there is none."""
        kept = self._kept()
        if kept is not None:
            return kept
        opening = self._opening.pop() if self._opening else asyncio.create_task(self.opener.opened(self.timeout_s))
        await asyncio.wait([opening], timeout=max(chunk.begin_by - steady(), 0.0))
        if not opening.done():  # greeting, TLS and login are many round trips: whoever comes next has the connection
            self._opening.add(opening)
            opening.add_done_callback(self._keep_opened)
            chunk.stop = chunk.stop or TOO_LATE
            return None
        try:
            return opening.result()
        except NotOpened as error:
            if alone or error.stop[1] is not Action.RETRY:
                chunk.stop = chunk.stop or error.stop
            return None  # where others are open, the server may only want no more of them

    def _keep_opened(self, opening: asyncio.Task[SmtpWire]) -> None:
        """A connection that came about after its chunk had ended; why one did not is left for the next to hear."""
        if opening not in self._opening or opening.cancelled():
            return
        if opening.exception() is None:
            self._opening.remove(opening)
            self._keep(opening.result())
        else:
            asyncio.get_running_loop().call_later(KEEP_S, self._opening.discard, opening)  # then it is no news

    async def _converse(self, wire: SmtpWire, chunk: _Chunk) -> None:
        """Letters on this wire until there is none to begin or it is lost; a text leaves right after the clock."""
        letter, until = self._begun(wire, chunk)
        while letter is not None:
            after, refused = None, await self._asked(wire, letter, until, chunk)
            if not refused:
                if steady() >= chunk.begin_by or not wire.is_quiet:
                    wire.hang_up()  # the only way back from here: without its final dot it is no mail
                    return chunk.too_late(letter)
                mine, written = until, steady()
                if wire.pipelines and len(letter.content) <= ONE_WRITE:
                    after, until = chunk.next(wire, self._to_ask_s + self._end_s), written + self.timeout_s
                wire.write(_text(letter) + (self._envelope(wire, after) if after else b""))
                chunk.note(letter, _end(wire, await wire.hear(1, mine), after))
                self._end_s = max(steady() - written, self._end_s * FADES)
            letter, until = (after, until) if after else self._begun(wire, chunk)

    def _begun(self, wire: SmtpWire, chunk: _Chunk) -> tuple[Letter | None, float]:
        """The next letter, its envelope on its way where commands go out together, and until when it may take."""
        letter = chunk.next(wire, self._to_ask_s) if wire.is_open else None
        if letter is not None and wire.pipelines:
            wire.write(self._envelope(wire, letter))
        return letter, steady() + self.timeout_s

    def _envelope(self, wire: SmtpWire, letter: Letter) -> bytes:
        """All commands before the text of a letter."""
        return b"".join(self._commands(wire, letter))

    def _commands(self, wire: SmtpWire, letter: Letter) -> list[bytes]:
        mail = f"MAIL FROM:<{self.opener.options.envelope_from}>\r\n".encode()
        reset = [b"RSET\r\n"] if wire.must_reset else []
        return [*reset, mail, f"RCPT TO:<{letter.to}>\r\n".encode(), b"DATA\r\n"]

    async def _asked(self, wire: SmtpWire, letter: Letter, until: float, chunk: _Chunk) -> bool:
        """Whether the server refused the letter, or was lost, before it wanted the text."""
        commands, began = self._commands(wire, letter), steady()
        if wire.pipelines:
            heard = await wire.hear(len(commands), until)
        else:
            heard = []
            for command in commands:
                wire.write(command)
                heard += (said := await wire.hear(1, until))
                if not said or not (said[0].is_yes or said[0].code == GO_ON):
                    break
        self._ask_s = max(steady() - began, self._ask_s * FADES)
        if wire.must_reset and heard and heard.pop(0).is_yes:
            wire.must_reset = False
        meaning, step = _refusal(heard)
        if meaning is None and wire.is_open:
            return False
        meaning = meaning or LOST_EARLIER
        chunk.note(letter, meaning, begun=step > 0)
        if meaning is LOST_EARLIER or any(reply.code in (GO_ON, CLOSING) for reply in heard):
            wire.hang_up()  # a server that waits for a text which nobody may get, or goes
        wire.must_reset = True
        return True

    def _kept(self) -> SmtpWire | None:
        """The connection that was in use last, unless it is closed or has been idle too long."""
        while self._idle:
            at, wire = self._idle.pop()
            if wire.is_open and wire.is_quiet and at > steady() - KEEP_S:
                return wire
            wire.hang_up()
        return None

    def _keep(self, wire: SmtpWire) -> None:
        self._idle.append((steady(), wire))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(KEEP_S, self._close_old)

    def _close_old(self) -> None:
        self._sweep, since = None, steady() - KEEP_S
        while self._idle and self._idle[0][0] <= since:
            self._idle.popleft()[1].leave()
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(KEEP_S, self._close_old)

    async def _try(self, timeout_s: float) -> str | None:
        try:
            (await self.opener.opened(timeout_s)).leave()
        except NotOpened as error:
            return str(error)
        return None

    async def _hang_up(self) -> None:
        for opening in self._opening:
            opening.cancel()
        await all_others_done()
        for _, wire in self._idle:
            wire.leave()
        if self._idle:
            await asyncio.wait([wire.gone for _, wire in self._idle], timeout=LEAVES_S)
        for _, wire in self._idle:
            wire.hang_up()


def _text(letter: Letter) -> bytes:
    """A letter's bytes and the final dot, its own dots doubled (RFC 5321, 4.5.2)."""
    return letter.content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def _refusal(heard: Sequence[Reply]) -> tuple[Meaning | None, int]:
    """What the replies to MAIL, RCPT and DATA say against the letter, and which of them (from 0); None: go on."""
    for step, reply in enumerate(heard):
        if step == 2 and reply.code == GO_ON:
            return None, step
        if step == 2 or not reply.is_yes:
            meaning = meaning_of(reply, to_sender=step == 0)
            return (LOST_EARLIER if meaning is None or reply.is_yes else meaning), step
    return LOST_EARLIER, len(heard)


def _end(wire: SmtpWire, heard: Sequence[Reply], after: Letter | None) -> Meaning:
    """What became of a letter whose text and final dot were written."""
    if heard and (meaning := meaning_of(heard[0], to_text=True)) is not None:
        return meaning
    wire.hang_up()
    dot_stayed_here = not heard and after is None and wire.is_plain and wire.is_held_up
    return LOST_EARLIER if dot_stayed_here else LOST_AFTER_THE_DOT


def _not_sent(token: str, stop: Stop) -> Receipt:
    reason, action, wait = stop
    return Receipt(token, "not_sent", None, reason, action, wait)
