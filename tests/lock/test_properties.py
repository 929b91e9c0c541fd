"""Laws of the lock file and of the tag, over any lock."""

# ruff: noqa: ANN401  # plain TOML data is walked and changed freely

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.lock.checks import Wrong
from imagelock.lock.consistency import check_consistent
from imagelock.lock.decode import decode_lock
from imagelock.lock.document import from_document, to_document
from imagelock.lock.encode import encode_lock
from imagelock.lock.normal import normalise, normalise_spec
from imagelock.lock.roots_diff import changed_roots
from imagelock.lock.stale import stale_sections, staleness
from imagelock.lock.tag import canonical_bytes, lock_digest
from imagelock.model.lock import Lock
from imagelock.model.spec import DEFAULT_TAG_FORMAT, Spec
from support.strategies import locks, specs

given_some = settings(max_examples=settings().max_examples // 3)
"""A whole lock takes milliseconds to draw; the profile `explore` still scales this."""


def pinned(lock: Lock) -> str:
    """What the tag must cover, as text: ``repr`` tells ``True`` from ``1``, equality does not."""
    roots = dataclasses.replace(lock.roots, name="", registry=None, tag_format=DEFAULT_TAG_FORMAT)
    stripped = dataclasses.replace(lock, roots=roots, images=(), context=".")
    return repr(normalise(stripped))


def shuffled(draw: Callable[[st.SearchStrategy[Any]], Any], lock: Lock) -> Lock:
    """The same lock as another resolver run might answer it: other orders, split entries."""

    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(draw(st.permutations(items)))

    def split(pins: tuple[Any, ...]) -> tuple[Any, ...]:
        parts = []
        for pin in pins:
            cut = draw(st.integers(0, len(pin.platforms) - 1))
            for platforms in (pin.platforms[:cut], pin.platforms[cut:]):
                if platforms:
                    changes: dict[str, object] = {"platforms": mixed(platforms)}
                    for name in ("required_by", "extras"):
                        if hasattr(pin, name):
                            changes[name] = mixed(getattr(pin, name))
                    parts.append(dataclasses.replace(pin, **changes))
        return mixed(tuple(parts))

    pip = lock.roots.pip
    roots = dataclasses.replace(
        lock.roots,
        platforms=mixed(lock.roots.platforms),
        env=mixed(lock.roots.env),
        secrets=mixed(lock.roots.secrets),
        pip=dataclasses.replace(
            pip,
            packages=mixed(pip.packages),
            requirements=mixed(pip.requirements),
            constraints=mixed(pip.constraints),
            overrides=mixed(pip.overrides),
            allow_sdist=mixed(pip.allow_sdist),
            no_binary=mixed(pip.no_binary),
            config_settings=mixed(pip.config_settings),
        ),
    )
    return dataclasses.replace(
        lock,
        roots=roots,
        archives=mixed(lock.archives),
        bases=split(lock.bases),
        apt_indexes=mixed(lock.apt_indexes),
        apt=split(lock.apt),
        apt_removals=split(lock.apt_removals),
        conda=split(lock.conda),
        pythons=split(lock.pythons),
        pip=split(lock.pip),
        images=mixed(lock.images),
    )


@given_some
@given(locks())
def test_what_is_written_is_read(lock: Lock) -> None:
    assert decode_lock(encode_lock(lock), source="a.lock") == normalise(lock)


@given_some
@given(locks())
def test_a_lock_is_written_as_it_was_read(lock: Lock) -> None:
    data = encode_lock(lock)
    assert encode_lock(decode_lock(data, source="a.lock")) == data


@given_some
@given(locks())
def test_the_normal_form_is_its_own(lock: Lock) -> None:
    normal = normalise(lock)
    assert normalise(normal) == normal


@given_some
@given(st.data(), locks())
def test_order_and_splitting_change_no_byte(data: st.DataObject, lock: Lock) -> None:
    other = shuffled(data.draw, lock)
    assert encode_lock(other) == encode_lock(lock)
    assert lock_digest(other) == lock_digest(lock)


@given_some
@given(locks())
def test_the_file_is_lf_and_ends_in_one(lock: Lock) -> None:
    data = encode_lock(lock)
    assert b"\r" not in data
    assert data.endswith(b"\n")
    assert all(line == line.rstrip() or '"' in line for line in data.decode().split("\n"))


@given_some
@given(locks())
def test_line_ends_comments_and_blanks_mean_nothing(lock: Lock) -> None:
    data = encode_lock(lock)
    busy = b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n\t# \xe2\x9c\x93 words\r\n \r\n")
    assert decode_lock(busy, source="a.lock") == decode_lock(data, source="a.lock")


@given_some
@given(st.data(), locks())
def test_key_order_means_nothing(data: st.DataObject, lock: Lock) -> None:
    document = tomllib.loads(encode_lock(lock).decode())

    def mixed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: mixed(value[key]) for key in data.draw(st.permutations(list(value)))}
        return [mixed(item) for item in value] if isinstance(value, list) else value

    assert normalise(from_document(mixed(document))) == normalise(lock)


