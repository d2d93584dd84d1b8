"""Model cards: what each fit learnt from, how well it ranked calls it had not seen, and what it is made anew from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select

from ledger import tables as t
from ledger.audit import record
from ledger.call_history import Extent, calls_after
from ledger.dial_tables import model_card

Model = Literal["answer", "convert"]
AS_IT_IS = (
    "kind",
    "window_from",
    "window_to",
    "n",
    "positives",
    "tested",
    "auc",
    "within50",
    "within20",
    "trailing50",
    "beats",
)
MODELS: tuple[Model, ...] = ("answer", "convert")


@dataclass(frozen=True, slots=True)
class Card:
    """One fit of one model; the rates of ranking are None when there were too few calls to test it."""

    kind: Model
    window_from: datetime | None
    window_to: datetime | None
    n: int
    positives: int
    tested: int
    features: tuple[str, ...]
    auc: float | None
    within50: float | None
    within20: float | None
    trailing50: float | None
    beats: bool
    bins: tuple[tuple[float, float, int], ...]
    """Predicted, observed and number of the tested calls, by tenths of the prediction, lowest first."""
    shift: float
    slope: float
    """The calibration: log-odds become shift + slope · log-odds."""
    extent: Extent
    digest: str


def store_cards(
    connection: Connection, campaign: int, wave: int, cards: Sequence[Card], by: str, now: datetime
) -> list[int]:
    """Store the cards of one fit with an audit row; their numbers."""
    found = []
    for card in cards:
        recipe = {
            "until": card.extent.until.isoformat(),
            "event": card.extent.event,
            "past_call": card.extent.past_call,
            "shift": card.shift,
            "slope": card.slope,
        }
        row = {name: getattr(card, name) for name in AS_IT_IS}
        row |= {"campaign": campaign, "wave": wave, "fitted_at": now, "fitted_by": by, "digest": card.digest}
        row |= {"features": json.dumps(card.features), "calibration": json.dumps(card.bins)}
        made = insert(model_card).values(**row, recipe=json.dumps(recipe)).returning(model_card.c.id)
        found.append(int(connection.execute(made).scalar_one()))
        record(connection, now, by, "history fit", f"wave {wave}", after=f"{card.kind} {card.digest[:16]}")
    return found


def newest_cards(connection: Connection, wave: int) -> dict[Model, Card]:
    """The newest card of each model of a wave, none before its first fit (ix_model_card_wave)."""
    c = model_card.c
    rows = (
        connection.execute(
            select(model_card).where(c.wave == wave, c.kind == kind).order_by(c.id.desc()).limit(1)
        ).one_or_none()
        for kind in MODELS
    )
    return {row.kind: card_of(row) for row in rows if row is not None}


def newest_fit(connection: Connection, wave: int) -> int | None:
    """The number of a wave's newest answer card, which names its fit; None before the first (ix_model_card_wave)."""
    c = model_card.c
    found: int | None = connection.scalar(select(func.max(c.id)).where(c.wave == wave, c.kind == MODELS[0]))
    return found


def is_due(connection: Connection, wave: int, newest: Mapping[Model, Card], most: int) -> bool:
    """Whether a wave was never fitted, or so many more of its calls were reported since its newest cards."""
    return not newest or calls_after(connection, wave, newest["answer"].extent.event) >= most


def cards(connection: Connection, campaign: int | None = None) -> list[tuple[Row[Any], Card]]:
    """Every card, or those of one campaign, oldest first; each with its row, which names campaign and wave."""
    c = model_card.c
    names = (t.campaign.c.name.label("campaign_name"), t.wave.c.name.label("wave_name"))
    query = (
        select(model_card, *names)
        .join(t.campaign, t.campaign.c.id == c.campaign)
        .join(t.wave, t.wave.c.id == c.wave)
        .order_by(c.id)
    )
    rows = connection.execute(query if campaign is None else query.where(c.campaign == campaign))
    return [(row, card_of(row)) for row in rows]


def card_of(row: Row[Any]) -> Card:
    """The card in a row of model_card."""
    recipe = json.loads(row.recipe)
    return Card(
        kind=row.kind,
        window_from=row.window_from,
        window_to=row.window_to,
        n=row.n,
        positives=row.positives,
        tested=row.tested,
        features=tuple(json.loads(row.features)),
        auc=row.auc,
        within50=row.within50,
        within20=row.within20,
        trailing50=row.trailing50,
        beats=row.beats,
        bins=tuple((predicted, observed, n) for predicted, observed, n in json.loads(row.calibration)),
        shift=recipe["shift"],
        slope=recipe["slope"],
        extent=Extent(datetime.fromisoformat(recipe["until"]), recipe["event"], recipe["past_call"]),
        digest=row.digest,
    )
