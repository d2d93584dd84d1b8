"""Law 8: an address, a name or the text of a message is in the outbox and on a dial list, and nowhere else."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.program import printed
from tests.acceptance.server import Server
from tests.acceptance.story import Story
from tests.acceptance.town import AREAS, PHRASE, SURNAME

pytestmark = pytest.mark.acceptance
SECRETS = (SURNAME, PHRASE, "@example.com", "push.example.com", *(f"{area}55501" for area in AREAS))
READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def cells(database: Path) -> list[str]:
    """Every cell of every table, as text."""
    with closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = []
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                found += [f"{table}: {cell!s}" for cell in row if isinstance(cell, str | bytes)]
        return found


def test_no_line_of_any_command_shows_a_person(story: Story) -> None:
    assert len(story.program.said) > 300
    assert printed(story.program.said, SECRETS) == []


def test_prefect_knows_no_person(story: Story, server: Server) -> None:
    told = cells(server.folder / "prefect.db")
    assert any(f"campaign-{line['campaign']}" in cell for line in story.sent("push")[:1] for cell in told)
    assert any("books" in cell or "verdict" in cell for cell in told), "the artifacts of closed waves are there"
    assert printed(told, SECRETS) == []


def test_prefect_gets_counts_and_no_tokens_as_parameters(story: Story, server: Server) -> None:
    parameters = [cell for cell in cells(server.folder / "prefect.db") if story.program.home.name in cell]
    assert parameters
    assert printed(parameters, [line["token"] for line in story.books.sent]) == []


def test_the_files_that_carry_people_are_their_owners_alone(story: Story) -> None:
    home = story.program.home
    carrying = [home / "token.key", *(home / "outbox").rglob("*"), *(home / "dial-lists").rglob("*")]
    open_to_others = [path for path in carrying if path.is_file() and path.stat().st_mode & READABLE_BY_OTHERS]
    assert open_to_others == []
    assert not home.stat().st_mode & READABLE_BY_OTHERS


def test_the_messages_are_where_they_belong(story: Story) -> None:
    for channel in ("web_push", "sms", "email"):
        assert all(SURNAME in line["name"] for line in story.program.outbox(channel))
        assert all(PHRASE in line["fields"]["body"] for line in story.program.outbox(channel))
    mails = list((story.program.home / "outbox" / "email").glob("*.eml"))
    assert len(mails) == len(story.program.outbox("email"))
