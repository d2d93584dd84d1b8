"""`customers import` as people call it: from a file, from a database, as a delta; and what it says and refuses."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from config import PACKAGED
from console.cli import app
from waves.errors import InputError

EXAMPLES = PACKAGED / "examples"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    run("init", "--home", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*words: str, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", **(env or {})})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def imported(home: Path, *words: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("customers", "import", *words, "--home", str(home), "--json", env=env))
    return found


@pytest.fixture
def crm(tmp_path: Path) -> str:
    """A database with the tables that the packaged query reads; its address."""
    people = pd.read_csv(EXAMPLES / "customers.csv", dtype=str, keep_default_na=False)
    people = people.rename(columns={"customer_id": "id", "full_name": "name"})
    contracts = people[["id", "contract_end", "plan_name", "value", "tenure_months"]]
    contracts.columns = pd.Index(["person", "ends_on", "plan", "yearly_value", "months"])
    path = tmp_path / "crm.db"
    connection = sqlite3.connect(path)
    people.to_sql("person", connection, index=False)
    contracts.to_sql("contract", connection, index=False)
    connection.close()
    return f"sqlite:///{path}"


def test_the_packaged_customers_by_file_parquet_and_query(home: Path, tmp_path: Path, crm: str) -> None:
    first = imported(home, str(EXAMPLES / "customers.csv"), "--rejects", str(tmp_path / "r.csv"))
    assert (first["added"], first["rejected"]) == (12, 0)
    parquet = tmp_path / "customers.parquet"
    typed = pd.read_csv(EXAMPLES / "customers.csv", dtype={"zip": str}, parse_dates=["contract_end"])
    typed.to_parquet(parquet)
    assert imported(home, str(parquet))["unchanged"] == 12
    query = home / "config" / "examples" / "crm.sql"
    asked = imported(home, "--sql-env", "CRM_URL", "--query-file", str(query), env={"CRM_URL": crm})
    assert asked["unchanged"] == 12
    assert asked["rejects_file"] == str(query.with_name("crm.rejects.csv"))
    one = imported(home, "--sql", crm, "--query", (EXAMPLES / "crm.sql").read_text())
    assert (one["unchanged"], one["duplicates_file"]) == (12, str(home / "customers.duplicates.csv"))


def test_the_packaged_delta(home: Path, tmp_path: Path) -> None:
    imported(home, str(EXAMPLES / "customers.csv"), "--rejects", str(tmp_path / "r.csv"))
    changes = imported(home, str(home / "config/examples/changes.csv"), "--delta")
    assert (changes["rows"], changes["updated"], changes["unchanged"]) == (2, 2, 0)
    with pytest.raises(InputError, match="there is no column"):
        imported(home, str(home / "config/examples/changes.csv"))


def test_duplicates_are_told_and_listed(home: Path, tmp_path: Path) -> None:
    with (EXAMPLES / "customers.csv").open(newline="") as stream:
        header, first, second, *_ = csv.reader(stream)
    path = tmp_path / "people.csv"
    twin = ["C-9", *first[1:]]
    neighbour = [*second[:3], first[3], *second[4:]]
    path.write_text("\n".join(",".join(row) for row in (header, first, neighbour, twin)) + "\n")
    said = run("customers", "import", str(path), "--home", str(home))
    assert "3 rows: added 3" in said
    assert "pairs of keys in the whole ledger: 1 look like one person, 1 more share an address" in said
    lines = (tmp_path / "people.duplicates.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["shared_address", "C-1001", "C-1002"],
        ["same_person", "C-1001", "C-9"],
    ]
    assert first[3] not in "".join(lines)
    assert imported(home, str(path))["duplicates"] == {"same_person": 1, "shared_address": 1}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name either a file, or a database"),
        (["x.csv", "--sql", "sqlite://", "--query", "SELECT 1"], "name either a file, or a database"),
        (["absent.csv"], "there is no such file"),
        (["--query", "SELECT 1"], "say where to ask"),
        (["--sql", "a", "--sql-env", "B", "--query", "SELECT 1"], "say where to ask"),
        (["--sql", "sqlite://"], "say what to ask"),
        (["--sql", "sqlite://", "--query", "SELECT 1", "--query-file", "q.sql"], "say what to ask"),
        (["--sql-env", "NO_SUCH_URL", "--query", "SELECT 1"], "NO_SUCH_URL: it is empty or not there"),
        (["--sql", "sqlite://", "--query-file", "absent.sql"], "absent.sql: there is no such file"),
        (["--sql", "sqlite:///absent.db", "--query", "DROP TABLE x"], "absent.db"),
    ],
)
def test_what_is_refused(home: Path, words: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        run("customers", "import", *words, "--home", str(home))


def test_no_list_overwrites_the_customers(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "people.duplicates.csv"
    path.write_text("finding\n")
    with pytest.raises(InputError, match="would overwrite the customers"):
        run("customers", "import", str(path), "--home", str(home))
    assert path.read_text() == "finding\n"


@pytest.mark.parametrize("words", [("",), (".",), (str(EXAMPLES / "customers.csv"), "--rejects", "")])
def test_a_folder_is_no_file(home: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="this is a folder; name a file in it"):
        imported(home, *words)
