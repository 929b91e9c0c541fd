"""The interpreter that wheels are chosen for: never the host's."""

from __future__ import annotations

from dataclasses import dataclass

from imagelock.model.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTarget:
    """One platform's interpreter: markers and wheel tags follow from these values.

    ``version`` is exact (``3.11.2``); ``libc`` like ``glibc 2.36`` or ``musl 1.2``.
    """

    platform: Platform
    version: str
    libc: str
    implementation: str = "cpython"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPython:
    """An interpreter that a base or a package set provides.

    ``links`` are other paths that lead to it. ``venv``: it is the link of a virtual environment,
    which is used only where a spec names it.
    """

    version: str
    executable: str
    implementation: str = "cpython"
    links: tuple[str, ...] = ()
    venv: bool = False
