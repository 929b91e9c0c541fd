"""The image's Python: which interpreter, and what has to be installed to have it."""

from __future__ import annotations

from imagelock.resolve.python.choose import Available, choose_python, python_roots

__all__ = ["Available", "choose_python", "python_roots"]
