"""The peer `celery`: a task for each contact through a broker of files, done by one worker with threads, 16 at once.

python -m bench.peer_celery PORT CONTACTS prints the seconds it took to hand all in and, from the first one begun, to do
them all. One after the other, for a worker on this broker dies of a file that is half written. No results are kept.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from celery import Celery
from celery.contrib.testing.worker import start_worker

from bench.peer_post import post


def main(port: int, contacts: int) -> float:
    with tempfile.TemporaryDirectory(prefix="multiwave-bench-") as name:
        folder = Path(name)
        for one in ("queue", "control"):
            (folder / one).mkdir()
        own = {"data_folder_in": str(folder / "queue"), "data_folder_out": str(folder / "queue")}
        app = Celery("peer", broker="filesystem://")
        app.conf.update(
            broker_transport_options={**own, "control_folder": str(folder / "control"), "polling_interval": 0.01},
            task_ignore_result=True,
            worker_prefetch_multiplier=16,
        )
        begun, done, ended = list[float](), set[int](), threading.Event()

        @app.task(name="send")
        def send(number: int) -> None:
            begun.append(time.perf_counter())
            post(port, number)
            done.add(number)
            if len(done) == contacts:
                ended.set()

        began = time.perf_counter()
        for number in range(contacts):
            send.delay(number)
        handed_in = time.perf_counter() - began
        with start_worker(app, pool="threads", concurrency=16, perform_ping_check=False, shutdown_timeout=30):
            if not ended.wait(600):
                raise RuntimeError(f"{len(done)} of {contacts} tasks were done in ten minutes")
            return handed_in + time.perf_counter() - begun[0]


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2])))
