"""What each number of a report means: one rule in one sentence, with a version that rises when the rule changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Definition:
    """One number's rule."""

    id: str
    version: int
    sentence: str

    @property
    def name(self) -> str:
        """How other places cite it: `sent v1`."""
        return f"{self.id} v{self.version}"


DEFINITIONS: tuple[Definition, ...] = (
    Definition("targeted", 1, "Members of the campaign that the wave looked at; each has one verdict."),
    Definition(
        "eligible", 1, "Members that every gate let through: verdict go or wave_held_out. The lottery is drawn after."
    ),
    Definition("held_out", 1, "Eligible members that the wave's own lottery left alone: verdict wave_held_out."),
    Definition("treated", 1, "Eligible members that took part: verdict go, whether or not anything reached them."),
    Definition(
        "sent",
        1,
        "Treated members with a touch handed to a provider (in doubt counts as sent), or on a dial list and not given "
        "back uncalled, or proven by a report. Members, not touches.",
    ),
    Definition(
        "delivered",
        1,
        "Sent members with a touch that arrived: outcome delivered, displayed, read, auto_replied or any answer; a "
        "call when it rang (no_answer, busy and machine too). A bounce that came after a delivery undoes it.",
    ),
    Definition(
        "reached",
        1,
        "Delivered members of whom a person answered: clicked, connected, visited, declined, callback_requested, "
        "replied or agreed. Opens do not count: mail programs make them.",
    ),
    Definition("engaged", 1, "Reached members whose highest outcome is not declined: the part `engaged`."),
    Definition(
        "converted",
        1,
        "Treated members with a conversion of the goal that stands, at or after the wave's opening and within the "
        "goal's window, reached or not. Not nested in `engaged`.",
    ),
    Definition(
        "late",
        1,
        "Change in sent, delivered, reached and engaged by reports that came after the wave closed and balanced its "
        "books. Can be negative: a late bounce, a late no. The counts themselves are as closed.",
    ),
    Definition(
        "right_party", 1, "Members of whom the call that counts spoke to the right person; late calls included."
    ),
    Definition(
        "opted_out", 1, "Members with an unsubscribe, a complaint or a never-call-again on this wave; late ones too."
    ),
    Definition("parts", 1, "The one part of each treated member as closed, or as it stood in a wave still open."),
    Definition("sent_rate", 1, "sent / eligible: how much of the list was worked."),
    Definition("delivery_rate", 1, "delivered / sent."),
    Definition("reach_rate", 1, "reached / delivered."),
    Definition("response_rate", 1, "engaged / reached."),
    Definition(
        "conversion_rate",
        1,
        "converted / treated: per assigned member, reached or not. Waves differ in whom "
        "they ask, so this rate never ranks waves.",
    ),
    Definition("right_party_rate", 1, "right_party / sent, late reports included in both; calls only."),
    Definition("opt_out_rate", 1, "opted_out / delivered, late reports included in both."),
    Definition(
        "value",
        1,
        "Sum of the conversions that stand in the window, for each currency by itself; amounts of two currencies are "
        "never added. Conversions without an amount are counted and add nothing.",
    ),
    Definition("refunded", 1, "Conversions in the window reversed by then; they count as converted until that moment."),
    Definition(
        "cost",
        1,
        "Sum over sent touches of the cost recorded when sent, of text messages by their segments; where none is, the "
        "channel's cost in the settings now (calls, touches of lost workers). One of unknown cost makes the sum "
        "incomplete, and no cost per conversion is shown.",
    ),
    Definition(
        "difference",
        1,
        "Converted per treated less converted per held out, everybody assigned counted (intention to treat), with "
        "Newcombe's hybrid score interval, 95 %. Campaign: all members by arm, from the first wave's opening.",
    ),
    Definition("incremental", 1, "difference x treated: conversions that would not have come by themselves."),
    Definition(
        "cost_per_incremental",
        1,
        "cost / incremental, its interval from the ends of the difference; not shown while the lower end is 0 or less. "
        "Campaign: all cost; a stop holdout: cost in its wave and later ones; a skip holdout: in its wave.",
    ),
    Definition(
        "naive_cost", 1, "cost / converted: what it looks like without a holdout. Too low; for comparison only."
    ),
    Definition("power", 1, "Chance to find a true difference of the size seen, shown when the interval holds 0."),
    Definition(
        "sample_ratio",
        1,
        "Chi-square of treated : held out against the planned share; p < .001 says that something broke the lottery, "
        "and the result is withheld.",
    ),
    Definition(
        "window", 1, "The goal's time to convert, from the opening; open while it runs, and its result then too."
    ),
    Definition(
        "as_of",
        1,
        "Taken back: waves and closes by their times, reports and call results by when they were received, sends by "
        "sent_at, dial lists by when they were pulled and came back, sales by their time (those made by a call also by "
        "when its result came), refunds by theirs. Not taken back, for no row says when: a sale that was imported "
        "later than it happened, a verdict of a wave still enrolling, a refusal, an in_doubt that was cleared since.",
    ),
)

BY_ID = {definition.id: definition for definition in DEFINITIONS}

RATES: tuple[tuple[str, str, str], ...] = (
    ("sent_rate", "sent", "eligible"),
    ("delivery_rate", "delivered", "sent"),
    ("reach_rate", "reached", "delivered"),
    ("response_rate", "engaged", "reached"),
    ("conversion_rate", "converted", "treated"),
    ("right_party_rate", "right_party", "sent_by_now"),
    ("opt_out_rate", "opted_out", "delivered_by_now"),
)
"""Each rate: the count above the line, the count below it."""
