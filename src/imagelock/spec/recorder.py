"""What is wrong with the values of a document, kept with its place as it is found."""

from __future__ import annotations

import datetime as dt
from difflib import get_close_matches
from typing import Any, Final

from imagelock.spec.findings import Finding
from imagelock.spec.positions import KeyPath
from imagelock.spec.rule import RuleBroken


class Invalid:
    """Stands for a value that has findings."""


INVALID: Final = Invalid()

TYPE_NAMES: Final[dict[type, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    list: "an array",
    dict: "a table",
    dt.date: "a date",
    dt.datetime: "a date and time",
    dt.time: "a time",
}


class Recorder:
    """Keeps what is found in ``findings``; each of its methods gives ``INVALID`` for the value."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def _wrong(self, value: object, wanted: str, path: KeyPath, hint: str = "") -> Invalid:
        found = TYPE_NAMES[type(value)]
        is_scalar = not isinstance(value, (str, list, dict))
        step = hint or ("put it in quotes" if wanted == "a string" and is_scalar else "")
        return self._found(path, f"expected {wanted}, got {found}", step)

    def _broken(self, error: RuleBroken, path: KeyPath) -> Invalid:
        return self._found(path, error.message, error.hint)

    def _found(
        self,
        path: KeyPath,
        message: str,
        hint: str = "",
        *,
        at: Any = "value",  # noqa: ANN401
    ) -> Invalid:
        self.findings.append(Finding(path=path, message=message, hint=hint, at=at))
        return INVALID


def did_you_mean(text: str, known: list[str]) -> str:
    """The hint that names the known text that this one was meant to be, if any is near."""
    close = get_close_matches(text, known, n=1)
    return f"did you mean '{close[0]}'?" if close else ""
