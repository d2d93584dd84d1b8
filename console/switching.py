"""Kill switches: stop everything of a scope, see what is stopped, let it go on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from console.context import ByOption, HomeOption, JsonOption, open_home, who
from console.show import clock, print_json, progress, say, table
from waves.errors import InputError

EverythingOption = Annotated[bool, typer.Option("--everything", help="Every message and every dial list.")]
ChannelOption = Annotated[str | None, typer.Option("--channel", help="One channel.")]
ProviderOption = Annotated[str | None, typer.Option("--provider", help="Every channel that this provider carries.")]
SenderOption = Annotated[str | None, typer.Option("--sender", help="A sender of config/senders.yaml.")]
SegmentOption = Annotated[
    str | None, typer.Option("--segment", help="Whoever the rule of config/segments/NAME.yaml names, in any campaign.")
]
CampaignOption = Annotated[str | None, typer.Option("--campaign", help="One campaign.")]
WaveOption = Annotated[str | None, typer.Option("--wave", metavar="CAMPAIGN/WAVE", help="One wave of a campaign.")]


def one_of(everything: bool, **named: str | None) -> tuple[str, str]:
    """The kind of scope and its name; InputError unless exactly one is given."""
    given = [(kind, name) for kind, name in named.items() if name is not None]
    if len(given) + everything != 1:
        options = ", ".join(f"--{kind}" for kind in named)
        raise InputError(f"say what to stop, one thing at a time: --everything, or one of {options}")
    return ("everything", "") if everything else given[0]


def on(
    why: Annotated[str, typer.Option("--why", help="Why; shown to everybody who wonders.")],
    everything: EverythingOption = False,
    channel: ChannelOption = None,
    provider: ProviderOption = None,
    sender: SenderOption = None,
    segment: SegmentOption = None,
    campaign: CampaignOption = None,
    wave: WaveOption = None,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a scope: nothing of it begins two seconds after the commit; waits for what is in the air and says so."""
    from flows.switching import halt, scope_of

    kind, name = one_of(
        everything,
        channel=channel,
        provider=provider,
        sender=sender,
        segment=segment,
        campaign=campaign,
        wave=wave,
    )
    if not why.strip():
        raise InputError("--why is empty; say why, in a few words")
    room = open_home(home, to_stop=True)
    scope = kind if everything else scope_of(room, kind, name)
    with progress() as bar:
        waits = bar.add_task("waiting for what is in the air", total=None)
        done = halt(room, scope, why, who(by), lambda settled, total: bar.update(waits, completed=settled, total=total))
    if as_json:
        print_json(asdict(done))
        return
    say(f"{scope} {'is stopped' if done.switched else 'was stopped already'}")
    for line in told(done):
        say(line)


def told(done: Any) -> list[str]:
    """What the switch found in the air, in sentences."""
    what = f"{done.went_out:,} went out, {done.given_back:,} were given back"
    after = f"{done.settled_after_s:.1f} s later"
    if done.in_the_air:
        lines = [
            f"committed; {what}; {after} {done.in_the_air:,} are still in the air: none begins any more, and those of "
            "a dead worker are in doubt when its lease ends"
        ]
    elif done.went_out or done.given_back:
        lines = [f"committed; the last message that was already in the air was settled {after}; {what}"]
    else:
        lines = ["committed; nothing of it was in the air"]
    return lines + [
        f"dial list {number} is out: call it back, then run: multiwave dial-list return {number}"
        for number in done.lists_out
    ]


def off(
    everything: EverythingOption = False,
    channel: ChannelOption = None,
    provider: ProviderOption = None,
    sender: SenderOption = None,
    segment: SegmentOption = None,
    campaign: CampaignOption = None,
    wave: WaveOption = None,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Let a stopped scope go on where it was stopped, within hours and limits; a breaker's pause too."""
    from ledger import kill_switches

    kind, name = one_of(
        everything,
        channel=channel,
        provider=provider,
        sender=sender,
        segment=segment,
        campaign=campaign,
        wave=wave,
    )
    scope = kind if everything else f"{kind}:{name}"
    room = open_home(home)
    with room.ledger.write() as connection:
        kill_switches.lift(connection, scope, who(by), room.ledger.now())
    say(f"{scope} goes on")


def ls(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The switches that are on: what is stopped, since when, by whom and why."""
    from ledger import kill_switches

    room = open_home(home, to_stop=True)
    with room.ledger.read() as connection:
        found = kill_switches.switches_on(connection, room.ledger.now())
    if as_json:
        print_json({"kill_switches": found})
        return
    if not found:
        say("no kill switch is on")
        return
    cells = [(s.scope, clock(s.since), clock(s.until), s.by, s.why) for s in found]
    table("kill switches", ("stopped", "since", "until", "by", "why"), cells)


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Stop a scope at once, and let it go on.", no_args_is_help=True)
    topic.command("on")(on)
    topic.command("off")(off)
    topic.command("ls")(ls)
    app.add_typer(topic, name="kill-switch")
