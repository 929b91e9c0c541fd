"""The normal form of a lock: one order, one entry for all platforms where they agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Final, TypeVar

from imagelock.lock.document import unknown_keys, used_places
from imagelock.lock.kinds import Keys
from imagelock.lock.pins import SECTIONS, Section
from imagelock.model.lock import (
    AptIndexPin,
    AptPin,
    AptRemoval,
    BasePin,
    CondaPin,
    ImageRecord,
    Lock,
    PipBuildPin,
    PipPin,
    PythonPin,
)
from imagelock.model.spec import Spec

Pin = (
    BasePin
    | AptIndexPin
    | AptPin
    | AptRemoval
    | CondaPin
    | PythonPin
    | PipPin
    | PipBuildPin
    | ImageRecord
)
T = TypeVar("T")

_SETS = (
    "platforms",
    "required_by",
    "builds",
    "extras",
    "wheels",
    "components",
    "depends",
    "constrains",
    "track_features",
)
"""Attributes of pins whose order has no meaning."""
_MERGED = ("platforms", "required_by")
"""Attributes in which two entries of one artifact may differ."""


def pin_sort_key(pin: object) -> tuple[str, ...]:
    """The order of pins in their section: by name, then architecture, then platforms.

    Indexes go by archive and suite, bases and interpreters by what they are.
    """
    values = _ORDER[pin.__class__](pin)
    return tuple(
        " ".join(map(str, value)) if isinstance(value, tuple) else str(value or "")
        for value in values
    )


def _order_of(model: Callable[..., object]) -> Callable[[object], tuple[object, ...]]:
    first = ("archive", "suite", "name", "architecture", "kind", "reference", "snapshot")
    last = (
        "platform",
        "platforms",
        "builds",
        "version",
        "url",
        "digest",
        "sha256",
        "artifact.sha256",
    )
    records = ("manifest_digest", "image_id")
    has = {name.replace("artifact", "artifact.sha256") for name in _attributes(model)}
    if "name" in has:
        has -= {"archive", "suite"}
    return attrgetter(*(name for name in (*first, *last, *records) if name in has))


def _attributes(model: Callable[..., object]) -> tuple[str, ...]:
    assert isinstance(model, type)
    return tuple(field.name for field in dataclasses.fields(model))


_ORDER: Final = {section.table.model: _order_of(section.table.model) for section in SECTIONS}
_ATTRIBUTES: Final = {section.table.model: _attributes(section.table.model) for section in SECTIONS}


def normalise(lock: Lock) -> Lock:
    """The same lock in normal form; equal for locks that mean the same.

    Pins are sorted by :func:`pin_sort_key`. Pins that agree in all but their platforms and who
    requires them become one. Unknown keys whose table is gone are dropped.
    """
    unknown: dict[str, Keys] = unknown_keys(lock)
    kept: dict[str, Keys] = {
        place: keys
        for place, keys in unknown.items()
        if place in {"", "roots"} or place.startswith("roots.")
    }
    sections: dict[str, tuple[object, ...]] = {}
    for section in SECTIONS:
        pins = getattr(lock, section.attribute)
        merged = _merge(section, pins, unknown, kept)
        merged.sort(key=pin_sort_key)
        sections[section.attribute] = tuple(merged)
    roots = normalise_spec(lock.roots)
    result = dataclasses.replace(lock, roots=roots, unknown=(), **sections)  # type: ignore[arg-type]  # by attribute name
    return dataclasses.replace(result, unknown=_still_there(result, kept)) if kept else result


def _still_there(lock: Lock, kept: dict[str, Keys]) -> tuple[tuple[str, object], ...]:
    """The unknown keys whose tables the lock has, sorted by place."""
    used = used_places(lock, kept)
    return tuple(sorted((place, keys) for place, keys in kept.items() if place in used))


def _merge(
    section: Section, pins: Iterable[object], unknown: dict[str, Keys], kept: dict[str, Keys]
) -> list[object]:
    """One pin for each group that agrees; ``kept`` gains the group's unknown keys."""
    identity = section.table.identity
    assert identity is not None
    groups: dict[object, list[object]] = {}
    for pin in pins:
        own: tuple[tuple[str, Keys], ...] = ()
        if unknown:
            place = f"{section.key}[{identity(pin)}]"
            own = tuple(
                (found.removeprefix(place), keys)
                for found, keys in sorted(unknown.items())
                if found == place or found.startswith(f"{place}.")
            )
        groups.setdefault((_essence(pin), own), []).append(_sorted_sets(pin))
    merged = []
    for key, members in groups.items():
        pin = members[0] if len(members) == 1 else _union(members)
        assert isinstance(key, tuple)
        for suffix, keys in key[1]:
            kept[f"{section.key}[{identity(pin)}]{suffix}"] = keys
        merged.append(pin)
    return merged


