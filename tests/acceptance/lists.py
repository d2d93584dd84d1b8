"""Whom a dial list must hold: the best callable ones of the call wave, one a household, from the files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.acceptance.books import Books


@dataclass
class Dialling:
    """The call wave's queue as it empties, list by list."""

    books: Books
    waiting: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Everybody who takes part waits."""
        self.waiting = set(self.books.went("call"))

    def best(self, size: int, stage: int) -> list[str]:
        """The keys of the next list in their order; who may not be called any more is withdrawn."""
        books = self.books
        stopped = books.member_gate("call", stage).ne("") | books.gate("call_list", stage).ne("passes")
        now_stopped = self.waiting & set(stopped.index[stopped])
        self.withdrawn |= now_stopped
        self.waiting -= now_stopped
        value = books.members.value[books.members.index.isin(self.waiting)].sort_values(ascending=False)
        house = books.people.household.reindex(value.index)
        alone = house.mask(house.eq(""), house.index.to_series())
        chosen = list(value.index[~alone.duplicated()][:size])
        self.waiting -= set(chosen)
        return chosen

    def give_back(self, chosen: Sequence[str], called: set[str]) -> None:
        """Who was not called waits again."""
        self.waiting |= set(chosen) - called
