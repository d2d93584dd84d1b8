"""The peer `procrastinate`: a job for each contact, deferred in one batch, done by one worker 16 at once.

python -m bench.peer_procrastinate PORT CONTACTS DATABASE prints the seconds of both together.
"""

from __future__ import annotations

import asyncio
import sys
import time

import procrastinate

from bench.peer_post import post

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=sys.argv[3]))


@app.task
def send(port: int, number: int) -> None:
    post(port, number)


async def main(port: int, contacts: int) -> float:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        began = time.perf_counter()
        await send.batch_defer_async(*({"port": port, "number": number} for number in range(contacts)))
        await app.run_worker_async(concurrency=16, wait=False, install_signal_handlers=False, listen_notify=False)
        return time.perf_counter() - began


if __name__ == "__main__":
    print(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]))))
