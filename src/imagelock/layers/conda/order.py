"""The order conda packages are linked in: dependencies first.

Where two packages have the same path, the later one has it. Ties are broken by name from the end
of the alphabet, as py-rattler does, so that the same package wins there and here.
"""

from __future__ import annotations

from collections.abc import Iterable

from imagelock.model.lock import CondaPin


def link_order(pins: Iterable[CondaPin]) -> tuple[CondaPin, ...]:
    """The pins, each after what it depends on; a circle is opened where it is entered."""
    by_name = {pin.name: pin for pin in pins}
    needs = {name: _dependencies(pin) & by_name.keys() - {name} for name, pin in by_name.items()}
    needed = {name for names in needs.values() for name in names}
    done: dict[str, CondaPin] = {}
    entered: set[str] = set()
    # Roots first; what is left lies in circles that nothing outside needs.
    starts = [*_backwards(by_name.keys() - needed), *_backwards(by_name)]
    for start in starts:
        stack = [(start, False)]
        while stack:
            name, left = stack.pop()
            if left:
                done[name] = by_name[name]
            elif name not in entered:
                entered.add(name)
                stack.append((name, True))
                stack += [(other, False) for other in sorted(needs[name])]
    return tuple(done.values())


def _dependencies(pin: CondaPin) -> set[str]:
    return {spec.split()[0].rpartition("::")[2].lower() for spec in pin.depends if spec.split()}


def _backwards(names: Iterable[str]) -> list[str]:
    return sorted(names, reverse=True)
