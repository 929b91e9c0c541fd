"""In which order dpkg can take packages: names out of relation fields (Policy 7)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from imagelock.layers.deb import DebControl

_NAME: Final = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)")

ESSENTIAL_FIRST: Final = (
    "libc6",
    "libgcc-s1",
    "libcrypt1",
    "mawk",
    "gawk",
    "original-awk",
    "base-passwd",
    "base-files",
    "dash",
    "perl-base",
    "debconf",
)
"""What other maintainer scripts count on without saying so (Policy 3.8), in working order."""


def related(control: DebControl, *fields: str) -> Iterator[str]:
    """Every name in the relation fields, alternatives included."""
    for field in fields:
        for item in re.split(r"[,|]", control.fields.get(field, "")):
            match = _NAME.match(item)
            if match:
                yield match[1]


def configure_first(controls: Sequence[DebControl]) -> list[str]:
    """The packages of a fresh root to configure one by one, before all others."""
    present = {str(control.name) for control in controls}
    return [name for name in ESSENTIAL_FIRST if name in present]


def unpack_order(
    wanted: Sequence[DebControl], waiting: Sequence[DebControl]
) -> Iterator[tuple[DebControl, list[str]]]:
    """Each package to unpack, with the ones to configure before it (its Pre-Depends, Policy 7.2).

    ``waiting`` are unpacked already and not configured. Needed packages come first where there is
    no circle.
    """
    everyone = {str(control.name): control for control in (*wanted, *waiting)}
    for control in (*wanted, *waiting):
        for name in related(control, "Provides"):
            everyone.setdefault(name, control)
    to_unpack = {str(control.name) for control in wanted}
    unpacked: set[str] = set()
    configured: set[str] = set()

    def visit(control: DebControl, path: frozenset[str]) -> Iterator[tuple[DebControl, list[str]]]:
        name = str(control.name)
        if name in unpacked or name in path:
            return
        needed = _closure(related(control, "Pre-Depends"), everyone)
        for other in needed:
            if other in to_unpack and other != name:
                yield from visit(everyone[other], path | {name})
        unpacked.add(name)
        ready = [
            other
            for other in needed
            if other not in configured
            and other != name
            and (other in unpacked or other not in to_unpack)
        ]
        configured.update(ready)
        yield control, sorted(ready)

    for control in wanted:
        yield from visit(control, frozenset())


def _closure(names: Iterator[str], everyone: dict[str, DebControl]) -> list[str]:
    """The new packages that these and, through Depends, they need; nearest last."""
    found: dict[str, None] = {}
    todo = [everyone[name] for name in names if name in everyone]
    while todo:
        control = todo.pop()
        if str(control.name) in found:
            continue
        found[str(control.name)] = None
        names = related(control, "Pre-Depends", "Depends")
        todo += [everyone[name] for name in names if name in everyone]
    return list(reversed(found))
