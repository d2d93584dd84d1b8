"""Run the benchmarks, each in a process of its own, append their rows to results.jsonl and redraw the README's table.

A benchmark is a module of this folder with `run(scale: float) -> list[dict]`; scale 1.0 is the size its row is read at.
A row holds `database`, `n`, `rate` and `limit_rate` (both per second; a limit may be None), and `what` where there are
several of one database; the rest is filled in here. A row that holds `figures` alone, by name, has no rate.
A benchmark that works in children of its own puts their `peak_mb` into its rows.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
README = HERE / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"

Row = dict[str, Any]


def names() -> list[str]:
    """The modules here that define `run`, found without importing them."""
    found = []
    for path in sorted(HERE.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            found.append(path.stem)
    return found


def completed(name: str, row: Row, peak_mb: float) -> Row:
    """The row with its name, its ratio (1.0: as fast as the limit) and the peak memory in MB; figures as they are."""
    if "figures" in row:
        return {"bench": name, **row["figures"]}
    rate, limit = row["rate"], row["limit_rate"]
    return {
        "bench": f"{name}, {row['what']}" if "what" in row else name,
        "database": row["database"],
        "n": row["n"],
        "rate": round(rate, 1),
        "limit_rate": limit and round(limit, 1),
        "ratio": limit and round(rate / limit, 3),
        "peak_mb": round(row.get("peak_mb", peak_mb), 1),
    }


def alone(name: str, scale: float) -> None:
    """Run one benchmark in this process and print its rows as the last line."""
    rows = importlib.import_module(f"bench.{name}").run(scale)
    print(json.dumps([completed(name, row, peak_mb()) for row in rows]))


def peak_mb() -> float:
    """The most memory this process ever held, in MB."""
    unit = 1024 if sys.platform == "linux" else 1024 * 1024  # kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measure(name: str, scale: float) -> list[Row]:
    """The rows of one benchmark, run in a fresh process so that the peak memory is its own."""
    command = [sys.executable, "-m", "bench", name, "--scale", str(scale), "--alone"]
    said = subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows: list[Row] = json.loads(said.splitlines()[-1])
    return rows


def table(rows: list[Row]) -> str:
    """The newest row of each benchmark, database and size as Markdown."""
    newest = {(row["bench"], row["database"], row["n"]): row for row in rows if "rate" in row}
    lines = ["| bench | database | n | rate /s | limit /s | ratio | peak MB |", "|---|---|--:|--:|--:|--:|--:|"]
    for _, row in sorted(newest.items()):
        limit, ratio = row["limit_rate"], row["ratio"]
        against = [f"{limit:,.0f}", f"{ratio:.2f}"] if limit else ["", ""]
        speed = [f"{row['n']:,}", f"{row['rate']:,.0f}", *against, f"{row['peak_mb']:,.0f}"]
        cells = [row["bench"], row["database"], *speed]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *figures(rows)]) + "\n"


def figures(rows: list[Row]) -> list[str]:
    """The newest figures of each benchmark that has some, a table each."""
    lines: list[str] = []
    for name, row in sorted({row["bench"]: row for row in rows if "rate" not in row}.items()):
        told = {key: value for key, value in row.items() if key != "bench"}
        lines += ["", f"| {name} | {' | '.join(told)} |", "|---|" + "--:|" * len(told)]
        lines.append(f"| | {' | '.join(f'{value:.4f}' for value in told.values())} |")
    return lines


def redrawn(text: str, rows: list[Row]) -> str:
    """The README's text with the table between its marks made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table(rows)}{END}{after}"


def kept() -> list[Row]:
    """Every row of results.jsonl, oldest first."""
    return [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()] if RESULTS.exists() else []


def main() -> None:
    """Run what the command line names, or everything."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the hot paths against their limit.")
    parser.add_argument("name", nargs="*", help=f"which benchmarks; all when none is named: {', '.join(names())}")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the size; other than 1 is only printed")
    parser.add_argument("--keep", action="store_true", help="keep the rows whatever the scale")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := sorted(set(asked.name) - set(names())):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(names())}")
    if asked.alone:
        alone(asked.name[0], asked.scale)
        return
    for name in asked.name or names():
        print(f"== {name}", flush=True)
        rows = measure(name, asked.scale)
        print(table(rows))
        if asked.scale == 1.0 or asked.keep:
            with RESULTS.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
    README.write_text(redrawn(README.read_text("utf-8"), kept()), "utf-8")


if __name__ == "__main__":
    main()
