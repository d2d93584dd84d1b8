"""The folder of a report: the page, the numbers, and the rows behind each number; whole, or not there at all."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from console.doubts import CSV_COLUMNS
from console.review.definitions import BY_ID, DEFINITIONS
from console.review.numbers import LATE, Tick, still, waves_seen
from console.review.page import page_of
from console.show import plain
from flows.running import Running
from ledger import report
from ledger.report_rows import Lens
from waves.errors import InputError
from waves.outcomes import Outcome, Part, Verdict, word

NUMBER_COLUMNS = ("of", "kind", "number", "arm", "currency", "value", "low", "high", "numerator", "denominator")
CITED = ("definition", "file", "rows")
CODES = {"verdict": Verdict, "part": Part, "outcome": Outcome}
PAGE, JSON = "report.html", "report.json"
FILTERS = {
    "targeted": "every row",
    "converted": "treated=1 and converted=1",
    **{name: f"{name}=1" for name in ("eligible", "held_out", "treated", *LATE)},
}


def checked_folder(out: Path) -> Path:
    """The folder to write; InputError for a file, and for a folder that holds something other than a report."""
    if out.is_file():
        raise InputError(f"{out}: this is a file; name a folder: --out {out.with_suffix('')}-report")
    if out.is_dir() and any(out.iterdir()) and not (out / JSON).is_file():
        raise InputError(f"{out}: this folder is not empty and holds no report; name another one, or an empty one")
    return out


def write_folder(
    out: Path, connection: Any, running: Running, lens: Lens, found: Mapping[str, Any], tick: Tick = still
) -> int:
    """Write every file beside the folder, then put it in its place; how many files. A report there is replaced."""
    target = checked_folder(out).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write_all(made, connection, running, lens, found, tick)
        if target.exists():
            old = target.rename(made.with_name(f"{made.name}-old"))
            made.rename(target)
            shutil.rmtree(old)
        else:
            made.rename(target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return sum(1 for _ in target.iterdir())


def _write_all(
    folder: Path, connection: Any, running: Running, lens: Lens, found: Mapping[str, Any], tick: Tick
) -> None:
    (folder / PAGE).write_text(page_of(found), encoding="utf-8")
    (folder / JSON).write_text(json.dumps(found, default=plain, ensure_ascii=False, indent=2), encoding="utf-8")
    _table(folder / "numbers.csv", NUMBER_COLUMNS + CITED, numbers(found))
    _table(folder / "flow.csv", ("from_wave", "from", "to_wave", "to", "members"), found["flow"])
    _table(folder / "in_doubt.csv", CSV_COLUMNS, found["in_doubt"])
    definitions = [{"id": d.id, "version": d.version, "sentence": d.sentence} for d in DEFINITIONS]
    _table(folder / "definitions.csv", ("id", "version", "sentence"), definitions)
    waves = waves_seen(connection, running, lens)
    start = waves[0].opened
    _rows(folder / rows_file(), report.members_of_campaign(connection, running.id, lens, start))
    _rows(folder / sales_file(), report.sales_of(connection, running.id, None, lens, start))
    for number, wave in enumerate(waves, 1):
        _rows(folder / rows_file(number, wave.name), report.members_of_wave(connection, wave, lens))
        sales = report.sales_of(connection, running.id, wave, lens, wave.opened)
        _rows(folder / sales_file(number, wave.name), sales)
        tick("waves written", number, len(waves))


def rows_file(number: int = 0, wave: str = "campaign") -> str:
    """The file with one row per member of a wave, or of the campaign."""
    return f"rows-{number}-{wave}.csv" if number else f"rows-{wave}.csv"


def sales_file(number: int = 0, wave: str = "campaign") -> str:
    """The file with one row per conversion in a wave's window, or in the campaign's."""
    return rows_file(number, wave).replace("rows", "conversions", 1)


def _table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        out.writeheader()
        out.writerows({name: _cell(name, value) for name, value in row.items()} for row in rows)


def _rows(path: Path, rows: Any) -> None:
    """Rows by customer key; the ledger's own number of the customer stays inside."""
    columns = [*rows.keys()]
    columns.remove("customer")
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow("customer" if name == "key" else name for name in columns)
        out.writerows([_cell(name, row[name]) for name in columns] for row in rows)


