"""Provider `visit_tasks`: a visit is a task on the worklist of the customer's account manager, and in a calendar."""

from __future__ import annotations

from collections.abc import Mapping

from channels.opening import Opening
from channels.task_record import TaskRecord
from waves.message import Channel, Message, Receipt
from waves.outcomes import Action, Reason

FOLDER = "visits"
NOBODY = "the customer has no account manager (column `owner` of config/customers.yaml)"


def open_visits(opening: Opening) -> Channel:
    """The visits of a home, their lists in its folder `visits`."""
    lists = opening.folder.parent / FOLDER
    return TaskRecord("visit_tasks", opening.capabilities, opening.folder, lists, unowned, visit_ics)


def unowned(message: Message) -> Receipt | None:
    """Refused, as `not_capable`, where nobody is there to go."""
    if (message.owner or "").strip():
        return None
    return Receipt(message.token, "refused", NOBODY, Reason.NOT_CAPABLE, Action.NEXT_CHANNEL)


def visit_ics(line: Mapping[str, object]) -> bytes:
    """A visit's calendar file."""
    from channels.task_ics import task_ics  # 0.1 s to import, for a channel that few plans have

    return task_ics(line)
