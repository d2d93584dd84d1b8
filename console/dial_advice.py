"""`dial-list advice`: how a team should dial, and how long its list has to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeVar

import typer

from config.abandonment import load_abandonment
from console.context import HomeOption, JsonOption, config_dir, open_home, settings_of
from console.show import print_json, say, table
from waves.abandonment import AbandonmentRow, Limits, limits_of, row_for
from waves.calendars import known_jurisdictions
from waves.dial_advice import BLOCKING, Advice, Way, advise
from waves.dial_simulation import Estimate, Luck
from waves.erlang import erlang_b, load_at
from waves.errors import InputError
from waves.exhaustion import Dialable, Exhaustion, exhaustion
from waves.pacing import Calls
from waves.plan import parse_duration, parse_share
from waves.sizing import MEASURABLE, STOP_SHARE, Passes, Shift, measured_rates, passes_of, passes_worth

SEED = 1
DIALS, HANDLE_S = 200, 180.0
EXAMPLE = "Such as: multiwave dial-list advice --agents 20 --answer-rate 18% --answer-rate 15% --region US"
T = TypeVar("T")


def advice(
    agents: Annotated[int, typer.Option(help="Agents on the rota.", min=1, max=1000)],
    answer_rate: Annotated[
        list[str] | None,
        typer.Option(help="Dials that a person answers, such as 18%; again for each further pass: 18%, then 15%."),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Take answer rates and handling time from this campaign's calls instead.")
    ] = None,
    hours: Annotated[float, typer.Option(help="Hours of the shift.", min=0.25, max=24)] = 7.5,
    shrinkage: Annotated[str, typer.Option(help="Time not at the phone: breaks, training, absence.")] = "12%",
    occupancy: Annotated[
        str | None, typer.Option(help="Size the list by this occupancy, such as 80%, not by what is expected.")
    ] = None,
    handle_time: Annotated[
        str | None, typer.Option(help="A call with the work after it; 180s unless the campaign's calls say otherwise.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Where the called are, such as US: its law may be stricter than the house.")
    ] = None,
    records: Annotated[
        int | None, typer.Option(help="Records on the list: say when it runs dry.", min=1, max=100_000)
    ] = None,
    measured_on: Annotated[
        int | None, typer.Option(help="Dials behind the first answer rate: 200, or the campaign's.", min=1, max=100_000)
    ] = None,
    retry_after: Annotated[str, typer.Option(help="When who did not answer may be dialled again.")] = "4h",
    lines: Annotated[
        int | None, typer.Option(help="Lines you have: say how many dials find none free.", min=1, max=100_000)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """How a team should dial and how long its list has to be: progressive or predictive, occupancy, dials, lines."""
    if bool(answer_rate) == bool(campaign):
        raise InputError("say what share of the dials is answered: --answer-rate 18%, or --campaign NAME to measure it")
    seen = _measure(home, campaign) if campaign else _written(answer_rate or [])
    rates, asked = seen.rates, None if handle_time is None else _seconds("--handle-time", handle_time)
    shift = Shift(agents, hours, _below_all("--shrinkage", shrinkage), asked or seen.handle_s)
    wanted = None if occupancy is None else _parsed("--occupancy", occupancy, parse_share)
    again = _seconds("--retry-after", retry_after)
    if wanted == 0:
        raise InputError("--occupancy is 0%: nobody would be called; leave it out, or write such as 80%")
    rules = load_abandonment(config_dir(settings_of(home)))
    if region is not None and region not in known_jurisdictions():
        raise InputError(f"--region: there is no jurisdiction {region}; write one such as US, US-TX or GB")
    row = row_for(rules, region) if region else None
    limits, passes = limits_of(rules.house, row), passes_of(rates)
    calls, luck = _calls(passes, shift, row), Random(SEED).random
    found = advise(shift, calls, passes, limits.soft, luck, wanted)
    dry = None if records is None else _dry(found, records, hours, rates, measured_on or seen.dials, again, luck)
    mine = None if lines is None else _lines(found, lines)
    if as_json:
        print_json(_told(found, shift, limits, row, rates) | {"runs_dry_after_s": dry, "own_lines": mine})
        return
    _show(found, limits, row, region, passes, rates)
    say(f"a call takes {shift.handle_s:.0f} s")
    if mine is not None:
        shares = ", ".join(f"{share:.1%} of the dials if {mode}" for mode, share in mine["blocked"].items())
        say(f"{lines:,} lines carry {mine['erlangs']:.1f} erlangs at {BLOCKING[0]:.0%}; no line is free for {shares}")
    if dry is not None:
        say(f"the list runs dry: P10 {_hours(dry.p10)}, P50 {_hours(dry.p50)}, P90 {_hours(dry.p90)}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """Answer rates by pass, the dials behind the first one, and seconds a call."""

    rates: Sequence[float]
    dials: int = DIALS
    handle_s: float = HANDLE_S


def _written(texts: Sequence[str]) -> _Seen:
    rates = [_parsed("--answer-rate", each, parse_share) for each in texts]
    if min(rates) <= 0:
        raise InputError("--answer-rate is 0%: nobody would ever answer; write what was measured, such as 18%")
    return _Seen(rates)


def _measure(home: Path | None, campaign: str) -> _Seen:
    """What a campaign's calls say: of each pass with enough dials, up to the first that nobody answered."""
    from ledger import campaigns
    from ledger.answer_counts import measured

    room = open_home(home)
    with room.ledger.read() as connection:
        found = measured(connection, campaigns.find(connection, campaign).id)
    rates = measured_rates(found.dials, found.answers)
    if not rates:
        first, answered = (found.dials[0], found.answers[0]) if found.dials else (0, 0)
        said = f"{campaign} has {first:,} first dials back, {answered:,} of them answered"
        raise InputError(
            f"{said}: too few to measure by ({MEASURABLE} dials); write --answer-rate instead of --campaign"
        )
    handle_s = found.handle_s if found.timed >= MEASURABLE and found.handle_s else HANDLE_S
    return _Seen(rates, found.dials[0], max(1.0, handle_s))


