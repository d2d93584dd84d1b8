"""A plan before it runs: check it, see who would be asked, send a test, approve it, start it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from channels.call_list.formats import LAYOUTS
from channels.registry import CAPABILITIES, SENDERS, check_provider
from config.abandonment import abandonment_problems
from config.bans import bans_problems
from config.diallers import dialler_problems
from config.dialling import dialling_problems
from config.keywords import keywords_problems
from config.loading import check_plan
from config.lookups import TEMPLATES
from config.nearest import write_instead
from config.schema import load_schema
from config.seeds import seed_problems
from config.senders import load_senders, sender_problems
from config.settings import PREFIX
from config.sms_notes import sms_notes
from console.context import (
    ByOption,
    HomeOption,
    JsonOption,
    bundle_of,
    config_dir,
    existing,
    find_plan,
    open_home,
    settings_of,
    who,
)
from console.legal import accepted, approvers, say_accepted, say_waiting, waiting
from console.show import clock, counts, print_json, progress, say, screen, table
from waves.errors import InputError, SendRefused
from waves.sms_units import IN_UNITS

if TYPE_CHECKING:
    from config.bundle import Bundle
    from config.settings import Settings
    from flows.room import Room
    from flows.samples import Sample
    from flows.starting import Forecast
    from ledger.limits import Limit
    from waves.plan import Limits, Plan

PlanArgument = Annotated[str, typer.Argument(help="A plan: a file, or its name in config/plans.", show_default=False)]


def check(plan: PlanArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say every problem of a plan and of the files it names, as file:line; exit code 2 when there is one."""
    settings = settings_of(home)
    path, has_pages = find_plan(settings, plan), settings.public_url is not None
    problems = check_plan(path, config_dir(settings), CAPABILITIES, settings.default_language, has_pages)
    problems += keywords_problems(config_dir(settings))
    problems += sender_problems(config_dir(settings), CAPABILITIES, SENDERS, settings)
    problems += dialler_problems(config_dir(settings), LAYOUTS)
    problems += seed_problems(config_dir(settings), CAPABILITIES) + bans_problems(config_dir(settings))
    problems += abandonment_problems(config_dir(settings)) + dialling_problems(config_dir(settings))
    if not problems:
        check_channels(settings)
    bundle = None if problems else bundle_of(settings, plan)
    notes = notes_of(bundle, config_dir(settings)) if bundle else []
    unread = accepted(bundle.hours) if bundle else []
    shut = waiting(bundle.hours) if bundle else []
    if as_json:
        found = [{"file": p.file, "line": p.line, "message": p.message} for p in problems]
        told = {"plan": plan, "problems": found, "notes": notes}
        print_json({**told, "accepted_unreviewed": unread, "unreviewed": shut})
    else:
        say_accepted(unread)
        say_waiting(shut)
        for note in notes:
            say(f"note: {note}")
        for problem in problems:
            say(str(problem))
        say("no problems" if not problems else f"{len(problems)} problems")
    if problems:
        raise typer.Exit(2)


def check_channels(settings: Settings) -> None:
    """InputError where a setting names a sender or a channel that there is not, and would decide nothing."""
    for variable, named in (("FAILOVER", settings.failover), ("COSTS", settings.costs)):
        for channel in set(named) - set(CAPABILITIES):
            instead = write_instead(channel, CAPABILITIES)
            raise InputError(f"{PREFIX}{variable}: there is no channel {channel}; {instead}")
    senders = load_senders(config_dir(settings), CAPABILITIES, SENDERS, settings)
    for channel, named in settings.providers.items():
        own = [name for name, sender in senders.items() if sender.channel == channel]
        try:
            for name in set(named) - set(own):
                check_provider(channel, name, own)
        except SendRefused as error:
            raise InputError(f"{PREFIX}PROVIDERS: {error}") from None


def notes_of(bundle: Bundle, folder: Path) -> list[str]:
    """What to know of a plan that has no problem."""
    return [
        *repeats(bundle.plan),
        *nowhere(bundle.plan, folder),
        *map(str, sms_notes(str(folder / TEMPLATES), bundle.templates)),
    ]


def repeats(plan: Plan) -> list[str]:
    """Where a plan's `resend` may reach somebody twice: on web_push alone the second message replaces the first."""
    named = {name for wave in plan.waves for name in wave.channel_names if CAPABILITIES[name].kind == "message"}
    return [
        f"in_doubt: resend on {name}: who is in doubt may get the message twice; assume_sent and hold never repeat it"
        for name in sorted(named)
        if name != "web_push" and plan.doubt_policy(name) == "resend"
    ]


