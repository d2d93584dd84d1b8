"""What call lists learn from: earlier calls from a file, and the cards of what was learnt."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.call_scores import scores
from console.context import ByOption, HomeOption, JsonOption, existing, open_home, who
from console.show import clock, many, print_json, say, table

if TYPE_CHECKING:
    from ledger.model_cards import Card

PLOT = 50
"""Characters from 0 to the largest share in a calibration plot."""
NUMBERS = ("calls", "came", "tested", "AUC", "best half", "best fifth", "before")
COLUMNS = ("card", "campaign", "wave", "model", "fitted", *NUMBERS)
IMPORT_EPILOG = "\n\n".join(
    (
        "Columns: customer, number, at, disposition, source, source_id; optional: attempt, agent. A disposition is a "
        "word of this program (sale, not_interested, no_answer, busy, machine ...), a time has a zone: "
        "2026-11-02T14:05:00+02:00.",
        "source and source_id name a call once and for all, so that a file may be imported again. These calls are "
        "learnt from and count for the caps on attempts; dnc_request, suppressed_dnc and deceased suppress the "
        "customer. They are nobody's results: no campaign is moved or met by them.",
    )
)
FIT_EPILOG = "\n\n".join(
    (
        "Two models: answer, P(a person answers | number, hour, attempt), and convert, P(converts | answered, "
        "customer). Nothing that is known only when a call is over is learnt from.",
        "Each is tested on the newest calls, every one scored before its result was known. A model that does not rank "
        "surely better, within lists of 500, than the rate of the calls just before ranks nobody.",
    )
)


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file of calls.", show_default=False)],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import calls that another system made, each once: learnt from, counted in the caps; a no in them stands."""
    from flows.history import import_history

    room = open_home(home)
    kept = import_history(room, existing(file), room.ledger.now())
    if as_json:
        print_json(asdict(kept))
        return
    unknown = f"{kept.unknown_customer:,} of customers nobody imported"
    say(f"{many(kept.new, 'new call')}, {kept.known:,} known already, {unknown}")
    if kept.suppressed:
        say(f"{many(kept.suppressed, 'customer')} suppressed: a call says that they asked for no more, or died")


def fit(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)],
    wave: Annotated[str, typer.Argument(help="Its call wave.", show_default=False)],
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Only when 250 more calls of the wave were reported since the last fit.")
    ] = False,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from all calls who answers when and who converts, and show how well that ranks: the model cards."""
    from flows.call_scores import keep_call_scores
    from flows.history import call_wave, fit_wave, fitted_for

    room = open_home(home)
    running, now = call_wave(room, campaign, wave), room.ledger.now()
    fitted = (fitted_for if if_due else fit_wave)(room, running, wave, who(by), now)
    scored = keep_call_scores(room, running, wave, fitted, who(by), now)
    if as_json:
        learnt = [told(card) for card in fitted.cards.values()]
        print_json({"ranks_by": fitted.ranks_by, "scored": scored, "cards": learnt})
        return
    for card in fitted.cards.values():
        _show(card)
    say(f"{campaign}, wave {wave}, is ranked by {' and '.join(fitted.ranks_by)}{_alone(fitted.ranks_by)}")
    say(f"{scored:,} customers whose call is not over were scored")


def cards(
    campaign: Annotated[str | None, typer.Argument(help="Only this campaign's.", show_default=False)] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every model card: what was learnt from, and how well it ranked calls whose result it did not know."""
    from ledger import campaigns, model_cards

    room = open_home(home)
    with room.ledger.read() as connection:
        number = campaigns.find(connection, campaign).id if campaign else None
        rows = model_cards.cards(connection, number)
    if as_json:
        print_json({"cards": [_of_row(row) | told(card) for row, card in rows]})
    elif not rows:
        say("nothing was learnt yet; see: multiwave history fit --help")
    else:
        cells = [
            (row.id, row.campaign_name, row.wave_name, card.kind, clock(row.fitted_at), *_figures(card))
            for row, card in rows
        ]
        table("model cards", COLUMNS, cells, ("card", *NUMBERS))


def told(card: Card) -> dict[str, Any]:
    """A card as JSON."""
    return asdict(card)


def _of_row(row: Any) -> dict[str, Any]:
    return {
        "card": row.id,
        "campaign": row.campaign_name,
        "wave": row.wave_name,
        "fitted_at": row.fitted_at,
        "fitted_by": row.fitted_by,
    }


def _figures(card: Card) -> tuple[object, ...]:
    shares = (card.within50, card.within20, card.trailing50)
    auc = None if card.auc is None else f"{card.auc:.3f}"
    return card.n, card.positives, card.tested, auc, *(None if s is None else f"{s:.1%}" for s in shares)


def _show(card: Card) -> None:
    came = {"answer": "answered", "convert": "converted"}[card.kind]
    say(f"{card.kind}: {card.n:,} calls, {card.positives:,} {came}", style="bold")
    if card.window_from:
        say(f"  from {clock(card.window_from)} to {clock(card.window_to)}; by {', '.join(card.features)}")
    if card.auc is None or card.within50 is None or card.within20 is None or card.trailing50 is None:
        why = f"all or none of {card.tested:,} tested calls {came}" if card.tested else "too few calls to test"
        say(f"  {why}: it ranks nobody yet")
        return
    say(
        f"  {card.tested:,} calls scored before their result was known: AUC {card.auc:.3f}; within lists the best half "
        f"holds {card.within50:.1%} of those {came}, the best fifth {card.within20:.1%}"
    )
    verdict = "beats" if card.beats else "does not surely beat"
    say(f"  {verdict} the rate of the calls just before ({card.trailing50:.1%} in the best half)")
    _plot(card.bins)


def _plot(bins: tuple[tuple[float, float, int], ...]) -> None:
    """A line a tenth: | where it was predicted, o what came, X where the two are one."""
    most = max((max(predicted, observed) for predicted, observed, _ in bins), default=0.0) or 1.0
    say("  predicted  came      calls   (| predicted, o came)")
    for predicted, observed, n in bins:
        places = [round(share / most * (PLOT - 1)) for share in (predicted, observed)]
        line = [" "] * PLOT
        line[places[0]] = "|"
        line[places[1]] = "X" if places[0] == places[1] else "o"
        say(f"  {predicted:>8.1%} {observed:>6.1%} {n:>10,}   {''.join(line).rstrip()}", markup=False)


def _alone(ranks_by: tuple[str, ...]) -> str:
    return "" if len(ranks_by) > 1 else " alone: neither model beats the rate of the calls just before"


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Earlier calls, and what call lists learnt from them.", no_args_is_help=True)
    topic.command("import", epilog=IMPORT_EPILOG)(import_file)
    topic.command("fit", epilog=FIT_EPILOG)(fit)
    topic.command("cards")(cards)
    topic.command("scores")(scores)
    app.add_typer(topic, name="history")
