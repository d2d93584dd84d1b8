"""What `doctor` finds about what people wrote back and what keys brought."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from config.keywords import FILE, keywords_problems
from console.finding import Finding

if TYPE_CHECKING:
    from flows.room import Room

LATELY = timedelta(days=7)


def keywords(folder: Path) -> Iterator[Finding]:
    """Whether the table of keywords can be read."""
    problems = keywords_problems(folder)
    if problems:
        yield Finding("keywords", "fail", str(problems[0]), "mend it; until then replies are read by the release's own")
    else:
        by = FILE if (folder / FILE).exists() else "the release's own words"
        yield Finding("keywords", "ok", f"replies are read by {by}")


def coming_back(room: Room, now: datetime) -> Iterator[Finding]:
    """Customers who wait for an answer, replies and conversions of nobody we know."""
    from ledger.api_keys import api_keys
    from ledger.cases import count_cases
    from ledger.health import not_understood
    from ledger.replies import unknown_senders

    with room.ledger.read() as connection:
        (open_cases, since), strangers = count_cases(connection, now), unknown_senders(connection)
        keys = [key for key in api_keys(connection) if key.unknown]
        foreign = not_understood(connection, now - LATELY)
    if since is not None:
        said = f"{open_cases:,} open, the oldest since {since:%Y-%m-%d %H:%M}Z"
        yield Finding("cases", "warn", said, "answer them: multiwave case ls")
    else:
        yield Finding("cases", "ok", "no customer waits for an answer")
    said = f"{strangers:,} came from addresses that no customer has" if strangers else "all from customers we know"
    yield Finding("replies", "ok", said)
    if foreign:
        counted = ", ".join(f"{sender} {count:,}" for sender, count in foreign.items())
        said = f"of kinds that this release does not know, in the last 7 days: {counted}"
        yield Finding("reports", "warn", said, "they are kept and change nothing")
    else:
        yield Finding("reports", "ok", "all of the last 7 days were understood")
    for key in keys:
        said = f"{key.name}: {key.unknown:,} of customers that the ledger did not know, which were not stored"
        do = "import those customers and let them be sent again; or see that both use the same customer keys"
        yield Finding("conversions", "warn", said, do)
