"""A receiver bound to an SMSC while `multiwave serve` runs: what it delivers is on disk before it is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from channels.http_line import NeverMade
from channels.opening import Opening
from channels.own_loop import Found
from channels.smpp_options import SmppOptions
from channels.smpp_pdu import Command, Delivery, Pdu, UnreadablePdu
from channels.smpp_receipts import address_of
from channels.smpp_wire import BindRefused, Login, Taker, bind
from channels.spool import Record, Spool
from channels.steady import steady

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Between two tries to bind; the last one again and again. A bind that held begins anew."""


def listen(
    opening: Opening,
    spool: Spool,
    stop: threading.Event,
    say: Callable[[str], None],
    pauses_s: tuple[float, ...] = PAUSES_S,
) -> None:
    """Keep a receiver bound until `stop` is set, then unbind; SendRefused when the sender's options are not complete.

    `say` is told once when no session comes about, and once when there is one again.
    """
    options = SmppOptions.of(opening.sender)
    if not options.receive:
        return
    password = options.password(opening.sender.sender, opening.environment)
    login = Login(options, password, opening.sender.timeout.total_seconds())
    asyncio.run(
        _listen(login, _taker(opening.sender.sender, spool), stop, _Voice(opening.sender.sender, say), pauses_s)
    )


class _Voice:
    """Says what is new."""

    def __init__(self, sender: str, say: Callable[[str], None]) -> None:
        self._sender, self._say, self._last = sender, say, ""

    def tell(self, what: str) -> None:
        if what != self._last:
            self._say(f"receipts of {self._sender}: {what}")
        self._last = what


async def _listen(login: Login, take: Taker, stop: threading.Event, voice: _Voice, pauses_s: tuple[float, ...]) -> None:
    over, tries = asyncio.create_task(asyncio.to_thread(stop.wait)), 0
    while not over.done():
        began = steady()
        try:
            session = await _unless(over, bind(login, Command.BIND_RECEIVER, take=take))
            if session is not None:
                voice.tell("a receiver is bound")
                await _unless(over, session.closed.wait())
                await session.leave()
        except (NeverMade, BindRefused) as error:
            voice.tell(f"{error}; it is tried again")
        tries = 1 if steady() - began > pauses_s[-1] else tries + 1
        if not over.done():
            await asyncio.wait([over], timeout=pauses_s[min(tries, len(pauses_s)) - 1])
    await over


async def _unless(over: asyncio.Task[bool], work: Coroutine[Any, Any, Found]) -> Found | None:
    """What the work comes to, or None when the end comes first."""
    task = asyncio.create_task(work)
    await asyncio.wait([over, task], return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        return None
    return task.result()


def _taker(sender: str, spool: Spool) -> Taker:
    async def take(pdu: Pdu) -> bool:
        """Whether the delivery is on disk; one that cannot be read is kept all the same, and set aside by the merge."""
        record = Record("smpp", sender, datetime.now(UTC), _headers(pdu), pdu.body)
        try:
            await asyncio.wrap_future(spool.append(record))
        except OSError:
            return False
        return True

    return take


def _headers(pdu: Pdu) -> dict[str, str]:
    """The person's number as the ledger spells it: by that `erase` finds a record that was set aside."""
    try:
        return {"from": address_of(Delivery.of(pdu.body).source)}
    except UnreadablePdu:
        return {}
