"""Lock ↔ plain TOML data: the one form that files, canonical bytes and the schema share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imagelock.lock.checks import Within, Wrong
from imagelock.lock.kinds import Context, Keys
from imagelock.lock.pins import SECTIONS
from imagelock.lock.roots import RELATIVE, ROOTS
from imagelock.lock.tables import Tables, keep_unknown, parse_value
from imagelock.model.lock import LOCK_VERSION, NEWEST_RECIPE, Lock
from imagelock.model.spec import Spec
from imagelock.model.toml import toml_type

_FIRST_KEYS: Final = ("version", "recipe", "context", "reproducible", "roots")
TOP_KEYS: Final = frozenset({*_FIRST_KEYS, *(section.key for section in SECTIONS)})


def unknown_keys(lock: Lock) -> dict[str, Keys]:
    """The keys of later versions that a lock carries, by the place of their table."""
    return {place: keys for place, keys in lock.unknown if isinstance(keys, tuple)}


def to_document(lock: Lock, *, context: Context | None = None) -> dict[str, object]:
    """The plain data of a lock. Raise Wrong for what could not be read back."""
    context = context or Context(lock.platforms, unknown_keys(lock))
    document: dict[str, object] = {"version": LOCK_VERSION, "recipe": lock.recipe}
    if lock.context != ".":
        with Within("context"):
            document["context"] = RELATIVE.encode(lock.context, context, "")
    if not lock.reproducible:
        document["reproducible"] = False
    with Within("roots"):
        document["roots"] = ROOTS.encode(lock.roots, context, "roots")
    for section in SECTIONS:
        pins = getattr(lock, section.attribute)
        if pins:
            with Within(section.key):
                document[section.key] = Tables(section.table).encode(pins, context, section.key)
    context.used.add("")
    for key, text in context.unknown.get("", ()):
        document[key] = parse_value(text)
    return document


def used_places(lock: Lock, unknown: dict[str, Keys]) -> frozenset[str]:
    """Of the places that have unknown keys, those whose tables the lock has."""
    context = Context(lock.platforms, unknown)
    to_document(lock, context=context)
    return frozenset(context.used & unknown.keys())


def from_document(document: Mapping[str, object]) -> Lock:
    """The lock of plain data, in the order found. Raise Wrong with a path."""
    _check_version(document)
    recipe = _check_recipe(document)
    context = Context()
    if "roots" not in document:
        msg = "expected the table 'roots', which is missing"
        raise Wrong(msg)
    with Within("roots"):
        roots = ROOTS.decode(document["roots"], context)
    assert isinstance(roots, Spec)
    context.prefix_found(0, "roots")
    context.platforms = tuple(sorted(roots.platforms))
    found: dict[str, object] = {}
    for section in SECTIONS:
        if section.key in document:
            mark = len(context.found)
            with Within(section.key):
                tables = Tables(section.table)
                found[section.attribute] = tables.decode(document[section.key], context)
            context.prefix_found(mark, section.key)
    if document.keys() - TOP_KEYS:
        keep_unknown(document, TOP_KEYS, context)
    if "reproducible" in document:
        _check_mark(document["reproducible"], roots)
    if "context" in document:
        with Within("context"):
            found["context"] = RELATIVE.decode(document["context"], context)
    return Lock(roots=roots, recipe=recipe, unknown=_gathered(context), **found)  # type: ignore[arg-type]  # by attribute name


def _gathered(context: Context) -> tuple[tuple[str, object], ...]:
    unknown: dict[str, object] = {}
    for place, keys in context.found:
        if unknown.setdefault(place, keys) != keys:
            msg = f"expected one entry with the keys of {place}, got two that differ"
            raise Wrong(msg)
    return tuple(sorted(unknown.items()))


def _check_version(document: Mapping[str, object]) -> None:
    version = document.get("version")
    if type(version) is not int:
        found = "nothing" if version is None else toml_type(version)
        msg = f"expected the number {LOCK_VERSION}, got {found}"
        raise Wrong(msg, hint="is this a lock? `imagelock lock SPEC` writes one").within("version")
    if version != LOCK_VERSION:
        msg = f"lock version {version} is not known here; this release reads {LOCK_VERSION}"
        raise Wrong(msg, hint="upgrade imagelock").within("version")


def _check_mark(value: object, roots: Spec) -> None:
    """The line that a run with a network puts into a lock, for those who review it."""
    if value is not False or not any(rule.network for rule in roots.runs):
        msg = "expected false, and that only with a run that has a network"
        raise Wrong(msg).within("reproducible")


def _check_recipe(document: Mapping[str, object]) -> int:
    recipe = document.get("recipe")
    if type(recipe) is not int:
        found = "nothing" if recipe is None else toml_type(recipe)
        msg = f"expected a number, got {found}"
        raise Wrong(msg).within("recipe")
    if not 1 <= recipe <= NEWEST_RECIPE:
        msg = f"recipe {recipe} is not known here; this release builds up to {NEWEST_RECIPE}"
        raise Wrong(msg, hint="upgrade imagelock").within("recipe")
    return recipe
