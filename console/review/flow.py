"""The picture of customers flowing between waves: a Sankey diagram as inline SVG, drawn here because it is small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from waves.outcomes import Part, Verdict, word

NODES = {
    "converted": "converted before",
    "engaged": "engaged",
    "received": "received",
    "declined": "declined",
    "missed": "missed",
    "unconfirmed": "unconfirmed",
    "in_doubt": "in doubt",
    "untried": "untried",
    "held_out": "held out",
    "not_entered": "not entered",
    "stopped": "stopped",
}
"""Every place in a column from top to bottom: the parts of who took part, and why the others did not."""
OF_VERDICT = {
    word(Verdict.CONVERTED): "converted",
    word(Verdict.HELD_OUT): "held_out",
    word(Verdict.WAVE_HELD_OUT): "held_out",
    word(Verdict.NOT_ENTERED): "not_entered",
}
PARTS = {word(part) for part in Part}
BAR, LABEL, SLOT, GAP, TOP = 12, 150, 18, 5, 30
"""Pixels: width of a node, room for the last column's labels, least height of a node's place, gap, room for titles."""


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a column, in pixels."""

    x: float
    y: float
    height: float
    members: int


def place_of(name: str) -> str:
    """The place in a column of a part or a verdict."""
    return name if name in PARTS else OF_VERDICT.get(name, "stopped")


def columns_of(found: Mapping[str, Any]) -> list[tuple[str, Counter[str]]]:
    """Every wave with how many members stand where."""
    columns = []
    for wave in found["waves"]:
        stands = Counter(wave["parts"])
        for verdict, members in wave["verdicts"].items():
            if verdict != word(Verdict.GO):
                stands[place_of(verdict)] += members
        columns.append((wave["wave"], Counter({name: stands[name] for name in NODES if stands[name]})))
    return columns


def links_of(found: Mapping[str, Any]) -> dict[tuple[str, str], Counter[tuple[str, str]]]:
    """For each pair of waves, how many members went from which place to which."""
    links: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    for link in found["flow"]:
        pair = links.setdefault((link["from_wave"], link["to_wave"]), Counter())
        pair[place_of(link["from"]), place_of(link["to"])] += link["members"]
    return links


def whole_picture(found: Mapping[str, Any], width: int = 1080, height: int = 380) -> str:
    """All waves side by side, for a wide screen."""
    return _drawing(columns_of(found), links_of(found), width, height)


def pair_pictures(found: Mapping[str, Any], width: int = 340, height: int = 260) -> list[str]:
    """One small drawing for each wave and the next, for a narrow screen."""
    return [_drawing(list(pair), links_of(found), width, height) for pair in pairwise(columns_of(found))]


def _drawing(
    columns: Sequence[tuple[str, Counter[str]]],
    links: Mapping[tuple[str, str], Counter[tuple[str, str]]],
    width: int,
    height: int,
) -> str:
    step = (width - LABEL - BAR) / max(1, len(columns) - 1)
    scale = height / max(1, *(sum(stands.values()) for _, stands in columns))
    nodes = [_column(stands, number * step, scale) for number, (_, stands) in enumerate(columns)]
    bottom = max(node.y + max(node.height, SLOT) for column in nodes for node in column.values()) + GAP
    names = [name for name, _ in columns]
    ribbons, labels = [], []
    for number, pair in enumerate(pairwise(names)):
        ribbons += _ribbons(nodes[number], nodes[number + 1], links.get(pair, Counter()), scale, pair)
    for number, (name, _) in enumerate(columns):
        labels.append(f'<text class="wave" x="{number * step:.1f}" y="14">{escape(name)}</text>')
        labels += [_node(place, node) for place, node in nodes[number].items()]
    told = escape(f"Members flowing through the waves {', '.join(names)}; the same numbers stand in the table below.")
    head = f'<svg class="flow" role="img" aria-label="{told}" viewBox="0 0 {width} {bottom:.0f}" width="{width}">'
    return "\n".join([head, *ribbons, *labels, "</svg>"])


def _column(stands: Counter[str], x: float, scale: float) -> dict[str, Node]:
    nodes, y = {}, float(TOP)
    for name in NODES:
        if stands[name]:
            nodes[name] = Node(x, y, max(1.5, stands[name] * scale), stands[name])
            y += max(nodes[name].height, SLOT) + GAP
    return nodes


def _ribbons(
    left: Mapping[str, Node],
    right: Mapping[str, Node],
    links: Counter[tuple[str, str]],
    scale: float,
    waves: tuple[str, str],
) -> list[str]:
    used_left, used_right, drawn = Counter[str](), Counter[str](), []
    for source in left:
        for target in right:
            members = links[source, target]
            if not members:
                continue
            thick = max(0.6, members * scale)
            a, b = left[source].y + used_left[source] * scale, right[target].y + used_right[target] * scale
            used_left[source] += members
            used_right[target] += members
            x0, x1 = left[source].x + BAR, right[target].x
            mid = (x0 + x1) / 2
            upper = f"M{x0:.1f},{a:.1f} C{mid:.1f},{a:.1f} {mid:.1f},{b:.1f} {x1:.1f},{b:.1f}"
            c, d = a + thick, b + thick
            lower = f"L{x1:.1f},{d:.1f} C{mid:.1f},{d:.1f} {mid:.1f},{c:.1f} {x0:.1f},{c:.1f} Z"
            said = f"{waves[0]} {NODES[source]} to {waves[1]} {NODES[target]}: {members:,} members"
            drawn.append(f'<path class="to {source}" d="{upper} {lower}"><title>{escape(said)}</title></path>')
    return drawn


def _node(place: str, node: Node) -> str:
    bar = f'<rect class="{place}" x="{node.x:.1f}" y="{node.y:.1f}" width="{BAR}" height="{node.height:.1f}"/>'
    x, y = node.x + BAR + 5, node.y + max(node.height, SLOT) / 2 + 4
    return f'{bar}<text x="{x:.1f}" y="{y:.1f}">{NODES[place]} <tspan>{node.members:,}</tspan></text>'
