"""Who takes part in each wave and why, worked out from the files alone: the words of DESIGN sections 1, 4 and 5 again.

Nothing here asks multiwave or its ledger. The enter rules are written out by hand in pandas' three-valued logic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from tests.acceptance.answers import ACTION, FAILURES, PART, Answers
from tests.acceptance.town import CAMPAIGN, T0

BUCKETS = 2_147_483_647
CHANNELS = {
    "push": [["web_push"]],
    "notice": [["sms", "email"]],
    "call": [["call_list"]],
    "last_word": [["email"], ["web_push"]],
}
HOLDOUT = {"notice": 0.15, "call": 0.10}
STOPPING = ("call",)
GATES = ("no_address", "no_consent", "shared_address", "hours_unknown", "passes")


def ticket(key: str, *names: str) -> int:
    """A customer's number in a lottery: fixed for ever, or a running campaign would change its arms."""
    bucket = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % BUCKETS
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    a = int.from_bytes(digest[:8], "big") % (BUCKETS - 1) + 1
    b = int.from_bytes(digest[8:16], "big") % BUCKETS
    return (bucket * a + b) % BUCKETS


def drawn(keys: pd.Index[Any], share: float, *names: str) -> pd.Series[bool]:
    """Who is among the first `share` of a lottery."""
    return pd.Series([ticket(key, *names) < round(share * BUCKETS) for key in keys], index=keys, dtype=bool)


def seconds(times: pd.Series[str]) -> pd.Series[float]:
    """Times as seconds, so that a missing one compares as such."""
    return times.map(lambda text: datetime.fromisoformat(text).timestamp()).astype(float)


def _known(answer: pd.Series[Any], column: pd.Series[Any]) -> pd.Series[Any]:
    return answer.astype("boolean").mask(column.isna())


