"""A running campaign: move it on, watch it, pause it, stop it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from console.context import ByOption, HomeOption, JsonOption, moment, open_home, who
from console.show import Ticker, clock, counts, print_json, progress, say, table
from waves.errors import InputError, SendRefused
from waves.senders import parse_rate

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

    room = open_home(home)
    with progress() as bar:
        room.tick = Ticker(bar)
        moves = advance_embedded(room, moment(now) if now else None)
    _say_moves(room, moves, as_json)
    for sender, why in room.shut.items():
        if all(one.sender in room.shut for one in room.senders_of(room.senders[sender].channel)):
            raise SendRefused(f"the sender {sender} cannot send, and what is due by it waits: {why}")


def _say_moves(room: Any, moves: Sequence[dict[str, Any]], as_json: bool) -> None:
    from ledger import aggregates

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
    watching: Annotated[bool, typer.Option("--watch", help="Show it anew every two seconds until Ctrl-C.")] = False,
) -> None:
    """Where a campaign stands: each wave's verdicts, states, outcomes and parts, and whether its books balance."""
    room = open_home(home)
    if not watching:
        _show_status(room, campaign, as_json)
        return
    if as_json:
        raise InputError("--watch draws tables; leave it out to get JSON, or leave --json out")
    from console.watching import watch

    watch(lambda: _show_status(room, campaign, as_json))


def _show_status(room: Any, campaign: str | None, as_json: bool) -> None:
    from console.doubts import show_doubts
    from console.sender_tables import show_senders
    from flows.sender_health import sender_health
    from ledger import aggregates
    from ledger.kill_switches import switches_on
    from ledger.workers import workers

    if campaign is None:
        senders = sender_health(room, room.ledger.now())
        with room.ledger.read() as connection:
            rows = [dict(row._mapping) for row in aggregates.campaigns_at_a_glance(connection)]
            switches = switches_on(connection, room.ledger.now())
            there = workers(connection)
        if as_json:
            print_json({"campaigns": rows, "kill_switches": switches, "workers": there, "senders": senders})
        else:
            _show_switches(switches)
            cells = [(r["name"], r["title"], r["state"], clock(r["started_at"]), r["members"]) for r in rows]
            table("campaigns", ("campaign", "title", "state", "started", "members"), cells, ("members",))
            show_senders(senders)
            if there:
                cells = [(w.name, w.campaign, w.wave, clock(w.seen_at), "" if w.alive else "gone") for w in there]
                table("workers", ("worker", "campaign", "wave", "seen", ""), cells)
        return
    found = status_of(room, campaign)
    if as_json:
        print_json(found)
        return
    more = " so far; `advance` finds the others" if found["state"] == "starting" else ""
    say(f"[bold]{campaign}[/] is {found['state']}, {found['members']:,} members{more}", markup=True)
    _show_switches(found["kill_switches"])
    for wave in found["waves"]:
        books = "books balance" if wave["balanced"] else "BOOKS DO NOT BALANCE"
        when = f"opened {clock(wave['opened'])}, closes {clock(wave['closes'])}" if wave["opened"] else "not opened yet"
        when += f"; stopped {clock(wave['stopped'])}" if wave["stopped"] else ""
        said = f"{when}{'; ' + books if wave['opened'] else ''}"
        say(f"\n[bold]{wave['wave']}[/] {wave['state']}; {said}", markup=True)
        if wave["alarm"]:
            say(f"  alarm     {wave['alarm']}", style="yellow")
        for gate in wave["gates"]:
            say(f"  {gate['gate']:9} {gate['said']}: {gate['level']} {clock(gate['since'])}", style="yellow")
        for book in ("verdicts", "states", "outcomes", "parts"):
            if wave[book]:
                say(f"  {book:9} {counts(wave[book])}")
    show_doubts(found["in_doubt"], campaign)
    if found["open_cases"]:
        say(f"{found['open_cases']:,} members wait for an answer of a person: multiwave case ls", style="yellow")
    arms = [arms_row(a) for a in found["conversion"]]
    columns = ("from", "treated", "conv.", "rate", "held out", "conv. ", "rate ", "points")
    table("conversions within the goal's window, of everybody assigned", columns, arms, columns[1:])


def _show_switches(switches: Sequence[object]) -> None:
    for switch in switches:
        say(str(switch), style="yellow")


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
    from console.doubts import doubt_values
    from flows.halting import switches_over
    from flows.running import load_running
    from ledger import aggregates, doubts, hygiene
    from ledger.cases import count_cases

    running = load_running(room.ledger, campaign)
    goal = running.plan.goal
    with room.ledger.read() as connection:
        members = aggregates.member_count(connection, running.id)
        waves = aggregates.wave_statuses(connection, running.id)
        arms = aggregates.conversion_by_arm(connection, running.id, goal.event, goal.within)
        unsure = doubt_values(doubts.doubts_of(connection, running.id))
        open_cases, _ = count_cases(connection, room.ledger.now(), running.id)
        gates = {row.name: hygiene.gates_of_wave(connection, row.id) for row in running.rows}
    return {
        "campaign": campaign,
        "state": running.state,
        "members": members,
        "kill_switches": switches_over(room, running, room.ledger.now()),
        "open_cases": open_cases,
        "waves": [
            {
                "wave": w.wave,
                "state": w.state,
                "opened": w.opened,
                "closes": w.closes,
                "closed": w.closed,
                "stopped": running.row(w.wave).stopped_at,
                "alarm": running.row(w.wave).alarm,
                "gates": [asdict(gate) for gate in gates[w.wave]],
                "verdicts": w.books.verdicts,
                "states": w.books.states,
                "outcomes": w.books.outcomes,
                "parts": w.books.parts,
                "balanced": w.books.balanced if w.opened else None,
            }
            for w in waves
        ],
        "in_doubt": unsure,
        "resends": sum(one["resends"] for one in unsure),
        "conversion": [asdict(a) for a in arms],
    }


