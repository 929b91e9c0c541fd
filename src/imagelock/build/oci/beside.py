"""Layers that run no code, made beside those that do."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Final

from imagelock.build.oci.cache import CachedLayer
from imagelock.model.plan import AnyStep

Prepared = tuple[CachedLayer, ...] | Mapping[str, Path]
"""Layers that were made before, or the files by sha256 to make them from."""

_GIVING_WAY: Final = 5
_FEW_CORES: Final = 2
"""Merging packages keeps so many busy; dpkg, which comes after it, one."""


def usable_cores() -> int:
    """The cores this process may use; where the system does not tell (macOS), all."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def give_way() -> None:
    """Begin a thread that works beside dpkg: all wait for dpkg, so it has the first say.

    On Linux a thread has a niceness of its own; elsewhere nothing runs beside.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _GIVING_WAY)


class Beside:
    """Starts them when there is a core for them: at once, or while dpkg runs.

    ``prepare`` looks for a step's layers or fetches what it is made from; a network needs no core,
    so that is begun at once. ``make`` gives the layers from what that returned.
    """

    def __init__(
        self,
        workers: Executor,
        prepare: Callable[[AnyStep], Prepared],
        make: Callable[[AnyStep, Prepared], tuple[CachedLayer, ...]],
        steps: Sequence[AnyStep],
    ) -> None:
        self._workers = workers
        self._make = make
        self._waiting: dict[int, tuple[AnyStep, Future[Prepared]]] = {}
        self._started: dict[int, Future[tuple[CachedLayer, ...]]] = {}
        enough = usable_cores() > _FEW_CORES
        for number, step in enumerate(steps):
            if step.runs_code:
                continue
            if enough:
                both = workers.submit(lambda step: make(step, prepare(step)), step)
                self._started[number] = both
            else:
                self._waiting[number] = (step, workers.submit(prepare, step))

    def start(self) -> None:
        """Begin with all that were not begun."""
        for number, (step, prepared) in self._waiting.items():
            self._started[number] = self._workers.submit(self._after, step, prepared)
        self._waiting = {}

    def result(self, number: int) -> tuple[CachedLayer, ...]:
        """The layers of the step of this number, as soon as they are made."""
        self.start()
        return self._started[number].result()

    def _after(self, step: AnyStep, prepared: Future[Prepared]) -> tuple[CachedLayer, ...]:
        # Workers take what was submitted in its order: what we wait for has a worker.
        return self._make(step, prepared.result())