@dataclass
class Books:
    """The files in the order of their import; `stage` counts the imports, so that a moment is a number."""

    people: pd.DataFrame
    opened: dict[str, int] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    sales: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[dict[str, Any]] = field(default_factory=list)
    _verdicts: dict[str, pd.Series[str]] = field(default_factory=dict)

    def take(self, book: str, stage: int, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows that became known at a stage."""
        getattr(self, book).extend({**row, "stage": stage} for row in rows)

    @cached_property
    def members(self) -> pd.DataFrame:
        """Whom the segment's rule named when the campaign started, with typed columns and arm."""
        p = self.people
        made = pd.DataFrame(
            {
                "age": pd.to_numeric(p.age).astype("Int64"),
                "value": pd.to_numeric(p.value).astype("Float64"),
                "tier": p.tier.astype("string").replace("", pd.NA),
                "days": (pd.to_datetime(p.contract_end) - pd.Timestamp(T0.date())).dt.days.astype("Int64"),
                "vip": p.vip.map({"true": True, "false": False}).astype("boolean"),
            }
        )
        rule = (
            made.days.between(0, 60)
            & (_known(made.tier.isin(["gold", "silver"]), made.tier) | (made.value >= 50))
            & ~(made.vip & (made.age > 80))
        )
        made = made[rule.fillna(False).astype(bool)]
        return made.assign(held_out=drawn(made.index, 0.10, "campaign", CAMPAIGN, "holdout"))

    def answers(self, stage: int) -> Answers:
        """What is known at a stage, each report once, with the customer behind each token."""
        sent = pd.DataFrame(self.sent).set_index("token")[["wave", "customer", "channel"]]
        events = pd.DataFrame(self.events, columns=["stage", "token", "outcome", "action", "at", "provider_event_id"])
        events = events[events.stage.le(stage)].drop_duplicates("provider_event_id").join(sent, on="token", how="inner")
        action = events.action.fillna(events.outcome.map(ACTION)).fillna("ok")
        listed = pd.DataFrame(self.listed, columns=["token", "customer"]).set_index("token")
        calls = pd.DataFrame(self.calls, columns=["stage", "token", "disposition", "at", "call_id"])
        calls = calls[calls.stage.le(stage)].drop_duplicates("call_id").join(listed, on="token", how="inner")
        return Answers(
            self.people,
            events.assign(action=action, at=seconds(events["at"])),
            calls.assign(at=seconds(calls["at"])),
        )

    def stops(self, stage: int, kind: str) -> set[str]:
        """Whom an instruction of a kind names: all, open_case, a channel, or an address."""
        return {row["who"] for row in self.stopped if row["stage"] <= stage and row["kind"] == kind}

    def converted(self, stage: int) -> pd.Series[bool]:
        """Who met the goal since the campaign started, in the shop or on the telephone."""
        sales = pd.DataFrame(self.sales, columns=["stage", "customer", "goal", "at"])
        good = sales.stage.le(stage) & sales.goal.eq("signed") & seconds(sales["at"]).ge(T0.timestamp())
        calls = self.answers(stage).calls
        by = set(sales[good].customer) | set(calls[calls.disposition.eq("sale")].customer)
        return pd.Series(self.members.index.isin(by), index=self.members.index)

    def gate(self, channel: str, stage: int) -> pd.Series[str]:
        """How far each member gets on a channel."""
        places = self.answers(stage).places(channel)
        stopped = places.value.isin(self.stops(stage, f"address {channel}") | self.stops(stage, "address all"))
        first = places[places.alive & places.granted]
        first = first[first.index.isin(self.members.index[~self.members.held_out])]
        owner = first.groupby("value").apply(lambda rows: rows.index[0])
        order = pd.Series(range(len(self.people)), index=self.people.index)
        rival = places.value.map(owner)
        shared = rival.notna() & (rival.map(order).to_numpy() < order.reindex(places.index).to_numpy())
        nowhere = self.people.mobile.eq("") & self.people.zone.eq("")  # neither a number nor a word says where they are
        found = nowhere.map({True: "hours_unknown", False: "passes"}).reindex(places.index)
        found[shared] = "shared_address"
        no_more = places.index.isin(self.stops(stage, f"channel {channel}"))
        found[~places.granted | stopped | no_more] = "no_consent"
        found[~places.alive] = "no_address"
        return found.reindex(self.members.index).fillna("no_address")

    def member_gate(self, wave: str, stage: int) -> pd.Series[str]:
        """The first gate that stops each member, empty when none does."""
        m = self.members
        stopped = m.held_out.copy()
        for earlier in STOPPING:
            if earlier in self.opened and self.opened[earlier] < self.opened[wave]:
                stopped |= self.verdicts(earlier).eq("wave_held_out")
        calls = self.answers(stage).calls
        ended = calls[calls.disposition.isin(["dnc_request", "deceased", "suppressed_dnc"])].customer
        gates = {
            "not_entered": ~ENTER[wave](self, stage).fillna(False).astype(bool),
            "open_case": m.index.isin(self.stops(stage, "open_case")),
            "suppressed": m.index.isin(self.stops(stage, "all") | set(ended)),
            "held_out": stopped,
            "converted": self.converted(stage),
        }
        found = pd.Series("", index=m.index)
        for word, stops in gates.items():
            found[stops] = word
        return found

    def verdicts(self, wave: str) -> pd.Series[str]:
        """Every member's verdict in a wave, at the stage at which it opened."""
        if wave not in self._verdicts:
            self._verdicts[wave] = self._judge(wave, self.opened[wave])
        return self._verdicts[wave]

    def _judge(self, wave: str, stage: int) -> pd.Series[str]:
        gates = pd.DataFrame({name: self.gate(name, stage) for group in CHANNELS[wave] for name in group})
        furthest = gates.map(GATES.index).max(axis=1).map(dict(enumerate(GATES)))
        eligible = furthest.mask(furthest.eq("passes"), "go")
        held = drawn(self.members.index, HOLDOUT.get(wave, 0.0), "wave", CAMPAIGN, wave, "holdout")
        eligible[eligible.eq("go") & held] = "wave_held_out"
        first = self.member_gate(wave, stage)
        return first.mask(first.eq(""), eligible)

    def went(self, wave: str) -> pd.Index[Any]:
        """Who takes part."""
        verdicts = self.verdicts(wave)
        return verdicts.index[verdicts.eq("go")]

    def highest(self, wave: str, stage: int) -> pd.Series[str]:
        """The highest outcome over the touches of each member that takes part; nothing where nothing came back."""
        answers = self.answers(stage)
        if wave == "call":
            return answers.dispositions().outcome.reindex(self.went(wave))
        of_wave = answers.events[answers.events.wave.eq(wave)]
        outcomes = Answers(self.people, of_wave.assign(channel=""), answers.calls).outcomes().outcome
        return outcomes.droplevel(["wave", "channel"]).reindex(self.went(wave))

    def parts(self, wave: str, stage: int) -> pd.Series[str]:
        """The one part of each member that takes part."""
        by_outcome = self.highest(wave, stage).map(PART)
        calls = {row["customer"] for row in self.listed if row["kept"]}
        tried = calls if wave == "call" else {row["customer"] for row in self.sent if row["wave"] == wave}
        by_state = pd.Series("untried", index=by_outcome.index)
        if wave == "notice":
            by_state[by_state.index.isin(self.refused())] = "missed"
        by_state[by_state.index.isin(tried)] = "unconfirmed"
        return by_outcome.fillna(by_state)

    def refused(self) -> set[str]:
        """Whose sms has no text, because nobody knows their tariff: it is refused, and that is no failed delivery."""
        passes = self.gate("sms", self.opened["notice"]).eq("passes")
        return set(passes.index[passes]) & set(self.people.index[self.people.tariff.eq("")])

    def part(self, wave: str, stage: int, *words: str) -> pd.Series[bool]:
        """Whether a member took part in a wave and fell into one of these parts."""
        return self.parts(wave, stage).isin(words).reindex(self.members.index, fill_value=False)

    def fell_through(self, stage: int) -> set[str]:
        """Whose sms failed in a way that the e-mail can mend, asked at a stage."""
        outcomes = self.answers(stage).outcomes()
        failed = outcomes.query("wave == 'notice' and channel == 'sms'").droplevel(["wave", "channel"])
        mends = failed.outcome.isin(FAILURES) & failed.action.isin(["next_channel", "drop_address"])
        could = self.gate("email", self.opened["notice"]).eq("passes") & self.gate("email", stage).eq("passes")
        goes = could & self.member_gate("notice", stage).eq("")
        return set(failed.index[mends]) & set(goes.index[goes])


def _notice(books: Books, stage: int) -> pd.Series[Any]:
    gold = books.members.tier.eq("gold")
    return ~books.part("push", stage, "engaged") & (books.verdicts("push").ne("no_consent") | gold)


def _call(books: Books, stage: int) -> pd.Series[Any]:
    read = books.highest("notice", stage).eq("read").reindex(books.members.index, fill_value=False)
    stirred = books.part("notice", stage, "engaged", "missed") | read | books.verdicts("notice").eq("no_address")
    return stirred & (books.members.value / 2 >= 10)


def _last_word(books: Books, stage: int) -> pd.Series[Any]:
    said = books.answers(stage).dispositions().disposition.reindex(books.members.index)
    again = books.part("call", stage, "missed", "untried") | said.eq("callback_agreed")
    return again | books.verdicts("notice").eq("wave_held_out")


ENTER: dict[str, Callable[[Books, int], pd.Series[Any]]] = {
    "push": lambda books, stage: pd.Series(True, index=books.members.index),
    "notice": _notice,
    "call": _call,
    "last_word": _last_word,
}
"""The enter rules; `not converted` is the first gate already."""
