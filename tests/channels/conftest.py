"""What the tests of several channels hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
