"""`why`: one customer's whole story in a campaign, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.context import HomeOption, JsonOption, open_home
from console.legal import law_of, law_sentences
from console.show import clock, print_json, say
from waves.dispositions import Disposition
from waves.message import CHANNEL_NAMES
from waves.outcomes import VERDICT_MEANINGS, Outcome, Part, Reason, Side, State, word

if TYPE_CHECKING:
    from flows.running import Running
    from ledger.story import Story, TouchStory, WaveStory


def why(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)],
    customer: Annotated[str, typer.Argument(help="The customer's key.", show_default=False)],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell one customer's story: arm, each wave's verdict with the rule and values behind it, touches, conversion."""
    from flows.running import load_running
    from ledger.story import story
    from ledger.suppressions import customer_id

    room = open_home(home)
    running = load_running(room.ledger, campaign)
    with room.ledger.read() as connection:
        number = customer_id(connection, customer)
        found = story(connection, running.id, number, running.types)
        law = law_of(connection, running, found.customer.key, number)
    told = {**tell(running, found), "law": law}
    if as_json:
        print_json({"campaign": campaign, "customer": customer, **told})
        return
    for line in sentences(campaign, customer, told):
        say(line)
    for line in law_sentences(law):
        say(f"\n{line}", style="yellow")


def tell(running: Running, found: Story) -> dict[str, Any]:
    """The story as plain values; the values behind a verdict are those known when its wave opened."""
    waves = []
    for number, wave in enumerate(found.waves):
        rule = running.bundle.enter_rule(wave.row.name)
        waves.append(
            {
                "wave": wave.row.name,
                "state": wave.row.state,
                "opened": wave.row.opened,
                "closed": wave.row.closed,
                "verdict": word(wave.verdict) if wave.verdict else None,
                "meaning": VERDICT_MEANINGS[wave.verdict] if wave.verdict else None,
                "enter": rule.text if rule else None,
                "values": _values(rule, found, found.waves[:number], wave.row.event_mark) if rule else {},
                "part": word(part) if (part := wave.part()) else None,
                "touches": [_touch(touch) for touch in wave.touches],
            }
        )
    return {
        "arm": {None: None, 0: "treated", 1: "held_out"}[found.arm],
        "columns": dict(found.columns),
        "waves": waves,
        "conversions": [
            {
                "goal": c.goal,
                "at": c.at,
                "value": c.value,
                "currency": c.currency,
                "source": c.source,
                "reversed_at": c.reversed_at,
            }
            for c in found.conversions
        ],
        "suppressions": [
            {
                "reason": s.reason,
                "channel": CHANNEL_NAMES.get(s.channel, "all"),
                "since": s.since,
                "until": s.until,
                "case": s.id if s.reason == "open_case" else None,
            }
            for s in found.suppressions
        ],
        "contacts": [
            {
                "campaign": c.campaign,
                "wave": c.wave,
                "channel": CHANNEL_NAMES[c.channel],
                "state": word(State(c.state)),
                "at": c.at,
            }
            for c in found.contacts
        ],
    }


def _values(rule: Any, found: Story, earlier: list[WaveStory] | Any, mark: int | None) -> dict[str, object]:
    values: dict[str, object] = {name: found.columns.get(name) for name in sorted(rule.columns)}
    for wave in earlier:
        if wave.row.name in rule.waves:
            part: Part | None = wave.part(mark)
            values[wave.row.name] = word(part) if part else f"verdict {word(wave.verdict) if wave.verdict else 'none'}"
    return values


def _touch(touch: TouchStory) -> dict[str, Any]:
    row = touch.row
    calls, doubt = {call.event: call for call in touch.calls}, touch.doubt
    told = ("since", "asked_at", "said", "decided", "decided_at", "decided_by", "resends")
    return {
        "channel": CHANNEL_NAMES[row.channel],
        "state": word(State(row.state)),
        "outcome": word(Outcome(row.outcome)) if row.outcome else None,
        "reason": word(Reason(row.reason)) if row.reason else None,
        "said": row.provider_ref if row.state == State.REFUSED and " " in (row.provider_ref or "") else None,
        "variant": row.variant,
        "provider": row.provider,
        "not_before": row.not_before,
        "sent_at": row.sent_at,
        "doubt": {name: getattr(doubt, name) for name in told} if doubt else None,
        "events": [
            {
                "at": event.at,
                "outcome": word(Outcome(event.outcome) if event.outcome <= max(Outcome) else Side(event.outcome)),
                "disposition": word(Disposition(calls[event.id].disposition)) if event.id in calls else None,
                "raw_code": calls[event.id].raw_code if event.id in calls else None,
                "received_at": event.received_at,
                "provider": event.provider,
                "late": event.id in calls and calls[event.id].late,
            }
            for event in touch.events
        ],
        "reversed": [
            {
                "at": call.at,
                "disposition": word(Disposition(call.disposition)),
                "raw_code": call.raw_code,
                "file": call.file,
                "reversed_at": call.reversed_at,
            }
            for call in touch.reversed
        ],
    }


