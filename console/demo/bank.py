"""The demo's bank: the public data set whose rows are the customers, and the one answer in it that is real."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

from config import PACKAGED
from config.world_file import WorldFile, load_world
from flows.crowd import Crowd

DEMO = PACKAGED / "demo"
ANSWERS = "bank-additional-full.csv.gz"
FIRST, LAST = 20_001, 41_188
"""The rows of the data that are the demo's customers."""
WORLD, WOULD = "world.yaml", "would.txt"
ZONE = "America/New_York"


def customer_key(number: int) -> str:
    """The key of the customer made from row `number` of the data."""
    return f"bank-{number}"


def bank_rows(folder: Path = DEMO) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the data by number, from 1, in the order of the file."""
    with gzip.open(folder / ANSWERS, "rt", encoding="utf-8", newline="") as file:
        yield from enumerate(csv.DictReader(file, delimiter=";"), 1)


def write_world(target: Path, folder: Path = DEMO) -> WorldFile:
    """Copy the demo's world into a folder, and beside it the keys of those who said yes in the data: its `y`."""
    (target / WORLD).write_text((folder / WORLD).read_text("utf-8"), "utf-8")
    would = (customer_key(number) for number, row in bank_rows(folder) if row["y"] == "yes")
    (target / WOULD).write_text("\n".join(would) + "\n", "utf-8")
    return load_world(target / WORLD, {})


def crowd_of(world: WorldFile) -> Crowd:
    """The bank's customers as they answer in the demo."""
    return Crowd(world, ZONE)