def pause(campaign: CampaignArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Stop sending within two seconds; what is queued stays queued, waves neither open nor close."""
    from ledger import campaigns

    room = open_home(home, to_stop=True)
    with room.ledger.write() as connection:
        campaigns.set_state(connection, campaign, "paused", ("running",), who(by), room.ledger.now())
    say(f"{campaign} is paused")
    for number in _lists_out(room, campaign):
        say(f"dial list {number} is out, and its dialler goes on; stop it there, or:")
        say(f"  multiwave dial-list recall {number} --all")


def _lists_out(room: Any, campaign: str) -> list[int]:
    from flows.running import load_running
    from ledger.recall import lists_out

    waves = [row.id for row in load_running(room.ledger, campaign).rows]
    with room.ledger.read() as connection:
        return [number for wave in waves for number in lists_out(connection, wave)]


def resume(
    campaign: CampaignArgument,
    policy: Annotated[
        Literal["expire", "reschedule", "catch-up"] | None,
        typer.Option(
            help="For what came due meanwhile. expire: it is not sent any more. reschedule: what an open wave still "
            "has to do moves later by the length of the pause. catch-up: it goes now, within hours and limits.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option("--rate", help="Catch up no faster than this, such as 50/s or 20/m, in permitted hours alone."),
    ] = None,
    past_alarm: Annotated[
        bool, typer.Option("--past-alarm", help="Send the rest of a ramp whose alarm rang.", show_default=False)
    ] = False,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a paused campaign; when something came due meanwhile, --policy says what becomes of it."""
    from flows.resuming import resume as resumed

    if rate is not None and policy != "catch-up":
        raise InputError("--rate goes with --policy catch-up: it says how fast what came due is sent")
    room = open_home(home)
    done = resumed(room, campaign, policy, who(by), room.ledger.now(), past_alarm, _rate(rate))
    if as_json:
        moved = None if done.moved is None else done.moved.total_seconds()
        print_json({"campaign": campaign, "state": "running", **asdict(done), "moved": moved})
        return
    say(f"{campaign} is running")
    if done.came_due:
        say(f"came due while it was paused: {done.came_due}")
    if done.moved is not None:
        say(f"the open wave moved later by {done.moved}; later waves follow from its close, a fixed `at` stays")
    if done.expired:
        say(f"{done.expired:,} queued messages expired")
    if done.stopped:
        say(f"wave {done.stopped} is stopped: it opens and sends nothing")
    if done.spread:
        say(f"spread at {rate}: the last one goes at {clock(done.spread.until)}")
        if done.spread.too_late:
            say(f"{done.spread.too_late:,} have no place before their wave ends, and will expire", style="yellow")


def _rate(text: str | None) -> float | None:
    try:
        return None if text is None else parse_rate(text)
    except ValueError as error:
        raise InputError(f"--rate: {error}") from None


def stop(
    campaign: CampaignArgument,
    wave: Annotated[str, typer.Argument(help="The wave's name.", show_default=False)],
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Stop one wave for good, as for a wrong text: it sends nothing more, listens on and closes; others go on."""
    from flows import ending

    room = open_home(home, to_stop=True)
    stopped = ending.stop_wave(room, campaign, wave, who(by), room.ledger.now())
    say(f"wave {wave} of {campaign} is stopped; {stopped.withdrawn:,} queued touches withdrawn")
    if stopped.claimed:
        say(f"{stopped.claimed:,} messages are in the hands of a worker and go out")
    for number in stopped.lists:
        say(f"dial list {number} is out: call it back, then run: multiwave dial-list return {number}")
    say(f"who got it: multiwave who-got {campaign} {wave}; the others: multiwave clone {campaign} --remainder {wave}")


def abort(campaign: CampaignArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Stop a campaign for good: what is queued is withdrawn at once; dial lists out there must be called back."""
    from flows import ending

    room = open_home(home, to_stop=True)
    withdrawn = ending.abort(room, campaign, who(by), room.ledger.now())
    say(f"{campaign} is aborted; {withdrawn:,} queued touches withdrawn")
    for number in _lists_out(room, campaign):
        say(f"dial list {number} is out: call it back, then run: multiwave dial-list return {number}")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    for command in (advance, status, pause, resume, stop, abort):
        app.command()(command)
