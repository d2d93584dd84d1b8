"""Seeds: addresses of our own that get every wave's message, to tell whether and when it arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field

from waves.plan import NAME, Record

FITS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "phone": (re.compile(r"\+[0-9]{6,15}"), "a phone number in full, such as +15125550100"),
    "email": (re.compile(r"[^@\s]{1,64}@[A-Za-z0-9.-]{1,253}"), "an e-mail address, such as seed@example.com"),
    "push": (re.compile(r"[^\x00-\x1f\x7f]{1,4096}"), "a push subscription"),
    "text": (re.compile(r"[^\x00-\x1f\x7f]{1,4096}"), "an address of one line"),
}
"""Kind of address -> what fits it, and how to say so."""


class Seed(Record):
    """One address of our own on one channel."""

    seed: str = Field(pattern=NAME)
    channel: str
    address: str = Field(min_length=1)
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[a-z0-9]+)*$")
    owner: str | None = Field(default=None, min_length=1)
    """Who gets the task of a channel that gives people tasks; else the seed itself."""
    campaigns: tuple[str, ...] = ()
    """The campaigns it is hidden in; none: all."""

    def is_in(self, campaign: str) -> bool:
        """Whether it is hidden in this campaign's waves."""
        return not self.campaigns or campaign in self.campaigns


def misfit(seed: Seed, kind: str) -> str | None:
    """What is wrong with the address for a channel of this kind of addresses; None: nothing."""
    pattern, wanted = FITS[kind]
    return None if pattern.fullmatch(seed.address) else f"the address is not {wanted}"
