"""The file of keywords: the packaged one is sound, every problem is on its line, and what cannot be read is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import PACKAGED
from config.keywords import FILE, keywords_of, keywords_problems, load_keywords
from waves.errors import PlanError
from waves.replies import Reading

BAD = [
    ("en: {stop: [halt]}\n", []),
    ("en: {stop: [halt]}\nEnglish: {stop: [halt]}\n", ["2: English is no language code; write one such as en"]),
    ("en: [halt]\n", ["1: `en` holds no keys; write stop: [...] in it"]),
    ("en:\n  stop: [halt]\n  start:\n    - HALT!\n", ["4: this word means stop already; keep one of the two"]),
    ("en:\n  help: [Quit]\n", ["2: this word means stop already; keep one of the two"]),
    ("en:\n  stop: ['!!']\n", ["2: there is no letter or digit in it; write a word"]),
    ("en:\n  ask_phrases: [ok]\n", ["2: a phrase of 2 letters stands in many texts; write it under a word"]),
    ("en:\n  stopp: [halt]\n", ["2: there is no key `stopp` here; write stop"]),
    ("en: {stop: [\n", ["1: broken YAML"]),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_every_problem_is_on_its_line(tmp_path: Path, text: str, said: list[str]) -> None:
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    found = [str(problem).removeprefix(f"{path}:") for problem in keywords_problems(tmp_path)]
    assert len(found) == len(said)
    assert all(one.startswith(wanted) for one, wanted in zip(found, said, strict=True)), found
    if said:
        with pytest.raises(PlanError):
            load_keywords(tmp_path)


def test_the_packaged_file_is_sound_and_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    assert keywords_problems(PACKAGED) == keywords_problems(tmp_path) == []
    assert load_keywords(tmp_path).read("退订") == Reading("stop")


def test_a_table_of_ones_own() -> None:
    table = keywords_of("xx: {stop: [halt], ask_phrases: [ring the bell]}\n")
    assert table.read("Halt!") == Reading("stop")
    assert table.read("stop") == table.read("Unsubscribe.") == Reading("stop"), "what carriers take for a stop is one"
    assert table.read("стоп") == Reading()
    assert table.read("please ring the bell now") == Reading(asks="ring the bell")
