"""Channels for the tests of conda."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.conda_forge import Channels, channels


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Channels]:
    """A server without any channel yet."""
    with channels(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def conda_forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channels]:
    """Real records, in a store that all tests share."""
    with channels(tmp_path_factory.mktemp("conda-forge")) as found:
        yield found.add_conda_forge()
