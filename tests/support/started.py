"""The engines of the builders, each started for a while where its builder finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import pytest

from support.buildkit import running_buildkit
from support.engine import Engine, running_engine
from support.podman import Podman, running_podman

STARTS: Final[dict[str, Callable[..., AbstractContextManager[Engine | Podman]]]] = {
    "buildkit": running_buildkit,
    "docker": running_engine,
    "podman": running_podman,
}
"""By the builders' names."""


@contextmanager
def started(name: str, **options: bool) -> Iterator[Engine | Podman]:
    """The engine of a builder, with the environment that leads to it."""
    with STARTS[name](**options) as engine, pytest.MonkeyPatch.context() as patch:
        for key, value in engine.environment.items():
            patch.setenv(key, value)
        yield engine
