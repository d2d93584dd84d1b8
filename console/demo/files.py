"""The demo's mail room: what the simulated world reports comes in files, through the imports a person would use."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from channels.call_list.generic_csv import read_dispositions
from channels.call_list.rows import DispositionRow
from channels.conversions_file import ConversionRow, read_conversions
from channels.events_file import read_events
from channels.outbox import read_outbox
from flows.play import Play, SentMessage
from flows.reports import record_dispositions, record_reports, record_sales
from flows.room import Room
from waves.message import Event
from waves.outcomes import Outcome, Side, word

CHANNELS = ("web_push", "sms", "email")


class FileDesk:
    """Writes reports into numbered files in `folder` and imports them from there."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.room = room
        self.folder = folder
        self.files = 0
        folder.mkdir(exist_ok=True)

    def hand_in(
        self, events: list[Event], calls: list[DispositionRow], sales: list[ConversionRow], now: datetime
    ) -> None:
        """Record these reports."""
        if events:
            path = self._next("events", "jsonl")
            path.write_text("".join(json.dumps(_event(event)) + "\n" for event in events), encoding="utf-8")
            record_reports(self.room, [event for _, event in read_events(path)], now)
        if calls:
            path = self._table("dispositions", [_call(call) for call in calls])
            record_dispositions(self.room, list(read_dispositions(path)), now)
        if sales:
            record_sales(self.room, list(read_conversions(self._table("conversions", [_sale(sale) for sale in sales]))))

    def _next(self, what: str, suffix: str) -> Path:
        self.files += 1
        return self.folder / f"{self.files:03}-{what}.{suffix}"

    def _table(self, what: str, rows: Sequence[Mapping[str, object]]) -> Path:
        path = self._next(what, "csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
        return path


class OutboxReader:
    """Lets the world answer every message that was written to the outbox since the last time."""

    def __init__(self, play: Play, outbox: Path) -> None:
        self.play = play
        self.outbox = outbox
        self.offsets: dict[str, int] = {}

    def __call__(self, now: datetime) -> None:
        for channel in CHANNELS:
            lines, self.offsets[channel] = read_outbox(self.outbox / f"{channel}.jsonl", self.offsets.get(channel, 0))
            sent = [SentMessage(str(line["token"]), channel, str(line["wave"])) for line in lines]
            for person, message in self.play.addressees(sent):
                self.play.answer(person, message, now)


def _event(event: Event) -> dict[str, object]:
    said = Outcome(event.outcome) if event.outcome <= max(Outcome) else Side(event.outcome)
    line = {
        "token": event.token,
        "outcome": word(said),
        "at": event.at.isoformat(),
        "provider": event.provider,
        "provider_event_id": event.provider_event_id,
        "reason": word(event.reason) if event.reason else None,
        "scope": event.raw.get("scope"),
    }
    return {key: value for key, value in line.items() if value is not None}


def _call(call: DispositionRow) -> dict[str, object]:
    return {
        "token": call.token,
        "disposition": word(call.disposition),
        "at": call.at.isoformat(),
        "call_id": call.call_id,
        "number": call.number,
        "agent": call.agent,
        "ring_s": call.ring_s,
        "talk_s": call.talk_s,
        "wrap_s": call.wrap_s,
    }


def _sale(sale: ConversionRow) -> dict[str, object]:
    return {
        "customer": sale.customer,
        "goal": sale.goal,
        "at": sale.at.isoformat(),
        "value": sale.value,
        "currency": sale.currency,
        "source": sale.source,
        "source_id": sale.source_id,
    }
