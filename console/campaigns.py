"""A running campaign: move it on, watch it, pause it, stop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from console.context import ByOption, HomeOption, JsonOption, moment, open_home, who
from console.show import Ticker, clock, counts, print_json, progress, say, table

CampaignArgument = Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)]


def advance(
    home: HomeOption = None,
    now: Annotated[
        str | None, typer.Option("--now", help="Move a simulated clock to this time first (ISO, with a zone).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Do everything that is due: open, enrol, send, close. Safe to kill at any moment and to run again."""
    from flows.driver import advance_embedded
    from ledger import aggregates

    room = open_home(home)
    with progress() as bar:
        room.tick = Ticker(bar)
        moves = advance_embedded(room, moment(now) if now else None)
    if as_json:
        print_json({"now": room.ledger.now(), "moves": moves})
        return
    for move in moves:
        same = move["before"] == move["after"]
        what = "more was sent or queued" if same else f"{move['before']} -> {move['after']}"
        say(f"{move['campaign']}: wave {move['wave']} {what}")
    if not moves:
        with room.ledger.read() as connection:
            paused = [row.name for row in aggregates.campaigns_at_a_glance(connection) if row.state == "paused"]
        say("nothing is due" + (f"; paused: {', '.join(paused)}" if paused else ""))


def status(
    campaign: Annotated[str | None, typer.Argument(help="The campaign's name; without it, all of them.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where a campaign stands: each wave's verdicts, states, outcomes and parts, and whether its books balance."""
    from ledger import aggregates

    room = open_home(home)
    if campaign is None:
        with room.ledger.read() as connection:
            rows = [dict(row._mapping) for row in aggregates.campaigns_at_a_glance(connection)]
        if as_json:
            print_json({"campaigns": rows})
        else:
            cells = [(r["name"], r["title"], r["state"], clock(r["started_at"]), r["members"]) for r in rows]
            table("campaigns", ("campaign", "title", "state", "started", "members"), cells, ("members",))
        return
    found = status_of(room, campaign)
    if as_json:
        print_json(found)
        return
    say(f"[bold]{campaign}[/] is {found['state']}, {found['members']:,} members")
    for wave in found["waves"]:
        books = "books balance" if wave["balanced"] else "BOOKS DO NOT BALANCE"
        when = f"opened {clock(wave['opened'])}, closes {clock(wave['closes'])}" if wave["opened"] else "not opened yet"
        say(f"\n[bold]{wave['wave']}[/] {wave['state']}; {when}{'; ' + books if wave['opened'] else ''}")
        for book in ("verdicts", "states", "outcomes", "parts"):
            if wave[book]:
                say(f"  {book:9} {counts(wave[book])}")
    arms = [arms_row(a) for a in found["conversion"]]
    columns = ("from", "treated", "conv.", "rate", "held out", "conv. ", "rate ", "points")
    table("conversions within the goal's window, of everybody assigned", columns, arms, columns[1:])


def arms_row(arms: Mapping[str, Any]) -> tuple[object, ...]:
    """One line of the conversion table: counts, rates per assigned customer, and the difference in points."""
    treated = arms["treated_converted"] / arms["treated"] if arms["treated"] else None
    held = arms["held_out_converted"] / arms["held_out"] if arms["held_out"] else None
    apart = f"{100 * (treated - held):+.2f}" if treated is not None and held is not None else ""
    rates = ["" if rate is None else f"{100 * rate:.2f} %" for rate in (treated, held)]
    return (
        arms["name"],
        arms["treated"],
        arms["treated_converted"],
        rates[0],
        arms["held_out"],
        arms["held_out_converted"],
        rates[1],
        apart,
    )


def status_of(room: Any, campaign: str) -> dict[str, Any]:
    """The status as `status --json` prints it."""
    from dataclasses import asdict

    from flows.running import load_running
    from ledger import aggregates

    running = load_running(room.ledger, campaign)
    goal = running.plan.goal
    with room.ledger.read() as connection:
        members = aggregates.member_count(connection, running.id)
        waves = aggregates.wave_statuses(connection, running.id)
        arms = aggregates.conversion_by_arm(connection, running.id, goal.event, goal.within)
    return {
        "campaign": campaign,
        "state": running.state,
        "members": members,
        "waves": [
            {
                "wave": w.wave,
                "state": w.state,
                "opened": w.opened,
                "closes": w.closes,
                "closed": w.closed,
                "verdicts": w.books.verdicts,
                "states": w.books.states,
                "outcomes": w.books.outcomes,
                "parts": w.books.parts,
                "balanced": w.books.balanced if w.opened else None,
            }
            for w in waves
        ],
        "conversion": [asdict(a) for a in arms],
    }


def pause(campaign: CampaignArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Stop sending within two seconds; what is queued stays queued, waves neither open nor close."""
    _set_state(campaign, "paused", ("running",), home, by)


def resume(campaign: CampaignArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Go on with a paused campaign; touches whose time has passed meanwhile are not sent."""
    _set_state(campaign, "running", ("paused",), home, by)


def _set_state(campaign: str, target: str, allowed: tuple[str, ...], home: Any, by: str | None) -> None:
    from ledger import campaigns

    room = open_home(home)
    with room.ledger.write() as connection:
        campaigns.set_state(connection, campaign, target, allowed, who(by), room.ledger.now())
    say(f"{campaign} is {target}")


def abort(campaign: CampaignArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Stop a campaign for good: what is queued is withdrawn at once; dial lists out there must be called back."""
    from ledger import campaigns

    room = open_home(home)
    with room.ledger.write() as connection:
        withdrawn = campaigns.abort(connection, campaign, who(by), room.ledger.now())
    say(f"{campaign} is aborted; {withdrawn:,} queued touches withdrawn")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    for command in (advance, status, pause, resume, abort):
        app.command()(command)
