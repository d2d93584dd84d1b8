"""SendGrid's suppression lists: what it does not send to, page by page, and what it is told of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.sendgrid_api import Api, NoAnswer
from channels.sendgrid_options import SendgridOptions
from waves.errors import SendInDoubt
from waves.message import Stop, StopPage
from waves.outcomes import Outcome, Side

LISTS: dict[str, Outcome | Side] = {
    "unsubscribes": Side.UNSUBSCRIBED,
    "spam_reports": Side.COMPLAINED,
    "bounces": Outcome.BOUNCED_HARD,
    "invalid_emails": Outcome.BOUNCED_HARD,
    "blocks": Outcome.BOUNCED_SOFT,  # refused once: SendGrid goes on sending to them, and so do we
}
"""List at /v3/suppression/ -> what standing on it means; those that are of people's will come first."""
GROUP = "asm_group"
"""Those who unsubscribed from the group of the options; all groups come as one page."""
PAGE = 500
OVERLAP = timedelta(hours=1)
"""How much earlier than the last reading a new one begins: entries appear late."""
LONGEST_ADDRESS = 320


def lists_of(options: SendgridOptions) -> tuple[str, ...]:
    """The lists that a sender with these options reads."""
    return (*([GROUP] if options.asm_group is not None else []), *LISTS)


async def read_page(
    api: Api, options: SendgridOptions, listed: str, after: datetime | None, until: datetime, page: int
) -> StopPage:
    """One page of a list; SendInDoubt when there is no answer that can be read."""
    try:
        if listed == GROUP:
            said = await api.ask("asm/suppressions")
            return StopPage(
                [stop for item in _items(said) for stop in _of_group(item, options.asm_group, after)], False
            )
        query = {"limit": PAGE, "offset": page * PAGE, "end_time": int(until.timestamp())}
        if after is not None:
            query["start_time"] = int((after - OVERLAP).timestamp())
        items = _items(await api.ask(f"suppression/{listed}", query))
        return StopPage([stop for item in items for stop in _stop(item, "created", LISTS[listed])], len(items) >= PAGE)
    except NoAnswer as error:
        raise SendInDoubt(str(error)) from error


async def share(api: Api, options: SendgridOptions, addresses: Sequence[str]) -> bool:
    """Put addresses on the group's list, or that of the whole account; SendInDoubt when it was not confirmed."""
    path = "asm/suppressions/global" if options.asm_group is None else f"asm/groups/{options.asm_group}/suppressions"
    try:
        for start in range(0, len(addresses), PAGE):
            await api.ask(path, body={"recipient_emails": addresses[start : start + PAGE]})
    except NoAnswer as error:
        raise SendInDoubt(str(error)) from error
    return True


def _items(said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise NoAnswer("a suppression list of SendGrid that cannot be read")
    return said


def _of_group(item: Any, group: int | None, after: datetime | None) -> Iterator[Stop]:
    if isinstance(item, dict) and item.get("group_id") == group:
        for stop in _stop(item, "created_at", Side.UNSUBSCRIBED):
            if after is None or stop.at >= after - OVERLAP:
                yield stop


def _stop(item: Any, when: str, meaning: Outcome | Side) -> Iterator[Stop]:
    """The entry; nothing for one without an address and a time, which nobody could act on."""
    address, at = (item.get("email"), item.get(when)) if isinstance(item, dict) else (None, None)
    if not isinstance(address, str) or "@" not in address or len(address) > LONGEST_ADDRESS:
        return
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 32_503_680_000:  # the year 3000
        return
    yield Stop(address.strip(), int(meaning), datetime.fromtimestamp(at, UTC))
