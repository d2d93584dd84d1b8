"""A plan tried on a simulated world before it starts, and a world fitted from campaigns that ran."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from console.context import HomeOption, JsonOption, bundle_of, config_dir, existing, open_home
from console.plans import PlanArgument
from console.show import Ticker, clock, plain, print_json, progress, say, table
from waves.errors import InputError

if TYPE_CHECKING:
    from flows.tally import Spread, Summary

SHOWN = ("bounced_hard", "silent", "seen", "clicked")
MORE = (
    "It is the real engine on a simulated clock; of each number you see the mean and, over the runs, P10 to P90. Only "
    "this plan moves: what other campaigns have queued counts against the limits, but they send nothing meanwhile."
)
BARS = " ▁▂▃▄▅▆▇█"


def rehearse(
    plan: PlanArgument,
    world: Annotated[
        Path, typer.Option("--world", help="The world: a file, or its name in config/, such as examples/world.yaml.")
    ],
    runs: Annotated[int, typer.Option("--runs", help="How often to play it.", min=1, max=10_000)] = 20,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the first run (default: the world's).")] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", help="Play with about this many customers and scale the counts.", min=50)
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write every number here too (.json or .csv).")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play a plan against a simulated world on a scratch copy of the ledger; nothing can be sent, nothing is kept."""
    from config.world_file import load_world
    from flows.rehearsal import rehearse as play
    from flows.rehearsal import scene_of
    from flows.tally import summarise

    if out is not None and out.suffix not in (".json", ".csv"):
        raise InputError(f"{out}: write a name that ends in .json or .csv")
    room = open_home(home)
    bundle = bundle_of(room.settings, plan)
    own = config_dir(room.settings) / world
    file = own if own.is_file() and not world.is_file() else existing(world)
    known = load_world(file, bundle.types, bundle.plan)
    first = known.world.seed if seed is None else seed
    with progress() as bar:
        room.tick = Ticker(bar)
        with scene_of(room, bundle, known, sample) as scene:
            found = summarise(scene.campaign, play(scene, runs, first, room.tick), scene.share)
    if out is not None:
        out.write_text(_csv(found) if out.suffix == ".csv" else _json(found, room.settings.currency), encoding="utf-8")
    if as_json:
        print_json(_values(found, room.settings.currency))
    else:
        show(found, world, room.settings.currency)


def show(found: Summary, world: Path, currency: str) -> None:
    """The funnel, the hours of the day, the pace of the calls, cost and finish."""
    last = found.seed + found.runs - 1
    seeds = f"seed {last}" if found.runs == 1 else f"seeds {found.seed} to {last}"
    said = f"rehearsed {found.runs} times against {escape(str(world))} ({seeds}); nothing was sent"
    say(f"[bold]{found.campaign}[/] {said}", markup=True)
    if found.share < 1:
        size = f"{100 * found.share:.3g} % of the customers, the teams' capacity alike"
        say(f"played with {size}; counts and cost are scaled up, so their ranges are wider than the whole ledger's")
    rows: list[tuple[str, ...]] = []
    for wave, lines in found.funnel.items():
        for line in lines if wave == "campaign" else [line for line in lines if line != "members"]:
            numbers = (lines[line].mean, lines[line].p10, lines[line].p90)
            named = "" if any(row[0] == wave for row in rows) else wave
            rows.append((named, line, *map(_number, numbers)))
    table("expected, and P10 to P90 of the runs", ("wave", "", "mean", "P10", "P90"), rows, ("mean", "P10", "P90"))
    if found.touches_per_hour:
        say("\n[bold]touches by hour of the customers' day[/], mean of the runs", markup=True)
        for channel, hours in found.touches_per_hour.items():
            say(f"  {channel:10} {bars([hour.mean for hour in hours])}  {_peak(hours)}")
        say(f"  {'':10} 0     6     12    18    ")
    if found.calls_per_agent_hour:
        say(f"\ncalls per agent hour   {_ranged(found.calls_per_agent_hour, 1)}")
    cost = f"{_ranged(found.cost, 2)} {currency}" if found.cost else "not set; see MULTIWAVE_COSTS"
    say(f"cost                   {cost}")
    mean, low, high = found.finish
    say(f"last wave closed       {clock(mean)} ({clock(low)} to {clock(high)})")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.1f}"


def _ranged(spread: Spread, digits: int) -> str:
    mean, low, high = (f"{value:,.{digits}f}" for value in (spread.mean, spread.p10, spread.p90))
    return mean if low == high else f"{mean} ({low} to {high})"


def bars(values: list[float]) -> str:
    """One character a value, as high as its share of the highest; anything above nothing is seen."""
    top = max(values, default=0) or 1
    return "".join(BARS[max(round(8 * value / top), int(value > 0))] for value in values)


def _peak(hours: tuple[Spread, ...]) -> str:
    hour = max(range(24), key=lambda hour: hours[hour].mean)
    return f"most at {hour:02}: {_ranged(hours[hour], 0)}"


def _values(found: Summary, currency: str) -> dict[str, Any]:
    return asdict(found) | {
        "currency": currency,
        "finish": dict(zip(("mean", "p10", "p90"), found.finish, strict=True)),
    }


def _json(found: Summary, currency: str) -> str:
    return json.dumps(_values(found, currency), default=plain, indent=2) + "\n"


def _csv(found: Summary) -> str:
    text = io.StringIO(newline="")
    out = csv.writer(text)
    out.writerow(("of", "line", "mean", "p10", "p90"))
    for of, line, spread in _lines(found):
        out.writerow((of, line, *(round(value, 4) for value in (spread.mean, spread.p10, spread.p90))))
    out.writerow(("campaign", "finish", *map(plain, found.finish)))
    return text.getvalue()


def _lines(found: Summary) -> Iterator[tuple[str, str, Spread]]:
    for wave, lines in found.funnel.items():
        yield from ((wave, line, spread) for line, spread in lines.items())
    for channel, hours in found.touches_per_hour.items():
        yield from ((channel, f"hour {hour}", spread) for hour, spread in enumerate(hours))
    for name in ("calls_per_agent_hour", "cost"):
        if getattr(found, name) is not None:
            yield "campaign", name, getattr(found, name)


def fit(
    campaigns: Annotated[
        list[str] | None, typer.Argument(help="Campaigns to learn from; without any, all that finished.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the world.", show_default=False)] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a world to rehearse in from campaigns that ran: how often customers answered, by channel and hour."""
    from config.world import World
    from config.world_file import world_text
    from flows.fitting import fit as fitted

    if out is None and not as_json:
        raise InputError("say where to write the world: --out WORLD.yaml (or --json to see it)")
    room = open_home(home)
    with progress() as bar:
        bar.add_task("reading what came back", total=None)
        used, world = fitted(room, campaigns or [])
    World.model_validate(world)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(world_text(world, f"Fitted from {', '.join(used)}, as of {clock(room.ledger.now())}."), "utf-8")
    if as_json:
        print_json({"campaigns": used, "world": world})
        return
    channels = [(name, *(_percent(odds.get(key)) for key in SHOWN)) for name, odds in world.get("channels", {}).items()]
    table(f"fitted from {', '.join(used)}", ("channel", *SHOWN), channels, SHOWN)
    say(f"{out} is written; try it: multiwave rehearse PLAN --world {out}")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command(epilog=MORE)(rehearse)
    topic = typer.Typer(help="Worlds to rehearse in.", no_args_is_help=True)
    topic.command("fit")(fit)
    app.add_typer(topic, name="world")
