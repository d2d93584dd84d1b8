"""`dial-list abandonment`: how many of a campaign's answered calls found no agent, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.campaigns import CampaignArgument
from console.context import HomeOption, JsonOption, open_home
from console.show import clock, print_json, say, table

if TYPE_CHECKING:
    from flows.abandonment import Watched

WORDS = {"ok": "goes on", "soft": "dial slower", "hard": "no further list"}
COLUMNS = ("where", "window", "answered", "abandoned", "rate", "at most", "slower above", "no list above", "word")


def abandonment(campaign: CampaignArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """How many answered calls of a campaign found no agent, by the house's rule and each place's, and what follows."""
    from flows.abandonment import watch, worst

    room = open_home(home)
    found = watch(room, campaign, room.ledger.now())
    if as_json:
        print_json({"campaign": campaign, "word": worst(found), "rules": found})
        return
    table(f"abandoned calls of {campaign}", COLUMNS, [_cells(each) for each in found], COLUMNS[2:8])
    say(f"{worst(found)}: {WORDS[worst(found)]}")
    if any(each.standing.word == "ok" and _few(each) for each in found):
        say(f"with fewer than {found[0].limits.from_answered} answered calls nothing is judged")


def _few(each: Watched) -> bool:
    return each.answers.live + each.answers.abandoned < each.limits.from_answered


def _cells(each: Watched) -> tuple[object, ...]:
    return (
        each.place,
        f"{clock(each.since)} to {clock(each.until)}",
        f"{each.standing.answered:,.6g}",
        f"{each.standing.answered * each.standing.rate:,.6g}",
        f"{each.standing.rate:.2%}",
        f"{each.standing.upper:.2%}",
        f"{each.limits.soft:.1%}",
        f"{each.limits.hard:.1%}",
        each.standing.word,
    )
