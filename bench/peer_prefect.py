"""The peer `prefect`: a flow with a task for each contact, on a server and a home of its own, 16 tasks at once.

python -m bench.peer_prefect PORT CONTACTS prints the seconds from the first task until the server has every one as
completed, as every touch of ours is settled at the end; the server is up before.
"""

from __future__ import annotations

import sys
import time

from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.task_runners import ThreadPoolTaskRunner

from bench.peer_post import post

PATIENCE_S = 300
COMPLETED = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}


@task
def send(port: int, number: int) -> None:
    post(port, number)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=16))  # type: ignore[arg-type]
def campaign(port: int, contacts: int) -> float:
    began = time.perf_counter()
    for future in [send.submit(port, number) for number in range(contacts)]:
        future.result()
    return began


def main(port: int, contacts: int) -> float:
    with get_client(sync_client=True) as client:
        campaign(port, 0)  # whatever is started by a first flow
        began = campaign(port, contacts)
        while (known := client.request("POST", "/task_runs/count", json=COMPLETED).json()) < contacts:
            if time.perf_counter() - began > PATIENCE_S:
                raise RuntimeError(f"the server knows {known} of {contacts} tasks as completed")
            time.sleep(0.05)
        return time.perf_counter() - began


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2])))
