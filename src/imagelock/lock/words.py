"""Text of a lock for people."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text, with every character that does not show (controls, bidirectional marks) escaped.

    A lock under review may be hostile: what is shown must be what is there.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)
