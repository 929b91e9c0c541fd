"""A lock in the words of other tools: requirements, pylock, conda's file, bills of materials."""

from __future__ import annotations

from imagelock.lock.export.conda_explicit import export_conda_explicit
from imagelock.lock.export.pylock import export_pylock
from imagelock.lock.export.requirements import export_requirements

__all__ = ["export_conda_explicit", "export_pylock", "export_requirements"]