def _dry(
    found: Advice, records: int, hours: float, rates: Sequence[float], measured_on: int, again: float, luck: Luck
) -> Exhaustion:
    """When the list runs dry, dialled as advised, the answer rate being as sure as the dials behind it are many."""
    way = next(way for way in found.ways if way.mode == found.mode)
    pool = [Dialable(0, hours * 3600, len(rates))] * records
    answered = round(rates[0] * measured_on)
    outcomes = [None] * answered + [again] * (measured_on - answered)
    return exhaustion(pool, way.size.dials / hours, outcomes, hours * 3600, luck)


def _lines(found: Advice, lines: int) -> dict[str, Any]:
    """What so many lines carry, and the share of the dials that finds none of them free."""
    blocked = {way.mode: erlang_b(lines, way.load) for way in found.ways}
    return {"lines": lines, "erlangs": load_at(lines, BLOCKING[0]), "blocked": blocked}


def _parsed(option: str, text: str, parse: Callable[[object], T]) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def _below_all(option: str, text: str) -> float:
    share = _parsed(option, text, parse_share)
    if share >= 1:
        raise InputError(f"{option} is {text}: nobody would be left to call; write less than 100%")
    return share


def _seconds(option: str, text: str) -> float:
    length = _parsed(option, text, parse_duration)
    if not timedelta(seconds=1) <= length <= timedelta(days=1):
        raise InputError(f"{option} is {text}; write a time from 1s to 24h")
    return length.total_seconds()


def _calls(passes: Passes, shift: Shift, row: AbandonmentRow | None) -> Calls:
    calls = Calls(passes.answer_rate, shift.handle_s)
    connect = row.connect.total_seconds() if row and row.connect else calls.connect_s
    ring = row.min_ring.total_seconds() if row and row.min_ring else 0.0
    return Calls(passes.answer_rate, shift.handle_s, no_answer_s=max(calls.no_answer_s, ring), connect_s=connect)


def _told(
    found: Advice, shift: Shift, limits: Limits, row: AbandonmentRow | None, rates: Sequence[float]
) -> dict[str, Any]:
    return {
        "mode": found.mode,
        "why": found.why,
        "agents": found.agents,
        "answer_rates": rates,
        "handle_s": shift.handle_s,
        "passes_worth_dialling": passes_worth(rates),
        "limits": limits,
        "rule": row.model_dump(mode="json", by_alias=True) if row else None,
        "ways": [_way(way) for way in found.ways],
    }


def _way(way: Way) -> dict[str, Any]:
    few, many = way.lines
    return {
        "mode": way.mode,
        "occupancy": way.played.occupancy,
        "occupancy_by_formula": way.formula_occupancy,
        "dials_per_agent_hour": way.played.dials,
        "dials_by_formula": way.formula_dials,
        "abandoned": way.played.abandoned,
        "sized_by_occupancy": way.occupancy,
        "size": way.size,
        "erlangs": way.load,
        "lines": {"blocking_1_percent": few, "blocking_0.1_percent": many},
    }


def _show(
    found: Advice,
    limits: Limits,
    row: AbandonmentRow | None,
    region: str | None,
    passes: Passes,
    rates: Sequence[float],
) -> None:
    say(f"dial {found.mode}: {found.why}")
    figures: dict[str, Callable[[Way], str]] = {
        "occupancy": lambda way: _with_error(way.played.occupancy),
        "occupancy by formula": lambda way: f"{way.formula_occupancy:.1%}",
        "answers abandoned": lambda way: _with_error(way.played.abandoned),
        "dials an agent and hour": lambda way: f"{way.played.dials.value:.0f}",
        "dials by formula": lambda way: f"{way.formula_dials:.0f}",
        "conversations": lambda way: f"{way.size.conversations:,.0f}",
        "records": lambda way: f"{way.size.records:,.0f}",
        "records with skips": lambda way: f"{way.size.listed:,.0f}",
        "dials": lambda way: f"{way.size.dials:,.0f}",
        "lines": lambda way: f"{way.lines[0]:,} to {way.lines[1]:,}",
    }
    modes = [str(way.mode) for way in found.ways]
    rows = [(name, *(figure(way) for way in found.ways)) for name, figure in figures.items()]
    table(f"a shift, {found.agents:,} at the phone", ("", *modes), rows, modes)
    say(f"passes: {', '.join(f'{rate:.1%}' for rate in rates)}; {passes.reached:.1%} of the records answer")
    worth = passes_worth(rates)
    if worth < len(rates):
        less = f"less than {STOP_SHARE:.0%} of the first pass"
        say(f"stop before pass {worth + 1}: it answers {less}")
    where = region or "everywhere"
    say(f"abandonment, {where}: dial slower above {limits.soft:.1%}, no list above {limits.hard:.1%} ({limits.counts})")
    if row is not None:
        reviewed = "" if row.reviewed else "; nobody has reviewed this row"
        say(f"rule for {row.place}: {row.source}{reviewed}", markup=False)


def _with_error(estimate: Estimate) -> str:
    return "" if estimate.error is None else f"{estimate.value:.1%} ±{estimate.error:.1%}"


def _hours(seconds: float | None) -> str:
    return "not in this shift" if seconds is None else f"{seconds / 3600:.2f} h"
