"""The blocks of a dial list, as a lead reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.show import table
from waves.dial_stats import FEW, FEWEST

if TYPE_CHECKING:
    from ledger.dial_blocks import Block

WORDS = {"callback": "promised", "hot": "the best fifth", "normal": "not called yet", "recycle": "called before"}


def say_blocks(found: Sequence[Block]) -> None:
    """Each block in the order of dialling: expected and, once results are in, measured share of answers."""
    known = any(block.dials for block in found)
    columns = ("block", "entries", "by lot", "answer, expected", *(("dials", "answered") if known else ()))
    cells = [
        (
            f"{block.tier}: {WORDS[block.tier]}",
            block.entries,
            block.by_lot,
            "" if block.hit_rate is None else f"{block.hit_rate:.1%}",
            *((block.dials, _measured(block)) if known else ()),
        )
        for block in found
    ]
    table("blocks in the order of dialling, shuffled inside (the promised by their time)", columns, cells, columns[1:])


def _measured(block: Block) -> str:
    return f"{block.answers / block.dials:.1%}" if block.dials >= FEWEST else FEW


def blocks_json(found: Sequence[Block]) -> list[dict[str, Any]]:
    """The blocks for --json."""
    return [
        {
            "tier": block.tier,
            "entries": block.entries,
            "by_lot": block.by_lot,
            "expected_hit_rate": None if block.hit_rate is None else round(block.hit_rate, 4),
            "dials": block.dials,
            "answers": block.answers,
        }
        for block in found
    ]
