"""The python section of a lock: one interpreter a platform, exact to the patch."""

from __future__ import annotations

from imagelock.resolve.python import choose_python as python_section
from imagelock.resolve.python import python_roots

__all__ = ["python_roots", "python_section"]
