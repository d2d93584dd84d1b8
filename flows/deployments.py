"""`multiwave deploy`: the pool and the two deployments by which a Prefect server runs the campaigns."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectException
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.workers.utilities import (
    get_available_work_pool_types,
    get_default_base_job_template_for_infrastructure_type,
)

from flows.deploy import run_advance, run_wave
from flows.embedded import QUIET
from waves.errors import EngineError, InputError

GRACE_S = 60
"""A worker that took `advance` and died before it began keeps the next one out for so long: Prefect's least."""
WHAT_TO_SET = (
    "PREFECT_API_URL names no server; start one with `prefect server start` and set it, "
    "for example PREFECT_API_URL=http://127.0.0.1:4200/api"
)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a Prefect server knows from now on."""

    server: str
    pool: str
    type: str
    made: bool
    """Whether the pool is new."""
    deployments: tuple[str, str]


def deploy(pool: str, kind: str | None, tick: timedelta) -> Deployed:
    """Register `advance`, every `tick`, and `run-wave`, both called after the pool; again is harmless.

    InputError when no server is named, when the pool is of another type than asked for, or for a type that nobody
    knows; EngineError when the server does not answer.
    """
    server = os.environ.get("PREFECT_API_URL")
    if not server:
        raise InputError(WHAT_TO_SET)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        made, found = ensure_pool(pool, kind)
        alone = ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW, grace_period_seconds=GRACE_S
        )
        where = {"name": pool, "work_pool_name": pool, "tags": ["multiwave"]}
        module = {"entrypoint_type": EntrypointType.MODULE_PATH}
        clock = run_advance.to_deployment(
            interval=tick, concurrency_limit=alone, description="Everything that is due", **where, **module
        )
        wave = run_wave.to_deployment(description="One wave, as far as it gets", **where, **module)
        for one in (clock, wave):
            one.apply()
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        raise EngineError(
            f"Prefect's server at {server} did not take the deployments: {type(error).__name__}: {error}"
        ) from error
    return Deployed(server, pool, found, made, (clock.full_name, wave.full_name))


def ensure_pool(name: str, kind: str | None) -> tuple[bool, str]:
    """Whether the pool had to be made, and its type."""
    with get_client(sync_client=True) as client:
        try:
            there = client.read_work_pool(name)
        except ObjectNotFound:
            template = run_coro_as_sync(get_default_base_job_template_for_infrastructure_type(kind or "process"))
            if template is None:
                known = ", ".join(run_coro_as_sync(get_available_work_pool_types()) or ())
                raise InputError(f"Prefect knows no work pool of type {kind!r}; it knows: {known}") from None
            try:
                client.create_work_pool(WorkPoolCreate(name=name, type=kind or "process", base_job_template=template))
                return True, kind or "process"
            except ObjectAlreadyExists:  # another machine deploys at this moment
                there = client.read_work_pool(name)
    if kind is not None and there.type != kind:
        raise InputError(f"the pool {name} is there and is of type {there.type}, not {kind}; name another with --pool")
    return False, there.type
