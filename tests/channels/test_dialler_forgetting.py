"""Who is erased is in no list and no recall that was written, whatever its format; the others are."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import pytest

from channels.call_list.formats import FORMATS
from channels.call_list.rows import Phone, RecallRow
from channels.forgetting import forget_in_lists
from tests.channels.dialler_desk import ALONG, NOW, dialler, row
from waves.errors import InputError

TOKENS = [f"DIALENTRY{n:011d}" for n in range(3)]
NUMBERS = [f"+1212555010{n}" for n in range(3)]
PEOPLE = [row(number, token=token, name=f"Person {token[-1]}") for token, number in zip(TOKENS, NUMBERS, strict=True)]
STYLES = [("generic_csv", {"delimiter": sign}) for sign in ("comma", "semicolon", "tab", "pipe")]
STYLES += [("vicidial", {"delimiter": "tab"}), *((name, {}) for name in FORMATS)]


def text_of(path: Path) -> str:
    if path.suffix != ".xlsx":
        return path.read_text()
    with zipfile.ZipFile(path) as packed:
        return "\n".join(packed.read(name).decode() for name in packed.namelist())


@pytest.mark.parametrize(("format", "keys"), STYLES)
def test_an_erased_person_is_in_no_list(tmp_path: Path, format: str, keys: dict[str, str]) -> None:
    made, to = FORMATS[format], dialler(format, **keys)
    path = tmp_path / f"list-1{made.layout.ending}"
    made.write(path, PEOPLE, ALONG, to)
    away = tmp_path / f"list-1-recall{made.layout.recall_ending}"
    made.recall(away, [RecallRow(one.token, one.phones, "opted_out", NOW, 1) for one in PEOPLE], to)
    assert forget_in_lists(tmp_path, {TOKENS[1]}) == 2
    for file in (path, away):
        said = text_of(file)
        assert TOKENS[1] not in said
        assert NUMBERS[1][2:] not in said
        assert "Person 1" not in said
        assert all(token in said for token in (TOKENS[0], TOKENS[2]))
        assert file.stat().st_mode & 0o777 == 0o600
    assert forget_in_lists(tmp_path, {TOKENS[1]}) == 0
    assert forget_in_lists(tmp_path, set()) == 0


def test_what_stays_reads_as_before(tmp_path: Path) -> None:
    path, to = tmp_path / "list.csv", dialler("generic_csv", delimiter="pipe")
    strange = [dataclasses.replace(one, name='=x|"y"\r\nz', phones=(Phone(one.phones[0].number),)) for one in PEOPLE]
    FORMATS["generic_csv"].write(path, strange, ALONG, to)
    whole = path.read_bytes()
    FORMATS["generic_csv"].write(path, [strange[0], strange[2]], ALONG, to)
    without = path.read_bytes()
    path.write_bytes(whole)
    forget_in_lists(tmp_path, {TOKENS[1]})
    assert path.read_bytes() == without


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl", "a.xlsx"])
def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match="nobody is taken out of it; delete it, then erase again"):
        forget_in_lists(tmp_path, {TOKENS[1]})
    (tmp_path / name).rename(tmp_path / "notes.md")
    assert forget_in_lists(tmp_path, {TOKENS[1]}) == 0
