"""What the pip tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from support.local_server import LocalServer, local_server


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def http() -> Http:
    return Http()


@pytest.fixture(scope="session")
def shared_store() -> Store:
    """Downloads that survive the test run."""
    named = os.environ.get("IMAGELOCK_TEST_CACHE")
    return Store(Path(named) if named else Path.home() / ".cache" / "imagelock-tests")
