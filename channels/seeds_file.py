"""A file of seeds for a test: CSV of name, channel, address, language (and owner)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from channels.cells import PHONE, unguard
from channels.findings import Findings, read_twice
from channels.table_file import read_table
from waves.message import Capabilities
from waves.seeds import Seed, misfit


def read_seeds(path: Path, capabilities: Mapping[str, Capabilities]) -> list[Seed]:
    """The seeds in file order; InputError lists every problem, and shows no address."""
    return list(read_twice(path, lambda found: _rows(found, capabilities)))


def _rows(found: Findings, capabilities: Mapping[str, Capabilities]) -> Iterator[Seed]:
    known = [name for name, one in capabilities.items() if one.kind == "message"]
    seen = set[tuple[str, str]]()
    for line, cells in read_table(found, ("name", "channel", "address", "language"), ("owner",)):
        said = {
            name: value.strip() if PHONE.fullmatch(value) else unguard(value).strip() for name, value in cells.items()
        }
        before = found.count
        name = found.filled(line, "name", said["name"])
        channel = found.word(line, "channel", said["channel"], known)
        found.filled(line, "address", said["address"])
        if found.count > before or channel is None:
            continue
        try:
            seed = Seed(
                seed=name,
                channel=channel,
                address=said["address"],
                language=said["language"].lower() or None,
                owner=said.get("owner") or None,
            )
        except ValidationError as error:
            keys = {str(one["loc"][0]) for one in error.errors()}
            if "seed" in keys:
                found.add(line, "name is lower-case letters, digits and _, a letter first, such as anna")
            if "language" in keys:
                found.add(line, "language is a code such as en or pt-br, or empty")
            continue
        wrong = misfit(seed, capabilities[channel].address_kind)
        if wrong is not None:
            found.add(line, wrong)
        elif (seed.channel, seed.address) in seen or (seed.channel, seed.seed) in seen:
            found.add(line, f"this name or this address is there twice for {seed.channel}; keep one")
        else:
            seen |= {(seed.channel, seed.address), (seed.channel, seed.seed)}
            yield seed
