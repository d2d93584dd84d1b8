"""`python -m tests.chaos --runs N [--seed S] [--database sqlite|postgresql|both]`: the table of N runs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.databases import Postgres, Sqlite
from tests.chaos.on_prefect import PrefectServer
from tests.chaos.run import Ran, play

EVERY = 4
"""One in so many runs on each database is over Prefect's flows."""
HEAD = f"{'run':>4} {'seed':>6} {'database':<10} {'touches':>8}  {'struck':<68} {'doubt':>6} {'solved':>6} "
HEAD += f"{'twice':>5} {'lost':>5} {'late':>5} {'halt s':>6} {'s':>6}"


def line(number: int, ran: Ran) -> str:
    """A run as one line of the table."""
    found = ran.found
    struck = " ".join(f"{kind} {n}" for kind, n in sorted(ran.struck.items()))
    return (
        f"{number:>4} {ran.seed:>6} {ran.database:<10} {found.touches:>8,}  {struck:<68} {found.in_doubt:>6} "
        f"{found.resolved:>6} {found.duplicates:>5} {found.lost:>5} {found.late:>5} "
        f"{found.halt_s:>6.2f} {ran.seconds:>6.1f}"
    )


def main() -> int:
    """Play the runs; 1 when one of them broke a law."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of the first run; +1 for each")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument(
        "--prefect", choices=["never", "some", "always"], default="some", help="which runs are flow runs"
    )
    parser.add_argument("--people", type=int, default=10_000, help="customers, each with two channels")
    parser.add_argument("--blows", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="keep everything of the runs there")
    args = parser.parse_args()
    names = ["sqlite", "postgresql"] if args.database == "both" else [args.database]
    ran: list[Ran] = []
    over = [
        n // len(names) % EVERY == EVERY - 1 if args.prefect == "some" else args.prefect == "always"
        for n in range(args.runs)
    ]
    with ExitStack() as stack:
        own = tempfile.TemporaryDirectory(prefix="mw-chaos-", ignore_cleanup_errors=True)
        folder = args.folder or Path(stack.enter_context(own))
        server = Postgres(folder) if "postgresql" in names else None
        if server:
            stack.callback(server.close)
        prefect = PrefectServer(folder / "prefect") if any(over) else None
        if prefect:
            stack.callback(prefect.kill)
        print(HEAD, flush=True)
        for number in range(args.runs):
            flows = prefect if over[number] else None
            ran.append(one(folder, server, flows, names[number % len(names)], args.seed + number, args))
            print(line(number + 1, ran[-1]), flush=True)
            for wrong in ran[-1].found.wrong:
                print(f"     WRONG: {wrong}", flush=True)
    struck: Counter[str] = sum((one.struck for one in ran), Counter())
    unsound = [str(one.seed) for one in ran if not one.sound]
    print(f"struck: {' '.join(f'{kind} {n}' for kind, n in sorted(struck.items()))}")
    print(f"in doubt: {sum(one.found.in_doubt for one in ran)}, resolved: {sum(one.found.resolved for one in ran)}")
    if unsound:
        print(f"broken by seeds: {' '.join(unsound)}")
        print("repeat one with --runs 1 --seed SEED --database NAME, and --prefect always if Prefect was struck")
    print(f"duplicates: {sum(one.found.duplicates for one in ran)}")
    print(f"lost: {sum(one.found.lost for one in ran)}")
    return 1 if unsound else 0


def one(
    folder: Path,
    server: Postgres | None,
    prefect: PrefectServer | None,
    name: str,
    seed: int,
    args: argparse.Namespace,
) -> Ran:
    """One seed in a folder and a database of its own; both are kept when it broke a law."""
    own = folder / f"run-{seed}"
    own.mkdir()
    if name == "sqlite" or server is None:
        return play(Sqlite(own), own, seed, args.people, args.blows, prefect)
    database = server.database()
    ran = play(database, own, seed, args.people, args.blows, prefect)
    if ran.sound:
        database.drop()
    return ran


if __name__ == "__main__":
    sys.exit(main())
