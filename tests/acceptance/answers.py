"""What the files say of each touch and address at a moment, in pandas alone: no code and no table of multiwave's."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

RANK = {
    word: rank
    for rank, word in enumerate(
        [
            "accepted",
            "deferred",
            "in_transit",
            "canceled",
            "lapsed",
            "failed",
            "rejected",
            "bounced_soft",
            "no_answer",
            "busy",
            "machine",
            "delivered",
            "bounced_hard",
            "displayed",
            "read",
            "auto_replied",
            "clicked",
            "connected",
            "visited",
            "declined",
            "callback_requested",
            "replied",
            "agreed",
        ]
    )
}
PART = {
    **dict.fromkeys(("accepted", "deferred", "in_transit"), "unconfirmed"),
    **dict.fromkeys(
        ["canceled", "lapsed", "failed", "rejected", "bounced_soft", "bounced_hard", "no_answer", "busy", "machine"],
        "missed",
    ),
    **dict.fromkeys(("delivered", "displayed", "read", "auto_replied"), "received"),
    **dict.fromkeys(["clicked", "connected", "visited", "callback_requested", "replied", "agreed"], "engaged"),
    "declined": "declined",
}
FAILURES = ("lapsed", "failed", "rejected", "bounced_soft", "bounced_hard")
ACTION = {
    "bounced_hard": "drop_address",
    **dict.fromkeys(("failed", "rejected", "bounced_soft"), "next_channel"),
    **dict.fromkeys(("unsubscribed", "complained"), "drop_consent"),
}

SAYS = {
    **dict.fromkeys(("sale", "promise"), "agreed"),
    **dict.fromkeys(["interested", "not_eligible", "already_customer", "language_barrier", "gatekeeper"], "connected"),
    **dict.fromkeys(("deceased", "connected_other", "hung_up"), "connected"),
    **dict.fromkeys(("callback_agreed", "callback_requested_untimed"), "callback_requested"),
    **dict.fromkeys(("not_interested", "dnc_request"), "declined"),
    **dict.fromkeys(("wrong_number", "invalid_number"), "bounced_hard"),
    **dict.fromkeys(("abandoned", "temporary_failure", "dead_air"), "failed"),
    **dict.fromkeys(("machine", "machine_message_left", "fax"), "machine"),
    **dict.fromkeys(("wrong_time", "suppressed_dnc", "suppressed_rule"), "rejected"),
    "no_answer": "no_answer",
    "busy": "busy",
}
RIGHT_PARTY = [
    "promise",
    "interested",
    "callback_agreed",
    "callback_requested_untimed",
    "not_interested",
    "not_eligible",
    "already_customer",
    "language_barrier",
]
STRENGTH = {"dnc_request": 4, "deceased": 3, "sale": 2, **dict.fromkeys(RIGHT_PARTY, 1)}
NEVER_AGAIN = ("dnc_request", "deceased", "suppressed_dnc")
ADDRESS_COLUMNS = {"sms": "mobile", "call_list": "mobile", "email": "email", "web_push": "push"}
CONSENT_COLUMNS = {"sms": "sms_ok", "call_list": "call_ok", "email": "email_ok", "web_push": "push_ok"}


@dataclass(frozen=True, slots=True)
class Answers:
    """The files known at one moment, joined to the outbox and dial-list lines that their tokens come from."""

    people: pd.DataFrame
    events: pd.DataFrame
    calls: pd.DataFrame

    def outcomes(self) -> pd.DataFrame:
        """The highest report of each message: wave, customer, channel, outcome, action."""
        ranked = self.events[self.events.outcome.isin(RANK)].assign(rank=self.events.outcome.map(RANK))
        return ranked.sort_values("rank").groupby(["wave", "customer", "channel"]).last()[["outcome", "action"]]

    def dispositions(self) -> pd.DataFrame:
        """The call that counts for each customer of the call wave: absorbing, then right party, then the latest."""
        telling = self.calls[self.calls.disposition.isin(SAYS)]
        telling = telling.assign(strength=telling.disposition.map(STRENGTH).fillna(0))
        counted = telling.sort_values(["strength", "at", "call_id"]).groupby("customer").last()
        return counted.assign(outcome=counted.disposition.map(SAYS))[["disposition", "outcome"]]

    def places(self, channel: str) -> pd.DataFrame:
        """Each customer's address on a channel: value, whether it is alive, whether consent to it is granted."""
        found = pd.DataFrame(
            {
                "value": self.people[ADDRESS_COLUMNS[channel]],
                "granted": self.people[CONSENT_COLUMNS[channel]].eq("yes"),
            }
        )
        found = found[found.value.ne("")]
        mine = self.events[self.events.channel.eq(channel)]
        numbers = self.calls[self.calls.disposition.isin(["wrong_number", "invalid_number"])].customer
        gone = set(numbers) if channel in ("sms", "call_list") else set()
        gone |= set(self.calls[self.calls.disposition.eq("fax")].customer) if channel == "call_list" else set()
        dead = set(found.value[found.index.isin(mine[mine.action.eq("drop_address")].customer)])
        found["alive"] = ~found.index.isin(gone) & ~found.value.isin(dead)
        no, yes = self._denials(channel), mine[mine.outcome.eq("resubscribed")].groupby("customer")["at"].max()
        by_value = no.assign(value=no.customer.map(found.value)).groupby("value")["at"].max()
        denied = pd.concat([found.value.map(by_value)], axis=1).max(axis=1)
        granted = pd.Series(found.index.map(yes), index=found.index)
        found["granted"] = (found.granted & denied.isna()) | (granted.notna() & ~(denied >= granted))
        return found

    def _denials(self, channel: str) -> pd.DataFrame:
        said = self.events[self.events.channel.eq(channel)]
        said = said[said.action.eq("drop_consent") | said.outcome.isin(["unsubscribed", "complained"])]
        called = self.calls[self.calls.disposition.isin(NEVER_AGAIN)] if channel == "call_list" else self.calls[:0]
        return pd.concat([said[["customer", "at"]], called[["customer", "at"]]])
