"""Provider `webpush`: straight to the browsers' push services (RFC 8030), encrypted and signed by us.

Every push service is a server of its own: what one of them refuses or lacks is not held against the others. Nothing
is repeated here; a plan may say `in_doubt: {web_push: resend}`, since a second push replaces the first (Topic, tag).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from channels.http_answers import LATER_S, Answer, Stop, UnreadableAnswer, retry_after_s
from channels.http_line import Line, NeverMade, Post, Target, TooLate
from channels.meanings import IN_DOUBT, TAKEN, Meaning, receipt
from channels.opening import Opening
from channels.steady import steady
from channels.webpush_crypto import Vapid, encrypt, topic_of
from channels.webpush_options import WebpushOptions
from waves.message import BEGIN_WITHIN_S, Message, Receipt
from waves.outcomes import Action, Outcome, Reason
from waves.subscriptions import BadSubscription, Subscription, origin_of, read_subscription

OF_CONFIG = Meaning(Outcome.FAILED, Reason.CONFIG, Action.BUG)
OF_KEY = Meaning(Outcome.FAILED, Reason.CONFIG, Action.PAUSE_SENDER)
GONE = Meaning(Outcome.BOUNCED_HARD, Reason.ADDRESS_GONE, Action.DROP_ADDRESS)
ANSWERS: dict[int, Meaning] = {
    200: Meaning(Outcome.IN_TRANSIT),
    201: Meaning(Outcome.IN_TRANSIT),
    202: Meaning(Outcome.IN_TRANSIT),
    301: OF_CONFIG,  # a redirect is never followed: it could lead to a host of ours
    307: OF_CONFIG,
    308: OF_CONFIG,
    400: OF_CONFIG,
    401: OF_KEY,
    403: OF_KEY,
    404: GONE,
    406: Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.RETRY),  # how WNS says 429
    410: GONE,
    413: Meaning(Outcome.FAILED, Reason.TOO_LARGE, Action.BUG),
    429: Meaning(Outcome.DEFERRED, Reason.RATE_LIMITED, Action.RETRY),
}
"""Status code of a push service -> what it means; whatever else it answers, and no answer, is in doubt."""
OF_ITSELF = Meaning(Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS)
SUSPECT = frozenset({400, 401, 403})
"""Of one subscription: made with another key, or broken. Of many: our key, or what we write, is wrong."""
MOST_SUSPECT, TRUSTED_S = 3, 600.0

LONGEST_JSON = 3072
LONGEST_TTL_S = 28 * 86_400
"""What FCM keeps a push for at most (Mozilla: 30 days)."""
LONGEST_ANSWER = 64 * 1024
KEEP_S = 30.0
MOST_CUT_OFF = 3
"""Requests to one push service that end in doubt, one after the other, before it rests."""
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(slots=True)
class _Origin:
    """One push service as this program knows it; the breaker of its own."""

    rests_until: float = 0.0
    reason: Reason = Reason.PROVIDER
    cut_off: int = 0
    taken_at: float = -TRUSTED_S
    suspect: int = 0
    """Answers since the last push it took that said our key or our request is wrong."""

    def rest(self, seconds: float, reason: Reason) -> None:
        until = steady() + seconds
        if until > self.rests_until:
            self.rests_until, self.reason = until, reason

    def note_cut_off(self) -> None:
        self.cut_off += 1
        if self.cut_off >= MOST_CUT_OFF:
            self.rest(LATER_S, Reason.PROVIDER)
            self.cut_off = 0


@dataclass(slots=True)
class _Chunk:
    """What one call of `send` goes by."""

    now: datetime
    begin_by: float
    stop: Stop | None = None
    taken: Counter[str] = field(default_factory=Counter)
    suspects: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Origin -> places in the chunk that were answered with one of SUSPECT."""


