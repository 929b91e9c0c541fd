"""What a sandbox is told to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A file or folder of the host shown in the sandbox, read-only."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What to run.

    ``files`` (path, mode, text) are written first, ``renames`` and ``links`` (target, path) made,
    ``remove`` deleted at last.

    ``lower`` names trees, lowest first. ``user`` is as in an image's config: a name or id,
    perhaps with ``:group``; empty is root.
    """

    lower: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    env: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, int, str], ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    network: bool = False
    workdir: str = "/"
    user: str = ""
