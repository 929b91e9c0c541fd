"""Three-way merges of locks: laws over any locks, and what must never be put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.lock.merge import MergedLock, merge_locks
from imagelock.lock.normal import normalise
from imagelock.model.archives import Archive
from imagelock.model.lock import SPEC_ROOT, ImageRecord, Lock, PipPin
from imagelock.model.names import digest_of, pip_name
from imagelock.model.platform import Platform
from imagelock.model.spec import BuilderChoice, RunRule
from support.example_lock import AMD64, ARM64, BOTH, apt_pin, example_lock, hash_of, pip_pin
from support.strategies import locks

Change = Callable[[Lock], Lock]
BASE = normalise(dataclasses.replace(example_lock(), images=()))
S390X = Platform("linux/s390x")


def asked(lock: Lock, part: str, **changes: object) -> Lock:
    table = dataclasses.replace(getattr(lock.roots, part), **changes)
    return dataclasses.replace(lock, roots=dataclasses.replace(lock.roots, **{part: table}))


def rooted(lock: Lock, **changes: object) -> Lock:
    return dataclasses.replace(lock, roots=dataclasses.replace(lock.roots, **changes))  # type: ignore[arg-type]  # by name


def with_pip(name: str) -> Change:
    def change(lock: Lock) -> Lock:
        pin = pip_pin(name, "1", (SPEC_ROOT, ""))
        more = asked(lock, "pip", packages=(*lock.roots.pip.packages, name))
        return dataclasses.replace(more, pip=(*lock.pip, pin))

    return change


def with_apt(name: str) -> Change:
    def change(lock: Lock) -> Lock:
        pin = apt_pin(name, "5.9-4", (SPEC_ROOT, ""))
        more = asked(lock, "apt", packages=(*lock.roots.apt.packages, name))
        return dataclasses.replace(more, apt=(*lock.apt, pin))

    return change


def upgraded(name: str, version: str, *platforms: Platform) -> Change:
    """Another version of a pip package, on some of its platforms."""

    def moved(pin: PipPin) -> list[PipPin]:
        on = tuple(p for p in pin.platforms if p in (platforms or BOTH))
        off = tuple(p for p in pin.platforms if p not in on)
        if pin.name != pip_name(name) or not on:
            return [pin]
        kept = [dataclasses.replace(pin, platforms=off)] if off else []
        return [dataclasses.replace(pin, version=version, platforms=on), *kept]

    def change(lock: Lock) -> Lock:
        return dataclasses.replace(lock, pip=tuple(new for pin in lock.pip for new in moved(pin)))

    return change


def with_env(key: str, value: str = "1") -> Change:
    return lambda lock: rooted(lock, env=(*dict(lock.roots.env).items(), (key, value)))


def with_run(lock: Lock) -> Lock:
    return rooted(lock, runs=(*lock.roots.runs, RunRule(commands=("id",))))


def with_python(lock: Lock) -> Lock:
    pins = tuple(dataclasses.replace(pin, version="3.11.3") for pin in lock.pythons)
    return dataclasses.replace(lock, pythons=pins)


def with_base(lock: Lock) -> Lock:
    changed = digest_of(hash_of("new base"))
    pins = tuple(dataclasses.replace(pin, digest=changed) for pin in lock.bases)
    return dataclasses.replace(lock, bases=pins)


def with_archive(url: str) -> Change:
    archive = Archive(name="zeta", url=url)
    return lambda lock: dataclasses.replace(lock, archives=(*lock.archives, archive))


def recorded(word: str, platform: Platform = AMD64) -> Change:
    record = ImageRecord(
        platform=platform,
        manifest_digest=digest_of(hash_of(word)),
        image_id=digest_of(hash_of(f"{word} config")),
    )
    return lambda lock: dataclasses.replace(lock, images=(*lock.images, record))


def merged(ours: Change, theirs: Change, base: Lock = BASE) -> MergedLock:
    """The merge; the same whichever side is ours, but for the words of its conflicts."""
    found = merge_locks(base, ours(base), theirs(base))
    other = merge_locks(base, theirs(base), ours(base))
    assert found.lock == other.lock
    assert {c.place for c in found.conflicts} == {c.place for c in other.conflicts}
    assert (found.lock is None) == bool(found.conflicts)
    return found


@settings(max_examples=60)
@given(locks(), locks())
def test_a_side_that_changed_nothing_takes_the_other(base: Lock, other: Lock) -> None:
    wanted = normalise(other)
    assert merge_locks(base, other, base).lock == wanted
    assert merge_locks(base, base, other).lock == wanted
    assert merge_locks(base, other, other).lock == wanted


@settings(max_examples=60)
@given(locks(), locks(), locks())
def test_a_merged_lock_reads_back_and_its_sides_may_be_exchanged(
    base: Lock, ours: Lock, theirs: Lock
) -> None:
    found = merge_locks(base, ours, theirs)
    assert found.lock == merge_locks(base, theirs, ours).lock
    if found.lock is None:
        assert found.conflicts
    else:
        data = encode_lock(found.lock)
        assert decode_lock(data, source="merged") == found.lock
        assert encode_lock(decode_lock(data, source="merged")) == data


CLEAN = [
    (with_apt("zsh"), with_pip("zzz")),
    (with_apt("zsh"), with_env("ZED")),
    (with_pip("zzz"), with_run),
    (with_env("A"), with_env("B")),
    (with_base, with_env("A")),
    (upgraded("six", "1.17.0", AMD64), upgraded("six", "1.17.1", ARM64)),
    (upgraded("numpy", "2.5", AMD64), upgraded("six", "1.17.1", ARM64)),
    (with_archive("https://zeta.example/"), with_pip("zzz")),
]


@pytest.mark.parametrize(("ours", "theirs"), CLEAN)
def test_what_was_resolved_apart_and_does_not_meet_is_merged(ours: Change, theirs: Change) -> None:
    assert merged(ours, theirs).lock == normalise(theirs(ours(BASE)))


CONFLICTS = [
    (with_pip("aaa"), with_pip("zzz"), "roots.pip.packages"),
    (with_apt("aaa"), with_apt("zzz"), "roots.apt.packages"),
    (with_env("A", "1"), with_env("A", "2"), "roots.env.A"),
    (upgraded("six", "1.17"), upgraded("six", "1.18"), "pip"),
    # Entries of one section that do not touch: nobody resolved the two together.
    (upgraded("six", "1.17"), upgraded("pandas", "3"), "pip"),
    (with_pip("zzz"), upgraded("six", "1.17"), "pip"),
    # The wheels were chosen for the interpreter and base of their own side.
    (with_pip("zzz"), with_python, "pip"),
    (with_pip("zzz"), with_base, "pip"),
    (with_apt("zsh"), with_base, "apt"),
    (with_archive("https://a.example/"), with_archive("https://b.example/"), "archive.zeta"),
]


@pytest.mark.parametrize(("ours", "theirs", "place"), CONFLICTS)
def test_what_nobody_resolved_together_is_a_conflict(
    ours: Change, theirs: Change, place: str
) -> None:
    assert place in [conflict.place for conflict in merged(ours, theirs).conflicts]


def test_a_conflict_names_the_entries() -> None:
    found = merged(upgraded("six", "1.17"), upgraded("six", "1.18"))
    assert [str(conflict) for conflict in found.conflicts] == ["pip: both sides changed six"]


def test_a_conflict_of_one_platform_names_it() -> None:
    found = merged(upgraded("six", "1.17", AMD64), upgraded("six", "1.18", AMD64))
    assert [str(conflict) for conflict in found.conflicts] == [
        "pip for linux/amd64: both sides changed six"
    ]


def test_a_platform_of_one_side_and_roots_of_the_other_are_a_conflict() -> None:
    def with_platform(lock: Lock) -> Lock:
        more = rooted(lock, platforms=(*lock.platforms, S390X))
        base = dataclasses.replace(lock.bases[0], platforms=(S390X,))
        return dataclasses.replace(more, bases=(*lock.bases, base))

    places = [conflict.place for conflict in merged(with_platform, with_pip("zzz")).conflicts]
    assert places == ["pip for linux/s390x"], "its pip was resolved without zzz"
    found = merged(with_platform, with_env("A")).lock
    assert found == normalise(with_env("A")(with_platform(BASE)))


def test_an_option_that_is_1_on_one_side_is_not_true() -> None:
    def with_option(*, value: int) -> Change:
        return lambda lock: rooted(
            lock, builder=BuilderChoice(name="docker", options=(("cache", value),))
        )

    base = with_option(value=True)(BASE)
    found = merge_locks(base, with_env("A")(base), with_option(value=1)(base))
    assert found.lock is not None
    assert [type(value) for _, value in found.lock.roots.builder.options] == [int]


def test_records_stay_with_the_image_they_are_of() -> None:
    both = merged(recorded("amd64"), recorded("arm64", ARM64)).lock
    assert both is not None
    assert len(both.images) == 2
    changed = merged(recorded("amd64"), with_env("A")).lock
    assert changed is not None
    assert changed.images == (), "nobody built the merged image"
    places = [conflict.place for conflict in merged(recorded("a"), recorded("b")).conflicts]
    assert places == ['image."linux/amd64"']