def unwrapped(table: dict[str, Any]) -> Any:
    """Undo what stands for the values that JSON has no form for."""
    if table.keys() != {"toml"}:
        return table
    return tomllib.loads(f"value = {table['toml']}")["value"]


@given_some
@given(locks())
def test_the_canonical_form_gives_the_lock_back(lock: Lock) -> None:
    """An inverse exists, so no two locks share a canonical form."""
    document = json.loads(canonical_bytes(lock), object_hook=unwrapped)
    document["roots"]["name"] = "x"
    assert pinned(from_document(document)) == pinned(lock)


@given_some
@given(locks(), specs)
def test_names_and_records_are_not_in_the_tag(lock: Lock, spec: Spec) -> None:
    roots = dataclasses.replace(
        lock.roots, name=spec.name, registry=spec.registry, tag_format=spec.tag_format
    )
    other = dataclasses.replace(lock, roots=roots, images=(), context="elsewhere")
    assert canonical_bytes(other) == canonical_bytes(lock)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all strings, numbers and booleans, and of all lists."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        inner = [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
        return [path, *inner] if value else inner
    return [path]


def mutated(document: Any, path: tuple[Any, ...]) -> list[Any]:
    """Copies of a document that differ in one leaf, the first of them most likely valid."""
    results = []
    for change in (_flip, _append, _digit, _drop):
        copy = json.loads(json.dumps(document))
        holder = copy
        for part in path[:-1]:
            holder = holder[part]
        value = change(holder[path[-1]])
        if value is not None:
            holder[path[-1]] = value
            results.append(copy)
    return results


def _flip(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value - 1 if isinstance(value, int) and value > 1 else None


def _append(value: Any) -> Any:
    if isinstance(value, str):
        return value + "x"
    return value + 1 if isinstance(value, int) and not isinstance(value, bool) else None


def _digit(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return None
    return value[:-1] + ("0" if value[-1] == "1" else "1")


def _drop(value: Any) -> Any:
    return value[1:] if isinstance(value, list) else None


@given_some
@given(st.data(), locks())
def test_each_leaf_alone_changes_the_tag(data: st.DataObject, lock: Lock) -> None:
    document = to_document(normalise(lock))
    path = data.draw(st.sampled_from(leaves(document)))
    for changed in mutated(document, path):
        try:
            other = from_document(changed)
            check_consistent(other)
        except Wrong:
            continue
        assert (lock_digest(other) != lock_digest(lock)) == (pinned(other) != pinned(lock))


@given_some
@given(locks(), locks())
def test_two_locks_share_a_digest_only_when_they_pin_the_same(lock: Lock, other: Lock) -> None:
    assert (lock_digest(lock) == lock_digest(other)) == (pinned(lock) == pinned(other))


@given_some
@given(locks())
def test_a_lock_is_fresh_for_its_own_spec(lock: Lock) -> None:
    assert staleness(lock, lock.roots) == ()
    assert staleness(normalise(lock), lock.roots) == ()
    assert stale_sections(lock, lock.roots) == frozenset()


@given_some
@given(specs, specs)
def test_two_specs_differ_exactly_when_reasons_say_so(old: Spec, new: Spec) -> None:
    assert bool(changed_roots(old, new)) == (normalise_spec(old) != normalise_spec(new))


@given_some
@given(specs, specs)
def test_every_field_that_differs_has_a_reason_of_its_own(old: Spec, new: Spec) -> None:
    seen = {change.key for change in changed_roots(old, new)}
    before, after = normalise_spec(old), normalise_spec(new)
    keys = {"copies": "copy", "runs": "run", "secrets": "secret", "tag_format": "tag-format"}
    for field in dataclasses.fields(Spec):
        differs = getattr(before, field.name) != getattr(after, field.name)
        assert differs == (keys.get(field.name, field.name) in seen), field.name


@given_some
@given(specs, specs)
def test_a_lock_that_could_serve_the_old_spec_is_stale_for_the_new(old: Spec, new: Spec) -> None:
    reasons = staleness(Lock(roots=old), new)
    assert {str(reason) for reason in reasons} >= {str(c) for c in changed_roots(old, new)}
    assert stale_sections(Lock(roots=old), new) >= {reason.section for reason in reasons}
