"""A lock's pip packages as a requirements file or a pylock.toml."""

from __future__ import annotations

from imagelock.lock.export.pylock import export_pylock
from imagelock.lock.export.requirements import export_requirements

__all__ = ["export_pylock", "export_requirements"]
