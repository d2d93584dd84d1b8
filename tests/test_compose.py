"""What people deploy with: compose.yaml, Dockerfile and prefect.yaml name what exists, and keep no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.flows import Flow, load_flow_from_entrypoint

from config.settings import Settings
from flows.deployments import GRACE_S
from flows.launching import DEPLOYED_AS, RUN_WAVE

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
PREFECT: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_it_starts_a_database_a_prefect_server_the_web_and_two_workers() -> None:
    assert {"postgres", "prefect", "web", "worker"} <= set(SERVICES)
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    for name in ("init", "deploy", "web", "worker"):
        names = [key for key in SERVICES[name]["environment"] if key.startswith("MULTIWAVE_")]
        assert {"MULTIWAVE_DATABASE_URL", "MULTIWAVE_TOKEN_KEY"} <= set(names)
        assert {key.removeprefix("MULTIWAVE_").lower() for key in names} <= set(Settings.model_fields)


def test_each_waits_for_what_is_there_and_keeps_what_it_needs() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed]
            else:
                assert SERVICES[needed]["restart"] == "on-failure"  # it ends by itself
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_no_secret_is_written_down_and_no_port_is_open_to_others() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == {"POSTGRES_PASSWORD", "MULTIWAVE_TOKEN_KEY"}
    assert all(said.startswith("${") for said in re.findall(r"(?:PASSWORD|TOKEN_KEY): (\S+)", text))
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_runs_as_nobody_in_particular_from_the_lock() -> None:
    lines = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock" in lines
    assert re.search(r"^USER (?!root)", lines, re.M)
    assert {".git", ".venv"} <= set((ROOT / ".dockerignore").read_text().split())


def test_prefect_yaml_says_what_multiwave_deploy_does() -> None:
    assert PREFECT["pull"] == []  # or Prefect would write this machine's folder into the deployment
    flows: dict[str, Flow[Any, Any]] = {}
    for deployment in PREFECT["deployments"]:
        flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
        assert (deployment["name"], deployment["work_pool"]["name"]) == (DEPLOYED_AS, DEPLOYED_AS)
        flows[flow.name] = flow
    assert set(flows) == {"advance", RUN_WAVE}
    clock = PREFECT["deployments"][0]
    assert clock["schedules"] == [{"interval": Settings().tick.total_seconds()}]
    limit = ConcurrencyLimitConfig.model_validate(clock["concurrency_limit"])
    assert (limit.limit, limit.collision_strategy.value, limit.grace_period_seconds) == (1, "CANCEL_NEW", GRACE_S)
