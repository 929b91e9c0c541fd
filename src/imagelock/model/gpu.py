"""CUDA: which driver a version needs, which index has wheels for it, and whose library is what.

Drivers: NVIDIA's CUDA Toolkit Release Notes, "CUDA Toolkit and Corresponding Driver Versions",
the column of Linux and the row of each version's first release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DRIVERS: Final = {
    "11.0": "450.51.05",
    "11.1": "455.23",
    "11.2": "460.27.03",
    "11.3": "465.19.01",
    "11.4": "470.42.01",
    "11.5": "495.29.05",
    "11.6": "510.39.01",
    "11.7": "515.43.04",
    "11.8": "520.61.05",
    "12.0": "525.60.13",
    "12.1": "530.30.02",
    "12.2": "535.54.03",
    "12.3": "545.23.06",
    "12.4": "550.54.14",
    "12.5": "555.42.02",
    "12.6": "560.28.03",
    "12.8": "570.26",
    "12.9": "575.51.03",
    "13.0": "580.65.06",
    "13.1": "590.44.01",
}
"""The oldest Linux driver that a CUDA version comes with, by ``MAJOR.MINOR``."""

PYTORCH: Final = "pytorch"
"""The name of PyTorch's index for the CUDA version of ``[gpu]``, or for none."""

PYTORCH_BUILDS: Final = ("cpu", "cu118", "cu121", "cu124", "cu126", "cu128", "cu129", "cu130")
"""The folders of download.pytorch.org/whl that a spec may name."""

PYTORCH_INDEXES: Final = {
    f"{PYTORCH}-{build}": f"https://download.pytorch.org/whl/{build}/" for build in PYTORCH_BUILDS
}

_LIBRARIES: Final = {
    # library: conda's name, the stem of NVIDIA's wheels, of NVIDIA's Debian packages
    "cuBLAS": ("libcublas", "nvidia-cublas", r"libcublas"),
    "CUDA runtime": ("cuda-cudart", "nvidia-cuda-runtime", r"cuda-cudart"),
    "cuDNN": ("cudnn", "nvidia-cudnn", r"(?:lib)?cudnn\d"),
    "cuFFT": ("libcufft", "nvidia-cufft", r"libcufft"),
    "CUPTI": ("cuda-cupti", "nvidia-cuda-cupti", r"cuda-cupti"),
    "cuRAND": ("libcurand", "nvidia-curand", r"libcurand"),
    "cuSOLVER": ("libcusolver", "nvidia-cusolver", r"libcusolver"),
    "cuSPARSE": ("libcusparse", "nvidia-cusparse", r"libcusparse"),
    "NCCL": ("nccl", "nvidia-nccl", r"libnccl\d"),
    "nvJitLink": ("libnvjitlink", "nvidia-nvjitlink", r"libnvjitlink"),
    "NVRTC": ("cuda-nvrtc", "nvidia-cuda-nvrtc", r"cuda-nvrtc"),
}
_WHEELS: Final = {stem: library for library, (_, stem, _) in _LIBRARIES.items()}
_CONDA: Final = {name: library for library, (name, _, _) in _LIBRARIES.items()}
_DEBS: Final = [
    (re.compile(rf"{stem}(?:-\d+-\d+|-cuda-\d+)?"), library)
    for library, (_, _, stem) in _LIBRARIES.items()
]
_WHEEL: Final = re.compile(r"(?P<stem>nvidia-[a-z-]+?)(?:-cu(?P<major>\d+))?")
_LOCAL: Final = re.compile(r".*\+(?:[a-z0-9.]*\.)?cu(?P<digits>\d{3})(?:\D.*)?")
_NUMBERS: Final = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)*)")

CUDA_RUNTIME: Final = "CUDA runtime"
CUDNN: Final = "cuDNN"

Release = tuple[int, ...]


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class GpuLibrary:
    """One of NVIDIA's libraries in an image: the numbers of its version, and the package."""

    library: str
    ecosystem: str
    release: Release
    package: str


