"""What the program itself makes of arguments and errors, before and after every command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app, main
from tests.builders import make_world, plan_text, put, reachable


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


BRAKES = [
    ("pause", "test"),
    ("stop", "test", "notice"),
    ("abort", "test"),
    ("suppress", "--customer", "c1"),
    ("kill-switch", "on", "--everything", "--why", "wrong text"),
    ("kill-switch", "on", "--channel", "sms", "--why", "wrong text"),
    ("kill-switch", "on", "--campaign", "test", "--why", "wrong text"),
    ("erase", "c1"),
]


@pytest.mark.parametrize("words", BRAKES, ids=" ".join)
@pytest.mark.parametrize("file", ["senders.yaml", "seeds.yaml"])
def test_a_slip_in_a_file_holds_no_brake(
    words: tuple[str, ...], file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path / "home")
    put(world.ledger, [reachable(1, ("sms",))])
    world.start(plan_text("  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"))
    (world.config / file).write_text("anna: {channel: smss}\n")
    monkeypatch.setenv("MULTIWAVE_PROVIDERS", '{"sms": ["main", "spare"]}')
    done = CliRunner().invoke(app, [*words, "--home", str(tmp_path / "home")])
    assert done.exit_code == 0, done.exception
    world.ledger.close()