def sentences(campaign: str, customer: str, told: dict[str, Any]) -> Iterator[str]:
    """The story as people read it."""
    from console.doubts import doubt_sentence

    if told["arm"] is None:
        yield f"{customer} is no member of {campaign}: the segment's rule was not true when it started."
        return
    columns = ", ".join(f"{name} {value}" for name, value in told["columns"].items())
    yield f"{customer} in {campaign}: {told['arm'].replace('_', ' ')}" + (f"; frozen: {columns}" if columns else "")
    for wave in told["waves"]:
        if wave["verdict"] is None:
            yield f"\n{wave['wave']}: {'not opened yet' if wave['state'] == 'pending' else 'no verdict'}"
            continue
        yield f"\n{wave['wave']}, opened {clock(wave['opened'])}: {wave['verdict']} ({wave['meaning']})"
        if wave["enter"]:
            values = ", ".join(f"{name} = {value}" for name, value in wave["values"].items())
            yield f"  enter: {' '.join(wave['enter'].split())}" + (f"; with {values}" if values else "")
        for touch in wave["touches"]:
            yield "  " + _touch_sentence(touch)
            if touch["doubt"]:
                yield "    " + doubt_sentence(touch["doubt"])
            for event in touch["events"]:
                said = _as_told(event) if event["disposition"] else event["outcome"]
                late = ", made after its list was over, returned or recalled" if event["late"] else ""
                yield f"    {clock(event['at'])} {said} (from {event['provider']}{late})"
            for call in touch["reversed"]:
                undone = f"does not count: file {call['file']} was undone {clock(call['reversed_at'])}"
                yield f"    {clock(call['at'])} {_as_told(call)} ({undone})"
        if wave["part"]:
            yield f"  part: {wave['part']}"
    if _limited(told):
        yield "\ncontacts over all campaigns, which the limits count:"
        for one in told["contacts"]:
            when = clock(one["at"]) or "not yet"
            yield f"  {when} {one['channel']}: {one['state']} ({one['campaign']}, {one['wave']})"
    for conversion in told["conversions"]:
        worth = f", {conversion['value']} {conversion['currency']}" if conversion["value"] is not None else ""
        undone = f", reversed {clock(conversion['reversed_at'])}" if conversion["reversed_at"] else ""
        when = f"{conversion['goal']} at {clock(conversion['at'])}{worth}"
        yield f"\nconverted: {when} (from {conversion['source']}){undone}"
    for suppression in told["suppressions"]:
        end = f" until {clock(suppression['until'])}" if suppression["until"] else ""
        when = f"since {clock(suppression['since'])}{end}"
        case = f" (multiwave case show {suppression['case']})" if suppression["case"] else ""
        yield f"\nsuppressed on {suppression['channel']} {when}: {suppression['reason']}{case}"


def _as_told(call: dict[str, Any]) -> str:
    """How a call ended, with the dialler's own code where that says more."""
    said, code = call["disposition"], call["raw_code"]
    return said if code in (None, said) else f"{said} [{code}]"


def _limited(told: dict[str, Any]) -> bool:
    """Whether a contact limit stopped anything in this story."""
    said = [wave["verdict"] for wave in told["waves"]]
    return "over_limit" in said + [touch["reason"] for wave in told["waves"] for touch in wave["touches"]]


def _touch_sentence(touch: dict[str, Any]) -> str:
    when = f" {clock(touch['sent_at'])}" if touch["sent_at"] else ""
    if touch["state"] == "queued":
        when = f", not before {clock(touch['not_before'])}"
    said = f": {touch['said']}" if touch["said"] else ""
    why_so = f" ({touch['reason']}{said})" if touch["reason"] else ""
    return f"{touch['channel']}: {touch['state']}{when}{why_so}" + (
        f", outcome {touch['outcome']}" if touch["outcome"] else ""
    )


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command()(why)
