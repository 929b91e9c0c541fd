"""The order of conda's versions (CEP 33), which is not that of PEP 440."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import zip_longest
from typing import Final

Atom = tuple[int, int | str]
"""A run of letters or digits: letters before digits, ``dev`` before all, ``post`` after all."""

_RUNS: Final = re.compile(r"[0-9]+|_|[^0-9_]+")
_ZERO: Final[Atom] = (2, 0)


def compare_conda_versions(old: str, new: str) -> int:
    """Negative when the first is the older, 0 when they are equal in order, else positive."""
    for one, other in zip(_parts(old), _parts(new), strict=True):
        for left, right in zip_longest(one, other, fillvalue=(_ZERO,)):
            for first, second in zip_longest(left, right, fillvalue=_ZERO):
                if first != second:
                    return 1 if first > second else -1
    return 0


@lru_cache(maxsize=65536)
def _parts(text: str) -> tuple[tuple[tuple[Atom, ...], ...], ...]:
    """Epoch, version and local part, each a sequence of components."""
    epoch, _, rest = text.lower().strip().rpartition("!")
    version, _, local = rest.partition("+")
    return _components(epoch or "0"), _components(version), _components(local)


def _components(text: str) -> tuple[tuple[Atom, ...], ...]:
    # an underscore at the end counts as a letter, as in openssl's 1.0.2_ < 1.0.2a
    ends = text.endswith("_")
    parts = [part for part in re.split(r"[._-]", text.rstrip("_")) if part]
    if ends and parts:
        parts[-1] += "_"
    return tuple(_component(part) for part in parts)


def _component(text: str) -> tuple[Atom, ...]:
    atoms = tuple(_atom(run) for run in _RUNS.findall(text))
    return atoms if text[0].isdigit() else (_ZERO, *atoms)


def _atom(run: str) -> Atom:
    if run.isdigit():
        return (2, int(run))
    if run == "post":
        return (3, 0)
    return (0, 0) if run == "dev" else (1, run)
