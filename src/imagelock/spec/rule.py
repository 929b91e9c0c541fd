"""What one text of a spec must look like, and what it is normalised to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from imagelock.spec.findings import quoted


class RuleBroken(ValueError):
    """A text is not what its rule wants.

    ``key`` names the field to blame where a whole table is judged, ``offset`` the place to blame
    in a line.
    """

    def __init__(self, message: str, *, hint: str = "", key: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.key = key
        self.offset = offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a text is checked and normalised.

    ``expected`` completes "expected …, got '…'". ``pattern`` matches the whole text, in the
    syntax that Python's ``re`` and ECMA-262 share, since the schema shows it too; it may accept
    more than ``normalise``, which raises ValueError for the rest.
    """

    expected: str
    pattern: str = ""
    normalise: Callable[[str], object] = str
    hint: str | Callable[[str], str] = ""

    def apply(self, text: str) -> object:
        """The normalised value. Raise RuleBroken with what was expected and found."""
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise self.broken(text)
        try:
            return self.normalise(text)
        except RuleBroken:
            raise
        except ValueError as error:
            raise RuleBroken(str(error), hint=self._hint_for(text)) from None

    def broken(self, text: str) -> RuleBroken:
        """The error for a text that does not fit."""
        message = f"expected {self.expected}, got {quoted(text)}"
        return RuleBroken(message, hint=self._hint_for(text))

    def _hint_for(self, text: str) -> str:
        return self.hint if isinstance(self.hint, str) else self.hint(text)
