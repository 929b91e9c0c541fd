"""Values computed once, whichever thread asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

V = TypeVar("V")


class Once(Generic[V]):
    """Values by key. The first to ask computes one, others wait; a failure is kept as well.

    What was read once in a command is what the whole command goes by: an archive that is
    updated meanwhile cannot give one platform an earlier state than another.
    """

    def __init__(self) -> None:
        self._futures: dict[Hashable, Future[V]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], V]) -> V:
        """The value of a key, or the error that computing it raised."""
        with self._lock:
            known = self._futures.get(key)
            future = known or self._futures.setdefault(key, Future())
        if known is None:
            try:
                future.set_result(compute())
            except BaseException as error:  # noqa: BLE001 - raised below, and to all who wait
                future.set_exception(error)
        return future.result()
