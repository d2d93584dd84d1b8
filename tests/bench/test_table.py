"""The benchmark table in the README is the one that the kept results make."""

from __future__ import annotations

from bench.__main__ import BEGIN, END, README, completed, kept, redrawn

ROW = {"database": "sqlite", "n": 1000, "rate": 500.04, "limit_rate": 1000.0}


def test_the_readme_shows_the_kept_results() -> None:
    shown = README.read_text("utf-8")
    assert redrawn(shown, kept()) == shown


def test_a_row_gets_its_ratio() -> None:
    assert completed("enrol", ROW, 61.26) == {
        "bench": "enrol",
        "database": "sqlite",
        "n": 1000,
        "rate": 500.0,
        "limit_rate": 1000.0,
        "ratio": 0.5,
        "peak_mb": 61.3,
    }


def test_the_newest_row_replaces_the_older_and_the_rest_stays() -> None:
    old, new = completed("enrol", ROW, 60), completed("enrol", ROW | {"rate": 900.0}, 60)
    once = redrawn(f"before\n{BEGIN}anything\n{END}after\n", [old, new])
    assert "| enrol | sqlite | 1,000 | 900 | 1,000 | 0.90 | 60 |\n" in once
    assert "| 500 |" not in once
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert redrawn(once, [old, new]) == once


def test_a_row_without_a_limit_has_no_ratio() -> None:
    row = completed("import", ROW | {"limit_rate": None}, 60)
    assert row["ratio"] is None
    assert "| import | sqlite | 1,000 | 500 |  |  | 60 |\n" in redrawn(f"{BEGIN}{END}", [row])
