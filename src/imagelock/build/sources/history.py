"""Versions that a project takes from its repository's history, without that history.

The version is found once, when the commit is locked, with its history and tags at hand. Whoever
builds it later is told that version, in the ways that build backends listen to; so the lock's
commit and version decide, and no tag that comes later.
"""

from __future__ import annotations

from typing import Final

ARCHIVAL: Final = ".git_archival.txt"
"""The file at the top of a tree by which setuptools-scm knows an archive of a commit: all files of
such a tree are the project's, as all files that git knows are."""

_TOLD: Final = (
    "PBR_VERSION",
    "PDM_BUILD_SCM_VERSION",
    "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "UV_DYNAMIC_VERSIONING_BYPASS",
)
"""Variables that name the version: of pbr, pdm-backend, poetry-dynamic-versioning, setuptools-scm
(and those on top of it, such as hatch-vcs) and uv-dynamic-versioning, as each documents."""


def version_variables(version: str) -> dict[str, str]:
    """The environment of a backend that is to give this version."""
    return dict.fromkeys(_TOLD, version)


def archival_text(commit: str) -> str:
    """What :data:`ARCHIVAL` says of a commit."""
    return f"node: {commit}\n"
