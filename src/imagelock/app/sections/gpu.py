"""What ``[gpu]`` promises, held against all packages of an image together.

Each resolver was given its bounds; what only shows in all of them together is found here: one
library from two ecosystems in two versions, and what is built for a newer CUDA than was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from imagelock.model.errors import NoSolution
from imagelock.model.gpu import (
    CUDNN,
    GpuLibrary,
    base_cuda,
    built_for,
    dotted,
    gpu_library,
    pip_bounds,
    release_of,
)
from imagelock.model.lock import Lock
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import Platform
from imagelock.model.spec import Spec

_COMPARED: Final = 3
"""Numbers of a version in which two packages of one library must agree."""


def bounded(spec: Spec) -> PipSpec:
    """The ``[pip]`` table with what ``[gpu]`` says of NVIDIA's wheels among its constraints."""
    bounds = pip_bounds(spec.gpu.cuda, spec.gpu.cudnn)
    if not bounds:
        return spec.pip
    return replace(spec.pip, constraints=tuple(sorted({*spec.pip.constraints, *bounds})))


def check_gpu(lock: Lock) -> None:
    """NoSolution with every problem, each with its platform."""
    problems: list[str] = []
    for platform in lock.platforms:
        found = [
            *_doubled(lock, platform),
            *_too_new(lock, platform),
            *_other_cudnn(lock, platform),
        ]
        problems += (f"{platform}: {problem}" for problem in found)
    if problems:
        raise NoSolution(
            "the NVIDIA libraries do not fit together:\n  " + "\n  ".join(problems),
            where="gpu",
            hint="take them from one ecosystem, pin one version in both, or change [gpu]",
        )


def _packages(lock: Lock, platform: Platform) -> Iterator[tuple[str, str, str]]:
    for ecosystem, pins in (("apt", lock.apt), ("conda", lock.conda), ("pip", lock.pip)):
        for pin in pins:
            if platform in pin.platforms:
                yield ecosystem, str(pin.name), pin.version


def _libraries(lock: Lock, platform: Platform) -> list[GpuLibrary]:
    found = (gpu_library(*package) for package in _packages(lock, platform))
    return sorted(item for item in found if item is not None)


def _doubled(lock: Lock, platform: Platform) -> Iterator[str]:
    by_library: dict[str, list[GpuLibrary]] = {}
    for item in _libraries(lock, platform):
        by_library.setdefault(item.library, []).append(item)
    for library, items in sorted(by_library.items()):
        first = items[0]
        for other in items[1:]:
            if other.ecosystem != first.ecosystem and not _agree(first, other):
                yield (
                    f"{library} is there twice: {first.ecosystem}'s {first.package} and "
                    f"{other.ecosystem}'s {other.package}"
                )


def _agree(one: GpuLibrary, other: GpuLibrary) -> bool:
    return one.release[:_COMPARED] == other.release[:_COMPARED]


def _too_new(lock: Lock, platform: Platform) -> Iterator[str]:
    asked = lock.roots.gpu.cuda
    if asked is None:
        return
    limit = release_of(asked)[:2]
    for ecosystem, name, version in sorted(_packages(lock, platform)):
        release = built_for(ecosystem, name, version)
        if release is not None and release[: len(limit)] > limit:
            yield f"{name} {version} is for CUDA {dotted(release)}, and gpu.cuda is {asked}"
    reference = lock.base_for(platform).reference
    base = base_cuda(reference)
    if base is not None and base[: len(limit)] != limit:
        yield f"the base {reference} has CUDA {dotted(base)}, and gpu.cuda is {asked}"


def _other_cudnn(lock: Lock, platform: Platform) -> Iterator[str]:
    asked = lock.roots.gpu.cudnn
    if asked is None:
        return
    wanted = release_of(asked)
    for item in _libraries(lock, platform):
        if item.library == CUDNN and item.release[: len(wanted)] != wanted:
            yield f"{item.package} is not of cuDNN {asked}"
