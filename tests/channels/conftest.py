"""What the tests of several channels hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.channels.sendgrid_desk import opening_at
from tests.standins.sendgrid import Standin, running
from tests.standins.smsc import Smsc, smsc


@pytest.fixture(scope="module")
def running_smsc() -> Iterator[Smsc]:
    with smsc() as made:
        yield made


@pytest.fixture
def centre(running_smsc: Smsc) -> Iterator[Smsc]:
    """An SMSC that is well and has seen nothing."""
    yield running_smsc
    running_smsc.forget()


@pytest.fixture(scope="module")
def sendgrid_account() -> Iterator[Standin]:
    with running() as standin:
        yield standin


@pytest.fixture
def sendgrid(sendgrid_account: Standin) -> Iterator[Standin]:
    """SendGrid, which is well and has seen nothing; in the end nothing that it was asked went against its OpenAPI."""
    account = sendgrid_account
    account.well()
    account.bad, account.silent = set(), set()
    for seen in (account.mails, account.requests, account.paths, account.added, account.wrong):
        seen.clear()
    yield account
    assert account.wrong == []


@pytest.fixture
def open_it(sendgrid_account: Standin) -> Iterator[Any]:
    with opening_at(sendgrid_account.url) as make:
        yield make
