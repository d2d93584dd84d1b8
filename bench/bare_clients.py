"""The clients that the channels are held against: what their libraries do for a message, and nothing of ours around it.

Each returns the CPU seconds of this process; connections are open and one message is through before the clock starts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import aiosmtplib
from cryptography.hazmat.primitives.asymmetric import ec

from bench.provider_sink import ACCOUNT
from bench.sinks import ABREAST
from channels.webpush_crypto import encrypt
from waves.subscriptions import from_unpadded

SENDER = "news@example.com"
Give = Callable[[Any], Awaitable[None]]


def by_aiosmtplib(port: int, mails: Sequence[tuple[str, bytes]]) -> float:
    """Mails, ready made, by `sendmail` over 16 connections."""

    async def all_of_them() -> float:
        lines = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(ABREAST)]
        for line in lines:
            await line.connect()
            await line.sendmail(SENDER, [mails[0][0]], mails[0][1])
        turns = iter(mails)

        async def some(line: aiosmtplib.SMTP) -> None:
            for address, mail in turns:
                await line.sendmail(SENDER, [address], mail)

        began = time.process_time()
        await asyncio.gather(*map(some, lines))
        spent = time.process_time() - began
        for line in lines:
            line.close()
        return spent

    return asyncio.run(all_of_them())


def by_aiohttp(port: int, forms: Sequence[dict[str, str]]) -> float:
    """Text messages by a POST of each form to Twilio's path, the sid read out of the answer."""
    url = f"http://127.0.0.1:{port}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    head = {"Authorization": "Basic " + base64.b64encode(f"{ACCOUNT}:12345".encode()).decode()}

    def giver(session: aiohttp.ClientSession) -> Give:
        async def give(form: dict[str, str]) -> None:
            async with session.post(url, data=form, headers=head) as said:
                if said.status != 201 or not json.loads(await said.read())["sid"]:
                    raise RuntimeError(f"the sink answered {said.status}")

        return give

    return asyncio.run(_given(giver, forms))


def by_encryption(port: int, pushes: Sequence[tuple[bytes, bytes]]) -> float:
    """Pushes, (text, the browser's key): one encryption and one POST each, its headers ready made."""
    auth, head = bytes(16), {"TTL": "3600", "Content-Encoding": "aes128gcm", "Authorization": "vapid t=x, k=y"}

    def giver(session: aiohttp.ClientSession) -> Give:
        async def give(push: tuple[bytes, bytes]) -> None:
            body = encrypt(push[0], push[1], auth)
            async with session.post(f"http://127.0.0.1:{port}/push/x", data=body, headers=head) as said:
                await said.read()
                if said.status != 201:
                    raise RuntimeError(f"the sink answered {said.status}")

        return give

    return asyncio.run(_given(giver, pushes))


async def _given(giver: Callable[[aiohttp.ClientSession], Give], all_of_them: Sequence[Any]) -> float:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        give, turns = giver(session), iter(all_of_them)
        await give(all_of_them[0])

        async def some() -> None:
            for one in turns:
                await give(one)

        began = time.process_time()
        await asyncio.gather(*(some() for _ in range(ABREAST)))
        return time.process_time() - began


def browser_key() -> tuple[bytes, str]:
    """A browser's public key, as bytes and as a subscription writes it."""
    from channels.webpush_crypto import public_text

    text = public_text(ec.generate_private_key(ec.SECP256R1()))
    return from_unpadded(text), text
