"""Fixtures for the tests with bytes that nobody should send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.stranger import Stranger


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    """One for all examples of a module; each says first what it answers."""
    server = Stranger()
    yield server
    server.close()
