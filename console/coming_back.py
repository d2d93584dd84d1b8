"""What `doctor` finds about what people wrote back and what keys brought."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from config.keywords import keywords_problems

if TYPE_CHECKING:
    from console.doctor import Finding
    from flows.room import Room


def keywords(folder: Path) -> Iterator[Finding]:
    """Whether the table of keywords can be read."""
    from console.doctor import Finding

    problems = keywords_problems(folder)
    if problems:
        yield Finding("keywords", "fail", str(problems[0]), "mend it; until then replies are read by the release's own")
    else:
        yield Finding("keywords", "ok", "replies are read by rules/keywords.yaml")


def coming_back(room: Room, now: datetime) -> Iterator[Finding]:
    """Customers who wait for an answer, replies and conversions of nobody we know."""
    from console.doctor import Finding
    from ledger.api_keys import api_keys
    from ledger.cases import count_cases
    from ledger.replies import unknown_senders

    with room.ledger.read() as connection:
        (open_cases, since), strangers = count_cases(connection, now), unknown_senders(connection)
        keys = [key for key in api_keys(connection) if key.unknown]
    if since is not None:
        said = f"{open_cases:,} open, the oldest since {since:%Y-%m-%d %H:%M}Z"
        yield Finding("cases", "warn", said, "answer them: multiwave case ls")
    else:
        yield Finding("cases", "ok", "no customer waits for an answer")
    said = f"{strangers:,} came from addresses that no customer has" if strangers else "all from customers we know"
    yield Finding("replies", "ok", said)
    for key in keys:
        said = f"{key.name}: {key.unknown:,} of customers that the ledger did not know, which were not stored"
        do = "import those customers and let them be sent again; or see that both use the same customer keys"
        yield Finding("conversions", "warn", said, do)
