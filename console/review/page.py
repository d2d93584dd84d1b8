"""One HTML file of a report: no script, no network, nothing but itself; counts, and the keys of those in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.doubts import COLUMNS, doubt_cells, totals
from console.review.definitions import DEFINITIONS
from console.review.flow import NODES, links_of, pair_pictures, whole_picture
from console.review.numbers import FUNNEL
from console.review.wording import VIEWS, headline

BARS = [name for name in FUNNEL if name not in ("targeted", "held_out")]


def page_of(found: Mapping[str, Any]) -> str:
    """The report as HTML."""
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    pages.filters.update(VIEWS)
    pages.globals.update(VIEWS)
    flow = [
        {"pair": pair, "rows": [(NODES[a], NODES[b], members) for (a, b), members in links.items()]}
        for pair, links in links_of(found).items()
    ]
    return pages.get_template("page.html.j2").render(
        r=found,
        headline=headline(found),
        definitions=DEFINITIONS,
        bars=BARS,
        scale=_scale(found["comparisons"]),
        flow=flow,
        wide=Markup(whole_picture(found)) if flow else None,
        narrow=[Markup(picture) for picture in pair_pictures(found)],
        unsure=[doubt_cells(one) for one in found["in_doubt"]],
        unsure_columns=COLUMNS,
        unsure_totals=totals(found["in_doubt"]),
        late=[wave for wave in found["waves"] if wave["late"] and any(wave["late"].values())],
    )


def _scale(comparisons: list[Mapping[str, Any]]) -> Mapping[str, float] | None:
    """Where the interval plot begins and how wide it is, in shares; zero is always on it."""
    shown = [c["difference"] for c in comparisons if c["difference"]]
    if not shown:
        return None
    low, high = min(0.0, *(d["low"] for d in shown)), max(0.0, *(d["high"] for d in shown))
    room = (high - low) * 0.06 or 0.01
    return {"low": low - room, "span": high - low + 2 * room}