def _cell(name: str, value: Any) -> Any:
    if name in CODES and value is not None:
        return word(CODES[name](value))
    return value.isoformat() if isinstance(value, datetime) else value


def numbers(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every number of the report as one row: what it is of, its definition, and where its rows are."""
    yield from _money(found, "campaign", rows_file(), sales_file())
    for c in found["comparisons"]:
        yield from _effect(c)
    for number, wave in enumerate(found["waves"], 1):
        name, file = wave["wave"], rows_file(number, wave["wave"])
        base = {"of": name, "file": file}
        for count, value in wave["counts"].items():
            cited = BY_ID[count].name
            yield base | {"kind": "count", "number": count, "value": value, "definition": cited, "rows": FILTERS[count]}
        for count, value in (wave["late"] or {}).items():
            rows = f"sum of {count}_by_now less sum of {count}"
            cited = BY_ID["late"].name
            yield base | {"kind": "late", "number": count, "value": value, "definition": cited, "rows": rows}
        for part, value in wave["parts"].items():
            cited = BY_ID["parts"].name
            yield base | {"kind": "part", "number": part, "value": value, "definition": cited, "rows": f"part={part}"}
        for verdict, value in wave["verdicts"].items():
            yield base | {"kind": "verdict", "number": verdict, "value": value, "rows": f"verdict={verdict}"}
        for rate in wave["rates"]:
            taken = {key: rate[key] for key in ("value", "numerator", "denominator", "definition")}
            yield base | {"kind": "rate", "number": rate["rate"], **taken}
        yield from _money(wave, name, file, sales_file(number, name))


def _money(found: Mapping[str, Any], name: str, file: str, sales: str) -> Iterator[dict[str, Any]]:
    cost = found["cost"]
    cited = {"definition": BY_ID["cost"].name, "file": "" if name == "campaign" else file, "rows": "sum of cost"}
    yield {"of": name, "kind": "cost", "number": "cost", "currency": cost["currency"], "value": cost["amount"]} | cited
    for v in found["value"]:
        base = {"of": name, "arm": v["arm"], "currency": v["currency"] or "", "file": sales}
        for number, kind, stands in (
            ("conversions", "value", 1),
            ("value", "value", 1),
            ("refunded", "refunded", 0),
            ("refunded_value", "refunded", 0),
        ):
            held = int(v["arm"] == "held_out")
            rows = f"held_out={held} and currency={v['currency'] or 'empty'} and stands={stands}"
            cited = BY_ID[kind].name
            yield base | {"kind": kind, "number": number, "value": v[number], "definition": cited, "rows": rows}


def _effect(c: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    base = {"of": c["of"], "kind": f"{c['design']} holdout"}
    for arm in ("treated", "held_out"):
        yield base | {"number": "assigned", "arm": arm, "value": c[arm]}
        yield base | {"number": "converted", "arm": arm, "value": c[f"{arm}_converted"]}
    for number in ("difference", "incremental", "cost_per_incremental"):
        yield base | {"number": number, "definition": BY_ID[number].name, **(c[number] or {})}
    yield base | {"number": "naive_cost", "definition": BY_ID["naive_cost"].name, "value": c["naive_cost"]}
    if c["power"] is not None:
        yield base | {"number": "power", "definition": BY_ID["power"].name, "value": c["power"]}
    for number in ("chi2", "p"):
        if c["sample_ratio"]:
            cited = BY_ID["sample_ratio"].name
            yield base | {"number": f"sample_ratio_{number}", "definition": cited, "value": c["sample_ratio"][number]}
