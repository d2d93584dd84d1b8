"""Numbers of the United States that their carriers took out of service, by the day: Twilio's Deactivations.

Twilio has no list of who opted out that could be read, and none that could be added to: it keeps STOP by itself, and
tells us of it when it comes. https://www.twilio.com/docs/messaging/api/deactivations-resource
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlsplit

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from channels.http_line import Line, NeverMade, Post, Target
from channels.http_options import HttpOptions
from channels.twilio_transport import CALL, UNREADABLE, Call
from waves.errors import SendInDoubt
from waves.message import Stop, StopPage
from waves.outcomes import Outcome

LIST = "deactivations"
FIRST = timedelta(days=7)
"""How far back the first reading goes."""
LONGEST = 32 * 1024 * 1024
"""Bytes of one day's file."""
NUMBER = re.compile(r"\+?(1\d{10})")


async def read_day(
    client: Client, line: Line, after: datetime | None, until: datetime, page: int, timeout_s: float
) -> StopPage:
    """The `page`th whole day between the two; SendInDoubt when it cannot be read. Nearly all are strangers' numbers."""
    day = (until - FIRST if after is None else after).astimezone(UTC).date() + timedelta(days=page)
    last = until.astimezone(UTC).date() - timedelta(days=1)
    if day > last:
        return StopPage((), False, strangers=False)
    gone = await _numbers(client, line, day, timeout_s)
    at = datetime.combine(day, time(), UTC)
    stops = [Stop(number, int(Outcome.BOUNCED_HARD), at) for number in gone]
    return StopPage(stops, day < last, strangers=False)


async def _numbers(client: Client, line: Line, day: date, timeout_s: float) -> list[str]:
    CALL.set(Call())
    try:
        where = (await client.messaging.v1.deactivations().fetch_async(date=day)).redirect_to
        HttpOptions.model_validate({"url": str(where).split("#")[0], "secret_env": "UNUSED"})  # https, or this machine
        target = Target.of(urlsplit(str(where))._replace(fragment="").geturl(), "GET", None)
        answer = await line.post(Post(target, "", b"", math.inf), LONGEST, timeout_s)
        if answer.status != 200:
            raise SendInDoubt(f"Twilio's list of deactivated numbers of {day} answers {answer.status}")
        found = [NUMBER.fullmatch(row.strip()) for row in answer.content.decode("ascii").splitlines()]
        return [f"+{match[1]}" for match in found if match]
    except TwilioException as error:
        if getattr(error, "status", None) == 404:
            return []
        said = f"HTTP {getattr(error, 'status', '') or 'error'}"
    except (NeverMade, *UNREADABLE) as error:
        said = type(error).__name__
    raise SendInDoubt(f"Twilio's list of deactivated numbers of {day} could not be read: {said}")
