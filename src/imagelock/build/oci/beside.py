"""Layers that run no code, made beside those that do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Final

from imagelock.build.oci.cache import CachedLayer
from imagelock.model.plan import AnyStep

_FEW_CORES: Final = 2
"""Merging packages keeps so many busy; dpkg, which comes after it, one."""


class Beside:
    """Starts them when there is a core for them: at once, or while dpkg runs."""

    def __init__(
        self,
        workers: Executor,
        make: Callable[[AnyStep], tuple[CachedLayer, ...]],
        steps: Sequence[AnyStep],
    ) -> None:
        self._workers = workers
        self._make = make
        self._waiting = {n: step for n, step in enumerate(steps) if not step.runs_code}
        self._started: dict[int, Future[tuple[CachedLayer, ...]]] = {}
        if len(os.sched_getaffinity(0)) > _FEW_CORES:
            self.start()

    def start(self) -> None:
        """Begin with all that were not begun."""
        for number, step in self._waiting.items():
            self._started[number] = self._workers.submit(self._make, step)
        self._waiting = {}

    def result(self, number: int) -> tuple[CachedLayer, ...]:
        """The layers of the step of this number, as soon as they are made."""
        self.start()
        return self._started[number].result()
