"""Launch a wave as flow runs of the `run-wave` deployment, side by side on whatever workers there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.runtime import deployment

from flows.halting import scopes_of
from flows.room import Room
from flows.running import load_running
from ledger.progress import batches_due
from ledger.workers import working_on

RUN_WAVE = "run-wave"
DEPLOYED_AS = "multiwave"
"""What the deployments are called, unless `deploy --pool` gave them the name of another pool."""
BEGINS_WITHIN = timedelta(minutes=5)
"""A worker that took a run and has not begun it by then is gone."""


def tags_of(campaign: str, wave: str) -> list[str]:
    """The tags of a wave's flow runs."""
    return ["multiwave", f"campaign:{campaign}", f"wave:{wave}"]


def launch_runs(room: Room, campaign: str, wave: str, now: datetime) -> int:
    """Have as many flow runs of a wave as there is work for, up to the setting; how many were launched.

    Those at work are counted in the ledger: what Prefect holds to be running may have died. The same wave, tick and
    place give the same flow run, so that a call that was cut off may be repeated.
    """
    name = deployment.name or DEPLOYED_AS
    missing = wanted(room, campaign, wave, now) - len(waiting_runs(name, campaign, wave))
    tick = int(now.timestamp() / room.settings.tick.total_seconds())
    for place in range(missing):
        run_deployment(
            f"{RUN_WAVE}/{name}",
            parameters={"campaign": campaign, "wave": wave},
            tags=tags_of(campaign, wave),
            idempotency_key=f"{campaign}/{wave}/{tick}/{place}",
            timeout=0,
            as_subflow=False,
        )
    return max(missing, 0)


def wanted(room: Room, campaign: str, wave: str, now: datetime) -> int:
    """How many more could work on a wave: all while it is opened and enrolled, then one for each batch that is due."""
    running = load_running(room.ledger, campaign)
    row = running.row(wave)
    with room.ledger.read() as connection:
        scopes = scopes_of(room, running, running.plan.wave(wave), connection, now)
        most = room.settings.wave_workers
        if row.state in ("open", "closing"):  # one at least, to close it
            most = min(max(batches_due(connection, row.id, now, scopes), 1), most)
        return most - working_on(connection, row.id)


def waiting_runs(name: str, campaign: str, wave: str) -> list[FlowRun]:
    """The flow runs of a wave that some worker will yet begin."""
    either = FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING])
    wanted = FlowRunFilter(state=FlowRunFilterState(type=either), tags=FlowRunFilterTags(all_=tags_of(campaign, wave)))
    of = DeploymentFilter(name=DeploymentFilterName(any_=[name]))
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=wanted, deployment_filter=of)
    oldest = datetime.now(UTC) - BEGINS_WITHIN
    return [run for run in found if run.state_type == StateType.SCHEDULED or _since(run) > oldest]


def _since(run: FlowRun) -> datetime:
    return run.state.timestamp if run.state else datetime.now(UTC)