def driver_for(cuda: str) -> str | None:
    """The oldest Linux driver for a CUDA version like ``12.4`` or ``12.4.1``; None if unknown.

    ``12`` alone is any 12: that of 12.0, by NVIDIA's minor version compatibility.
    """
    return DRIVERS.get(dotted((*release_of(cuda), 0)[:2]))


def pytorch_index(cuda: str | None) -> str | None:
    """The name of PyTorch's index for a CUDA version, its build without for None; None if none."""
    if cuda is None:
        return f"{PYTORCH}-cpu"
    name = f"{PYTORCH}-cu{''.join(cuda.split('.')[:2])}"
    return name if name in PYTORCH_INDEXES else None


def gpu_library(ecosystem: str, name: str, version: str) -> GpuLibrary | None:
    """What of NVIDIA's a package is. ``ecosystem`` is ``apt``, ``conda`` or ``pip``."""
    library = None
    if ecosystem == "conda":
        library = _CONDA.get(name)
    elif ecosystem == "pip" and (match := _WHEEL.fullmatch(name)):
        library = _WHEELS.get(match["stem"])
    elif ecosystem == "apt":
        library = next((found for regex, found in _DEBS if regex.fullmatch(name)), None)
    release = release_of(version)
    if library is None or not release:
        return None
    return GpuLibrary(
        library=library, ecosystem=ecosystem, release=release, package=f"{name} {version}"
    )


def built_for(ecosystem: str, name: str, version: str) -> Release | None:
    """The CUDA version that a package says it is built for; None where it does not say."""
    if ecosystem == "conda" and name == "cuda-version":
        return release_of(version)[:2] or None
    if ecosystem == "pip" and (match := _LOCAL.fullmatch(version)):
        digits = match["digits"]
        return (int(digits[:-1]), int(digits[-1]))
    found = gpu_library(ecosystem, name, version)
    if found is not None and found.library == CUDA_RUNTIME:
        return found.release[:2]
    return None


def base_cuda(reference: str) -> Release | None:
    """The CUDA version in the tag of one of NVIDIA's base images, ``nvidia/cuda:12.4.1-…``."""
    repository, _, tag = reference.partition("@")[0].rpartition(":")
    if not repository.endswith("nvidia/cuda"):
        return None
    return release_of(tag)[:2] or None


def release_of(version: str) -> Release:
    """The numbers at the start of a version: ``9.1.0.70-1`` gives 9, 1, 0 and 70."""
    match = _NUMBERS.match(version)
    return tuple(map(int, match[1].split("."))) if match else ()


def dotted(release: Release) -> str:
    """A release as people write it."""
    return ".".join(map(str, release))


def pip_bounds(cuda: str | None, cudnn: str | None) -> tuple[str, ...]:
    """What ``[gpu]`` says of NVIDIA's own wheels, as constraints that ask for nothing (PEP 508)."""
    bounds: list[str] = []
    if cuda is not None:
        *before, last = release_of(cuda)[:2]
        limit = dotted((*before, last + 1))
        names = ("nvidia-cuda-runtime", *(f"nvidia-cuda-runtime-cu{n}" for n in (11, 12, 13)))
        bounds += (f"{name}<{limit}" for name in names)
    if cudnn is not None:
        bounds += (f"nvidia-cudnn-cu{number}=={cudnn}.*" for number in (11, 12, 13))
    return tuple(sorted(bounds))


def conda_bounds(cuda: str | None, cudnn: str | None) -> tuple[str, ...]:
    """What ``[gpu]`` says of conda's packages, as match specs that ask for nothing."""
    bounds: list[str] = []
    if cuda is not None:
        bounds.append(f"cuda-version {'.'.join(cuda.split('.')[:2])}.*")
    if cudnn is not None:
        bounds.append(f"cudnn {cudnn}.*")
    return tuple(bounds)
