"""Messages in doubt in the hands of people: see them, say of those that are held whether they were sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.campaigns import CampaignArgument
from console.context import ByOption, HomeOption, JsonOption, open_home, who
from console.show import print_json, say
from waves.errors import InputError
from waves.message import CHANNEL_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.room import Room

CustomersArgument = Annotated[
    list[str] | None, typer.Argument(help="Customer keys; for all that are held: --all.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All that are held.")]
WaveOption = Annotated[str | None, typer.Option("--wave", help="Of this wave alone.", show_default=False)]
ChannelOption = Annotated[str | None, typer.Option("--channel", help="On this channel alone.", show_default=False)]


def ls(campaign: CampaignArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every message in doubt by customer: since when, by whom, what the provider said, what was decided."""
    from console.doubts import doubt_values, show_doubts
    from ledger import campaigns, doubts

    room = open_home(home)
    with room.ledger.read() as connection:
        found = doubt_values(doubts.doubts_of(connection, campaigns.find(connection, campaign).id))
    if as_json:
        print_json({"campaign": campaign, "in_doubt": found})
        return
    show_doubts(found, campaign)
    if not found:
        say(f"no message of {campaign} is in doubt")


def sent(
    campaign: CampaignArgument,
    customers: CustomersArgument = None,
    every: AllOption = False,
    wave: WaveOption = None,
    channel: ChannelOption = None,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Say of held messages that they were sent: they count as sent, and nobody gets them again."""
    from ledger import deciding

    room = open_home(home)
    touches = _chosen(room, campaign, customers or [], every, wave, channel)
    with room.ledger.write() as connection:
        done = deciding.say_sent(connection, campaign, touches, who(by), room.ledger.now())
    say(f"{done:,} are sent")


def not_sent(
    campaign: CampaignArgument,
    customers: CustomersArgument = None,
    every: AllOption = False,
    wave: WaveOption = None,
    channel: ChannelOption = None,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Say of held messages that they were not sent: queued again while their wave sends, else expired."""
    from ledger import deciding

    room = open_home(home)
    touches = _chosen(room, campaign, customers or [], every, wave, channel)
    with room.ledger.write() as connection:
        queued, over = deciding.say_not_sent(connection, campaign, touches, who(by), room.ledger.now())
    say(f"{queued:,} are queued again" + (f"; {over:,} expired, their wave sends no more" if over else ""))


def _chosen(
    room: Room, campaign: str, customers: Sequence[str], every: bool, wave: str | None, channel: str | None
) -> list[int]:
    """The held touches a person means; InputError when that is nobody, or somebody of whom nothing is held."""
    from ledger import campaigns, doubts

    if every == bool(customers):
        raise InputError("say whom: customer keys, or --all for everybody who is held")
    if channel is not None and channel not in CHANNEL_CODES:
        raise InputError(f"there is no channel {channel!r}; write one of {', '.join(CHANNEL_CODES)}")
    with room.ledger.read() as connection:
        rows: list[Any] = list(doubts.held(connection, campaigns.find(connection, campaign).id))
    code = CHANNEL_CODES[channel] if channel else None
    rows = [row for row in rows if wave in (None, row.wave) and code in (None, row.channel)]
    strangers = sorted(set(customers) - {row.key for row in rows})
    if strangers or not rows:
        of = f" of {', '.join(strangers)}" if strangers else ""
        raise InputError(f"nothing{of} is held there; see: multiwave doubt ls {campaign}")
    return [row.touch for row in rows if every or row.key in customers]


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Messages in doubt: a send that was cut off.", no_args_is_help=True)
    topic.command("ls")(ls)
    topic.command("sent")(sent)
    topic.command("not-sent")(not_sent)
    app.add_typer(topic, name="doubt")
