"""Seeds: addresses of our own that get every wave's message; what arrived of it, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import ByOption, HomeOption, JsonOption, moment, open_home, who
from console.show import clock, print_json, say, table
from waves.errors import InputError
from waves.message import CHANNEL_NAMES
from waves.outcomes import Outcome, Reason, State, word

if TYPE_CHECKING:
    from flows.room import Room

BY_A_PERSON = "person"
TO_THE_MINUTE = timedelta(minutes=1)
"""How people write times: a message of 09:12:40 arrived at 09:12."""


def ls(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The seeds of config/seeds.yaml: each gets every wave's message on its channel, as customers do."""
    room = open_home(home)
    found = [
        {"seed": s.seed, "channel": s.channel, "language": s.language, "campaigns": list(s.campaigns)}
        for s in room.seeds
    ]
    if as_json:
        print_json({"seeds": found})
    elif found:
        cells = [(s.seed, s.channel, s.language or "-", ", ".join(s.campaigns) or "all") for s in room.seeds]
        table("seeds", ("seed", "channel", "language", "campaigns"), cells)
    else:
        say("there is no seed yet; write one into config/seeds.yaml")


def report(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a campaign's seeds got, tests among it: sent when, arrived when, how long that took, or nothing yet."""
    from ledger.seeds import seed_messages

    room = open_home(home)
    with room.ledger.read() as connection:
        rows = [_values(room, row) for row in seed_messages(connection, campaign)]
    if as_json:
        print_json({"campaign": campaign, "seeds": rows})
        return
    if not rows:
        say(f"no seed was sent anything of {campaign} yet; see: multiwave seeds ls")
        return
    cells = [
        (
            r["wave"] + (" (test)" if r["test"] else ""),
            r["seed"],
            r["channel"],
            r["variant"] or "-",
            clock(r["sent_at"]) if r["sent_at"] else r["state"],
            clock(r["arrived_at"]) if r["arrived_at"] else _nothing(r),
            _delay(r),
        )
        for r in rows
    ]
    table("seeds", ("wave", "seed", "channel", "variant", "sent", "arrived", "after"), cells, whole=("seed",))
    say("a person who got one says so: multiwave seeds got SEED")


def _nothing(row: dict[str, Any]) -> str:
    if row["state"] == "refused":
        return f"refused ({row['reason'] or 'no reason given'})"
    return f"nothing yet ({row['outcome'] or row['state']})"


def _delay(row: dict[str, Any]) -> str:
    if row["delay_s"] is None:
        return ""
    return str(timedelta(seconds=round(row["delay_s"])))


def _values(room: Room, row: Any) -> dict[str, Any]:
    from waves.tokens import make_seed_token

    state = State.IN_DOUBT if row.state == State.CLAIMED else State(row.state)
    arrived, sent = row.arrived_at, row.sent_at
    return {
        "token": make_seed_token(room.token_key, row.id),
        "wave": row.wave,
        "test": row.run.startswith("test:"),
        "seed": row.seed,
        "channel": CHANNEL_NAMES[row.channel],
        "variant": row.variant,
        "state": word(state),
        "reason": word(Reason(row.reason)) if row.reason else None,
        "sent_at": sent if state in (State.SENT, State.IN_DOUBT) else None,
        "outcome": word(Outcome(row.outcome)) if row.outcome else None,
        "arrived_at": arrived,
        "arrived_by": row.arrived_by,
        "delay_s": max(0.0, (arrived - sent).total_seconds()) if arrived and sent else None,
    }


def got(
    seed: Annotated[str, typer.Argument(metavar="SEED", help="The seed's name, or a token.", show_default=False)],
    at: Annotated[str | None, typer.Option(help="When: 2026-12-01T14:05+02:00; else now.", show_default=False)] = None,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Say that a seed got its message: the last one sent to it that nobody saw arrive, or the one with this token."""
    from ledger.seeds import awaited, heard, seed_message
    from waves.tokens import read_seed_token

    room = open_home(home)
    now = room.ledger.now()
    when = moment(at) if at else now
    if when > now:
        raise InputError(f"{at} is still to come; write when it arrived")
    ident = read_seed_token(room.token_key, seed.strip())
    with room.ledger.write() as connection:
        if ident is None:
            rows = awaited(connection, seed)
            if not rows:
                raise InputError(f"nothing is on its way to a seed {seed}; see: multiwave seeds report CAMPAIGN")
            ident = rows[0].id
        row = seed_message(connection, ident)
        if row is None:
            raise InputError("this token is of no message to a seed; see: multiwave seeds report CAMPAIGN --json")
        if row.sent_at is not None and when < row.sent_at - TO_THE_MINUTE:
            raise InputError(f"{at} is before it was sent ({clock(row.sent_at)}); write when it arrived")
        known = heard(connection, ident, int(Outcome.READ), when, f"{BY_A_PERSON} {who(by)}")
    say("noted" if known else "was known already")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Addresses of our own that tell what arrives.", no_args_is_help=True)
    topic.command("ls")(ls)
    topic.command("report")(report)
    topic.command("got")(got)
    app.add_typer(topic, name="seeds")