def _essence(pin: object) -> tuple[object, ...]:
    """All of a pin but what may differ between entries that are merged."""
    return tuple(
        _ordered(value) if name in _SETS and isinstance(value, tuple) else value
        for name, value in _values(pin)
        if name not in _MERGED
    )


def _values(pin: object) -> list[tuple[str, object]]:
    return [(name, getattr(pin, name)) for name in _ATTRIBUTES[pin.__class__]]


def _sorted_sets(pin: object) -> object:
    """The pin, its collections without order sorted; itself when they are."""
    changed = {}
    for name in _SETS:
        value = getattr(pin, name, ())
        if len(value) > 1:
            ordered = tuple(sorted(set(value)))
            if ordered != value:
                changed[name] = ordered
    return _replace(pin, changed)


def _union(pins: list[object]) -> object:
    """One pin for the platforms and requirers of all."""
    first = pins[0]
    merged = {
        name: tuple(sorted({item for pin in pins for item in getattr(pin, name)}))
        for name in _MERGED
        if hasattr(first, name)
    }
    return _replace(first, merged)


def _replace(value: T, changes: Mapping[str, object]) -> T:
    return dataclasses.replace(value, **changes) if changes else value  # type: ignore[type-var]  # every model value is a dataclass


def _ordered(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(sorted(set(items)))  # type: ignore[type-var]  # strings, pairs, platforms


def normalise_spec(spec: Spec) -> Spec:
    """The same spec, every collection whose order has no meaning sorted and without doubles."""
    pip = dataclasses.replace(
        spec.pip,
        packages=_ordered(spec.pip.packages),
        constraints=_ordered(spec.pip.constraints),
        overrides=_ordered(spec.pip.overrides),
        allow_sdist=_ordered(spec.pip.allow_sdist),
        no_binary=_ordered(spec.pip.no_binary),
        config_settings=_ordered(spec.pip.config_settings),
        local=_ordered(spec.pip.local),
        requirements=tuple(
            sorted(
                (
                    dataclasses.replace(
                        file,
                        requirements=_ordered(file.requirements),
                        constraints=_ordered(file.constraints),
                        extras=_ordered(file.extras),
                        groups=_ordered(file.groups),
                        overrides=_ordered(file.overrides),
                        hashes=tuple(sorted((line, _ordered(of)) for line, of in file.hashes)),
                    )
                    for file in set(spec.pip.requirements)
                ),
                key=lambda file: (file.path, file.requirements, file.constraints),
            )
        ),
    )
    return dataclasses.replace(
        spec,
        pip=pip,
        conda=dataclasses.replace(spec.conda, packages=_ordered(spec.conda.packages)),
        image=dataclasses.replace(spec.image, labels=_ordered(spec.image.labels)),
        source=spec.source and dataclasses.replace(spec.source, entry=_ordered(spec.source.entry)),
        builder=dataclasses.replace(spec.builder, options=_by_key(spec.builder.options)),
        env=_ordered(spec.env),
        platforms=_ordered(spec.platforms),
        secrets=tuple(sorted(spec.secrets, key=lambda secret: (secret.id, secret.target))),
    )


def _by_key(
    options: tuple[tuple[str, str | int | bool], ...],
) -> tuple[tuple[str, str | int | bool], ...]:
    return tuple(sorted(options, key=lambda pair: pair[0]))