def nowhere(plan: Plan, folder: Path) -> list[str]:
    """Channels of a plan on which no customers file can bring an address or a consent; browsers subscribe by a page."""
    schema = load_schema(folder)
    there = {channel for entry in schema.addresses for channel in entry.channels} & set(schema.consent) | {"web_push"}
    named = {name for wave in plan.waves for name in wave.channel_names} - there
    return [
        f"{name}: customers.yaml declares no address or no consent for it, so an import makes nobody reachable there"
        for name in sorted(named)
    ]


def dry_run(plan: PlanArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Who would be contacted, when, and why the others not: the enrolling statement counted, nothing written."""
    from flows.samples import samples
    from flows.starting import forecast

    room = open_home(home)
    bundle = bundle_of(room.settings, plan)
    with progress() as bar:
        bar.add_task("counting", total=None)
        found = forecast(room, bundle, room.ledger.now())
        shown = samples(room, bundle, found)
    unread = accepted(bundle.hours)
    if as_json:
        print_json({**forecast_of(found, bundle.plan.priority, shown), "accepted_unreviewed": unread})
        return
    chosen = bundle.plan.audience
    whom = f"who {chosen.who.replace('_', ' ')} {chosen.wave} of {chosen.campaign}" if chosen else bundle.plan.segment
    asked = f"({found.campaign}), {'audience' if chosen else 'segment'}: {whom}"
    say(f"[bold]{escape(bundle.plan.title)}[/] {asked}", markup=True)
    say(f"digest {found.digest}")
    say(f"members: {found.treated:,} treated, {found.held_out:,} held out")
    rows, zone = [], bundle.plan.starts.zone
    for wave in found.waves:
        exact = "exact" if wave.exact else "at most"
        cost = "not set" if wave.cost is None else f"{wave.cost:.2f} {room.settings.currency}"
        window = f"{clock(wave.opens, zone)} to {clock(wave.closes, zone)}"
        rows.append((wave.wave, exact, counts(wave.verdicts), counts(wave.touches), window, cost))
    table("waves", ("wave", "count", "verdicts", "touches", f"from, to ({zone})", "cost"), rows)
    say("Later waves are forecasts: the most there can be, as if each outcome a rule asks for came to everybody.")
    show_overlaps(found, bundle.plan)
    show_units(found, room.settings)
    for note in repeats(bundle.plan):
        say(f"note: {note}")
    say_accepted(unread)
    say_waiting(waiting(bundle.hours))
    examples = [(wave.wave, verdict, key) for wave in found.waves for verdict, key in wave.examples.items()]
    table("one customer for each verdict", ("wave", "verdict", "customer"), examples)
    for sample in shown:
        variant = f", variant {sample.variant}" if sample.variant else ""
        units = (
            f", {sample.units} {'unit' if sample.units == 1 else 'units'} ({sample.alphabet})" if sample.units else ""
        )
        screen.rule(escape(f"{sample.wave}, {sample.channel}, {sample.language}{variant}{units}"))
        say("\n".join(f"{part}: {text}" for part, text in sample.fields.items()))


def show_units(found: Forecast, settings: Settings) -> None:
    """What the text messages of each wave are billed as, and what that costs."""
    rows = []
    for wave in found.waves:
        for channel, units in wave.units.items():
            if channel in IN_UNITS:
                price = settings.costs.get(channel)
                cost = "not set" if price is None else f"{price * units:.2f} {settings.currency}"
                rows.append((wave.wave, channel, wave.touches[channel], f"{units:,.0f}", cost))
    if rows:
        table("units expected, from messages of members", ("wave", "channel", "messages", "units", "cost"), rows)


def show_overlaps(found: Forecast, plan: Plan) -> None:
    """The live campaigns that want the same customers, and who wins where a contact limit has room for one."""
    rows = [
        (
            one.campaign,
            one.state,
            one.members,
            one.priority,
            limit_in_words(one.limit),
            one.winner(plan.campaign, plan.priority),
        )
        for one in found.overlaps
    ]
    if rows:
        table("shared with live campaigns", ("campaign", "state", "customers", "priority", "limit", "who wins"), rows)
        say(
            f"This plan has priority {plan.priority} and the limit {limit_in_words(plan.limits)}. A limit binds the "
            "members of its campaign in every campaign; where it has room for one contact, the day's winner makes it."
        )
    else:
        say("No live campaign has customers of this plan.")


def limit_in_words(limit: Limits | Limit | None) -> str:
    """`3 in 7 days`, or none."""
    if limit is None:
        return "none"
    hours = limit.within.total_seconds() / 3600
    return f"{limit.contacts} in {hours / 24:g} days" if hours >= 48 else f"{limit.contacts} in {hours:g} hours"


def forecast_of(found: Forecast, priority: int, shown: Sequence[Sample]) -> dict[str, object]:
    """The dry run as `plan --json` prints it."""
    return {
        "campaign": found.campaign,
        "digest": found.digest,
        "members": {"treated": found.treated, "held_out": found.held_out},
        "overlaps": [
            {
                "campaign": one.campaign,
                "state": one.state,
                "customers": one.members,
                "priority": one.priority,
                "limit": None if one.limit is None else limit_in_words(one.limit),
                "wins": one.winner(found.campaign, priority),
            }
            for one in found.overlaps
        ],
        "waves": [
            {
                "wave": wave.wave,
                "forecast": not wave.exact,
                "verdicts": dict(wave.verdicts),
                "touches": dict(wave.touches),
                "opens": wave.opens,
                "closes": wave.closes,
                "units": {channel: n for channel, n in wave.units.items() if channel in IN_UNITS},
                "cost": wave.cost,
                "examples": dict(wave.examples),
            }
            for wave in found.waves
        ],
        "wordings": [
            {
                "wave": sample.wave,
                "channel": sample.channel,
                "language": sample.language,
                "variant": sample.variant,
                "units": sample.units,
                "alphabet": sample.alphabet,
            }
            for sample in shown
            if sample.units is not None
        ],
    }


def approve(plan: PlanArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Approve the plan as it reads now; one changed byte in it or in a file it names needs a new approval."""
    from ledger import campaigns

    room = open_home(home)
    bundle = bundle_of(room.settings, plan)
    with room.ledger.write() as connection:
        new = campaigns.approve(connection, bundle.plan.campaign, bundle.digest, who(by), room.ledger.now())
    say(f"{'approved' if new else 'was approved already'}: {bundle.plan.campaign}, digest {bundle.digest}")


def start(plan: PlanArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Start an approved plan: its members are frozen now, its first wave opens at the plan's `starts`."""
    from flows import starting

    room = open_home(home)
    bundle = bundle_of(room.settings, plan)
    with progress() as bar:
        bar.add_task("freezing members", total=None)
        _, members = starting.start(room, bundle, who(by), room.ledger.now())
    plan = bundle.plan
    opens = "at once" if plan.starts.at <= room.ledger.now() else str(plan.starts)
    say(f"{plan.campaign} started with {members:,} members; its first wave opens {opens}, while `multiwave up` runs.")
    with room.ledger.read() as connection:
        say_accepted(accepted(bundle.hours), approvers(connection, bundle))


def send_test_messages(
    plan: PlanArgument,
    to: Annotated[
        str, typer.Option("--to", help="A customer's key, a colleague's for instance; or seeds.csv: name, channel, ...")
    ],
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Send every message of a plan to one consenting customer, or to a CSV of seeds; nothing of it counts."""
    from flows.samples import send_test

    room = open_home(home)
    bundle = bundle_of(room.settings, plan)
    if to.lower().endswith(".csv"):
        _send_to_file(room, bundle, Path(to), who(by))
        return
    sent = send_test(room, bundle, to, who(by), room.ledger.now())
    table("sent as a test", ("wave", "channel", "variant", "result"), sent)


def _send_to_file(room: Room, bundle: Bundle, file: Path, by: str) -> None:
    from channels.seeds_file import read_seeds
    from flows.seeding import send_test_to_seeds

    found = read_seeds(existing(file), CAPABILITIES)
    sent = send_test_to_seeds(room, bundle, found, secrets.token_hex(8), by, room.ledger.now())
    table("sent as a test", ("wave", "channel", "variant", "seed", "result"), sent)
    if left_out := [one.seed for one in found if one.seed not in {row[3] for row in sent}]:
        say(f"nothing of this plan goes out to {', '.join(left_out)}: it is not on their channel, or that is the inbox")
    say(f"what arrives: multiwave seeds report {bundle.plan.campaign}")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(check)
    app.command("plan")(dry_run)
    app.command("test-send")(send_test_messages)
    app.command()(approve)
    app.command()(start)
