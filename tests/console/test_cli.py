"""What the program itself makes of arguments and errors, before and after every command."""

from __future__ import annotations

import sys

import pytest

from console.cli import main


def test_an_argument_that_is_no_text_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["multiwave", "why", "test", b"\xff".decode(errors="surrogateescape")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: argument 3 is not UTF-8 text\n"


def test_an_empty_host_is_not_every_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["multiwave", "serve", "--host", ""])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--host is empty" in capsys.readouterr().err