class Webpush:
    """Pushes of channel web_push; connections, breakers and signatures are kept from chunk to chunk."""

    provider = "webpush"

    def __init__(self, opening: Opening) -> None:
        self.capabilities, self.sender = opening.capabilities, opening.sender
        self.options = WebpushOptions.of(opening.sender)
        self.vapid = Vapid(self.options.key(opening.folder.parent, opening.environment), self.options.subject)
        self.chunk = max(100, min(1000, 20 * opening.sender.parallel))
        self._beacon = f"{opening.public_url}/push/beacon" if opening.public_url else None
        self._line = Line(KEEP_S)
        self._origins: dict[str, _Origin] = defaultdict(_Origin)
        self._timeout_s = opening.sender.timeout.total_seconds()

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order; what a push service left unclear is in doubt."""
        return self._line.run(self._send(list(messages), _Chunk(now, steady() + within_s)))

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """None: no push service can be asked."""
        return None

    def close(self) -> None:
        """Close the connections; the next `send` opens new ones."""
        self._line.close()

    async def _send(self, messages: list[Message], chunk: _Chunk) -> list[Receipt]:
        said: list[Receipt | None] = [None] * len(messages)
        turns = iter(range(len(messages)))  # shared: whoever is free takes the next one
        abreast = min(self.sender.parallel, len(messages))
        await asyncio.gather(*(self._carry(turns, messages, said, chunk) for _ in range(abreast)))
        self._judge(messages, said, chunk)
        return [receipt for receipt in said if receipt is not None]

    async def _carry(
        self, turns: Iterator[int], messages: list[Message], said: list[Receipt | None], chunk: _Chunk
    ) -> None:
        for turn in turns:
            if chunk.stop is None and steady() >= chunk.begin_by:
                chunk.stop = (None, 0.0)
            if chunk.stop is None:
                said[turn] = await self._push(turn, messages[turn], chunk)
            else:
                said[turn] = _not_sent(messages[turn].token, *chunk.stop)

    async def _push(self, turn: int, message: Message, chunk: _Chunk) -> Receipt:
        token = message.token
        try:
            to = read_subscription(message.address, self.options.loopback)
            plain = self._written(message)
        except BadSubscription:
            return receipt(token, OF_ITSELF)
        except UnicodeEncodeError:  # half a surrogate pair
            return Receipt(token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
        if len(plain) > LONGEST_JSON:
            return Receipt(token, "refused", None, Reason.TOO_LARGE, Action.NEXT_CHANNEL)
        name = origin_of(to.endpoint)
        origin = self._origins[name]
        rest_s = origin.rests_until - steady()
        if rest_s > 0:
            return _not_sent(token, origin.reason, max(rest_s, 1.0), of_address=True)
        try:
            answer = await self._post(to, name, message, plain, chunk)
        except TooLate:
            chunk.stop = (None, 0.0)
            return _not_sent(token, *chunk.stop)
        except NeverMade:
            origin.rest(LATER_S, Reason.PROVIDER)
            return _not_sent(token, Reason.PROVIDER, LATER_S, of_address=True)
        except (OSError, UnreadableAnswer):
            origin.note_cut_off()
            return receipt(token, IN_DOUBT)
        return self._heard(turn, token, answer, origin, name, chunk)

    async def _post(self, to: Subscription, origin: str, message: Message, plain: bytes, chunk: _Chunk) -> Answer:
        body = encrypt(plain, to.p256dh, to.auth)
        headers = (
            f"TTL: {_ttl(message, chunk.now)}\r\nTopic: {topic_of(message.campaign)}\r\n"
            f"Urgency: {self.options.urgency}\r\nContent-Encoding: aes128gcm\r\n"
            f"Authorization: {self.vapid.header(origin, time.time())}\r\n"
        )
        target = Target.of(to.endpoint, content_type="application/octet-stream")
        return await self._line.post(Post(target, headers, body, chunk.begin_by), LONGEST_ANSWER, self._timeout_s)

    def _heard(self, turn: int, token: str, answer: Answer, origin: _Origin, name: str, chunk: _Chunk) -> Receipt:
        meaning = ANSWERS.get(answer.status, IN_DOUBT)
        if meaning.outcome is None:
            origin.note_cut_off()
            return receipt(token, meaning)
        origin.cut_off = 0
        if meaning.outcome in TAKEN:
            chunk.taken[name] += 1
            origin.taken_at, origin.suspect = steady(), 0
        elif meaning.outcome is Outcome.DEFERRED:
            wait = retry_after_s(answer.retry_after, chunk.now)
            origin.rest(wait, Reason.RATE_LIMITED)
            return replace(receipt(token, meaning, retry_after_s=wait), of_address=True)
        elif answer.status in SUSPECT:
            chunk.suspects[name].append(turn)
            origin.suspect += 1
            if origin.suspect >= MOST_SUSPECT and chunk.taken[name] <= len(chunk.suspects[name]):
                origin.rest(LATER_S, Reason.CONFIG)
        return receipt(token, meaning)

    def _judge(self, messages: list[Message], said: list[Receipt | None], chunk: _Chunk) -> None:
        """Whose fault a 400, 401 or 403 was: few among many that were taken speak of these subscriptions alone."""
        for name, turns in chunk.suspects.items():
            origin = self._origins[name]
            alone = len(turns) == 1 == origin.suspect and steady() - origin.taken_at < TRUSTED_S
            if chunk.taken[name] > len(turns) or alone:
                for turn in turns:
                    said[turn] = receipt(messages[turn].token, OF_ITSELF)

    def _written(self, message: Message) -> bytes:
        """What the service worker gets to read."""
        fields = message.fields
        said = {"title": fields.get("title", ""), "body": fields["body"], "token": message.token}
        said |= {"tag": topic_of(message.campaign)}
        said |= {"url": fields["url"]} if fields.get("url") else {}
        said |= {"beacon": self._beacon} if self._beacon else {}
        return encode(said).encode()


def _ttl(message: Message, now: datetime) -> int:
    """Seconds a push service may keep it: to the end of its wave or of its reader's day, and 28 days at most."""
    if message.ends is None:
        return LONGEST_TTL_S
    return min(max(int((message.ends - now).total_seconds()), 0), LONGEST_TTL_S)


def _not_sent(token: str, reason: Reason | None, wait: float, of_address: bool = False) -> Receipt:
    return Receipt(token, "not_sent", None, reason, Action.RETRY, wait, of_address=of_address)
