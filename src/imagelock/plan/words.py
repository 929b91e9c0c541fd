"""Words in the titles of steps."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """``1 package``, ``2 packages``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
