"""Numbers of options, refused where they mean nothing."""

from __future__ import annotations

import argparse
from typing import Final

_CENTURY: Final = 36_525


def days(text: str) -> float:
    """A span in days, from none to a century; for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= _CENTURY:
        msg = f"expected a number of days from 0 to {_CENTURY}, got '{text}'"
        raise argparse.ArgumentTypeError(msg)
    return value


def levels(text: str) -> int:
    """A number of levels, at least one; for argparse."""
    if not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        msg = f"expected a number from 1 on, got '{text}'"
        raise argparse.ArgumentTypeError(msg)
    return int(text[:9])


def seconds(text: str) -> float:
    """A time in seconds, more than none and at most a day; for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value <= 86_400:
        msg = f"expected a number of seconds, got '{text}'"
        raise argparse.ArgumentTypeError(msg)
    return value
