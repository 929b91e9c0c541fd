"""What the apt tests share: local archives, the real archive's indexes, and real answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import Suites, open_suites
from imagelock.app.sections.apt_sources import default_sources
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase
from support.debian_archive import NOW
from support.local_server import LocalServer, local_server


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def context(store: Store) -> Context:
    return Context(store=store, http=Http(), now=NOW)


@pytest.fixture(scope="session")
def real_context() -> Context:
    """The real archive, through a store that survives the test run."""
    named = os.environ.get("IMAGELOCK_TEST_CACHE")
    root = Path(named) if named else Path.home() / ".cache" / "imagelock-tests"
    return Context(store=Store(root), http=Http(), now=datetime.now(UTC))


@pytest.fixture(scope="session")
def real_suites(real_context: Context) -> Callable[[str, str], Suites]:
    """The suites of a distribution for a platform: ``real_suites("bookworm", "linux/amd64")``."""

    @cache
    def opened(release: str, platform: str) -> Suites:
        base = DistributionBase(distribution=f"debian:{release}")
        target = Platform(platform)
        return open_suites(
            default_sources(base, target), target, context=real_context, options=ResolveOptions()
        )

    return opened
