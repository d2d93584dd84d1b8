"""`suppress` and `unsuppress` as people type addresses: whoever is meant gets nothing more, and a slip is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from console.cli import app
from ledger import tables as t
from tests.builders import T0, Person, World, make_world, phone, put
from waves.errors import InputError

MAIL = "Ada.Example@example.com"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    put(made.ledger, [Person("c1", (("sms", phone(1)), ("email", MAIL), ("im", "msn:ada@example.com")))])
    made.ledger.set_now(T0)
    yield made
    made.ledger.close()


def said(world: World, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--home", str(world.config.parent)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def standing(world: World) -> set[str | None]:
    s = t.suppression.c
    with world.ledger.read() as connection:
        return set(connection.scalars(select(s.value).where(s.until.is_(None))))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (phone(1), phone(1)),
        (f"({phone(1)[2:5]}) {phone(1)[5:8]}-{phone(1)[8:]}", phone(1)),
        (f"+1 {phone(1)[2:5]} {phone(1)[5:]}", phone(1)),
        (MAIL, MAIL),
        (" ada.example@EXAMPLE.com ", MAIL),
        ("msn:ada@example.com", "msn:ada@example.com"),
    ],
)
def test_an_address_is_the_one_that_is_meant(world: World, typed: str, meant: str) -> None:
    assert said(world, "suppress", "--address", typed) == "suppressed\n"
    assert meant in standing(world)
    assert "already" in said(world, "suppress", "--address", typed)
    assert "lifted" in said(world, "unsuppress", "--address", meant)
    assert meant not in standing(world)


def test_an_address_that_nobody_has_is_kept_and_told(world: World) -> None:
    assert "no customer has this address now" in said(world, "suppress", "--address", phone(9))
    assert standing(world) == {phone(9)}


def test_an_end_that_is_over_is_refused(world: World) -> None:
    with pytest.raises(InputError, match="is over already"):
        said(world, "suppress", "--customer", "c1", "--until", "2026-11-30T09:00Z")
    assert standing(world) == set()


@pytest.mark.parametrize("command", ["suppress", "unsuppress"])
@pytest.mark.parametrize("nobody", [("--customer", ""), ("--address", ""), ("--address", "  "), ()])
def test_nobody_is_not_everybody(world: World, command: str, nobody: tuple[str, ...]) -> None:
    said(world, "suppress", "--customer", "c1")
    said(world, "suppress", "--address", MAIL)
    with pytest.raises(InputError, match="say who"):
        said(world, command, *nobody)
    assert standing(world) == {None, MAIL}
