"""What is made beside dpkg is fetched at once, and packed when there is a core for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagelock.build.oci.beside import Beside, Prepared
from imagelock.build.oci.cache import CachedLayer
from imagelock.model.names import sha256
from imagelock.model.plan import AnyStep, CopyStep, RunStep
from imagelock.model.spec import RunRule
from support.processes import PATIENCE

KEY = sha256("0" * 64)
STEPS: list[AnyStep] = [
    CopyStep(title="one", key=KEY, rules=()),
    RunStep(title="code", key=KEY, rule=RunRule(commands=("true",))),
    CopyStep(title="two", key=KEY, rules=()),
    CopyStep(title="three", key=KEY, rules=()),
]


class Maker:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.fetched: dict[str, threading.Event] = {step.title: threading.Event() for step in STEPS}
        self.made: list[str] = []

    def prepare(self, step: AnyStep) -> Prepared:
        self.fetched[step.title].set()
        return {step.title: Path(step.title)}

    def make(self, step: AnyStep, prepared: Prepared) -> tuple[CachedLayer, ...]:
        assert isinstance(prepared, Mapping)
        assert list(prepared) == [step.title]
        self.made.append(step.title)
        return ()


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_all_are_fetched_at_once_and_packed_later_on_few_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
    maker = Maker()
    with ThreadPoolExecutor(2) as workers:
        beside = Beside(workers, maker.prepare, maker.make, STEPS)
        for title in ("one", "two", "three"):
            assert maker.fetched[title].wait(PATIENCE)
        if cores <= 2:
            assert maker.made == []
        assert [beside.result(number) for number in (0, 2, 3)] == [(), (), ()]
    assert sorted(maker.made) == ["one", "three", "two"]
    assert not maker.fetched["code"].is_set()


def test_a_failure_to_fetch_is_raised_where_the_layers_are_wanted() -> None:
    def prepare(_step: AnyStep) -> Prepared:
        raise ConnectionError("gone")

    with ThreadPoolExecutor(2) as workers:
        beside = Beside(workers, prepare, Maker().make, STEPS)
        beside.start()
        with pytest.raises(ConnectionError, match="gone"):
            beside.result(2)
