"""Locks under version control: real `git merge`, and how little a small change touches."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.lock.normal import normalise
from imagelock.model.archives import Archive
from imagelock.model.lock import SPEC_ROOT, CondaPin, ImageRecord, Lock, Requirer
from imagelock.model.names import digest_of
from imagelock.model.platform import Platform
from imagelock.model.spec import ImageBase, RunRule, Spec
from support.example_lock import (
    AMD64,
    apt_pin,
    artifact,
    example_lock,
    hash_of,
    pip_pin,
)
from support.git import git

Change = Callable[[Lock], Lock]
EMPTY = Lock(roots=Spec(name="a", base=ImageBase(image="debian:12")))


def merged(folder: Path, base: Lock, ours: Lock, theirs: Lock) -> bytes:
    """What `git merge` makes of two branches; fails when it reports a conflict."""
    path = folder / "train.lock"
    git(folder, "init", "-q", "-b", "ours")
    for lock, words in (
        (base, ("commit", "-q", "-m", "base")),
        (theirs, ("commit", "-q", "-m", "theirs")),
        (ours, ("commit", "-q", "-m", "ours")),
    ):
        if lock is theirs:
            assert git(folder, "checkout", "-q", "-b", "theirs").returncode == 0
        if lock is ours:
            assert git(folder, "checkout", "-q", "ours").returncode == 0
        path.write_bytes(encode_lock(lock))
        git(folder, "add", path.name)
        assert git(folder, *words).returncode == 0
    answer = git(folder, "merge", "-q", "-m", "merge", "theirs")
    assert answer.returncode == 0, answer.stdout + path.read_text(encoding="utf-8")
    return path.read_bytes()


def asking(lock: Lock, *, pip: str = "", apt: str = "") -> Spec:
    roots = lock.roots
    if pip:
        packages = (*roots.pip.packages, pip)
        roots = dataclasses.replace(roots, pip=dataclasses.replace(roots.pip, packages=packages))
    if apt:
        packages = (*roots.apt.packages, apt)
        roots = dataclasses.replace(roots, apt=dataclasses.replace(roots.apt, packages=packages))
    return roots


def last_apt(lock: Lock) -> Lock:
    pin = apt_pin("zsh", "5.9-4", (SPEC_ROOT, ""))
    return dataclasses.replace(lock, roots=asking(lock, apt="zsh"), apt=(*lock.apt, pin))


def first_conda(lock: Lock) -> Lock:
    pin = CondaPin(
        name="_a",
        version="1",
        build="0",
        subdir="noarch",
        artifact=artifact("conda-forge", "noarch/_a-1-0.conda"),
        platforms=(AMD64,),
        required_by=(Requirer(name=SPEC_ROOT),),
    )
    conda = dataclasses.replace(lock.roots.conda, packages=(*lock.roots.conda.packages, "_a"))
    roots = dataclasses.replace(lock.roots, conda=conda)
    return dataclasses.replace(lock, roots=roots, conda=(*lock.conda, pin))


def first_pip(lock: Lock) -> Lock:
    pin = pip_pin("aaa", "1", (SPEC_ROOT, ""), platforms=lock.platforms)
    return dataclasses.replace(lock, roots=asking(lock, pip="aaa"), pip=(*lock.pip, pin))


def last_pip(lock: Lock) -> Lock:
    pin = pip_pin("zzz", "1", (SPEC_ROOT, ""), platforms=lock.platforms)
    return dataclasses.replace(lock, roots=asking(lock, pip="zzz"), pip=(*lock.pip, pin))


def recorded(lock: Lock) -> Lock:
    record = ImageRecord(
        platform=lock.platforms[-1],
        manifest_digest=digest_of(hash_of("m")),
        image_id=digest_of(hash_of("i")),
    )
    return dataclasses.replace(lock, images=(*lock.images, record))


def with_archive(lock: Lock) -> Lock:
    archive = Archive(name="zeta", url="https://zeta.example/")
    return dataclasses.replace(lock, archives=(*lock.archives, archive))


def with_env(lock: Lock) -> Lock:
    roots = dataclasses.replace(lock.roots, env=(*lock.roots.env, ("ZED", "1")))
    return dataclasses.replace(lock, roots=roots)


def with_run(lock: Lock) -> Lock:
    roots = dataclasses.replace(lock.roots, runs=(*lock.roots.runs, RunRule(commands=("id",))))
    return dataclasses.replace(lock, roots=roots)


CHANGES = (
    last_apt,
    first_conda,
    first_pip,
    last_pip,
    recorded,
    with_archive,
    with_env,
    with_run,
)
PAIRS = [
    (one, two)
    for one in CHANGES
    for two in CHANGES
    if one.__name__ < two.__name__ and {one, two} != {first_pip, last_pip}
]


@pytest.mark.parametrize(
    "base",
    [
        pytest.param(EMPTY, id="empty"),
        pytest.param(example_lock(), id="full", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_changes_of_different_sections_merge(
    ours: Change, theirs: Change, base: Lock, tmp_path: Path
) -> None:
    data = merged(tmp_path, base, ours(base), theirs(base))
    lock = decode_lock(data, source="train.lock")
    assert lock == normalise(theirs(ours(base)))
    assert encode_lock(lock) == data


def test_a_conflict_in_one_section_has_its_own_message(tmp_path: Path) -> None:
    base = example_lock()
    six = base.pip[-1]
    one = dataclasses.replace(base, pip=(*base.pip[:-1], dataclasses.replace(six, version="1.17")))
    two = dataclasses.replace(base, pip=(*base.pip[:-1], dataclasses.replace(six, version="1.18")))
    with pytest.raises(AssertionError, match="CONFLICT"):
        merged(tmp_path, base, one, two)
    with pytest.raises(Exception, match="unresolved merge conflicts"):
        decode_lock((tmp_path / "train.lock").read_bytes(), source="train.lock")


def differing_lines(old: Lock, new: Lock) -> tuple[list[str], list[str]]:
    before = Counter(encode_lock(old).decode().splitlines())
    after = Counter(encode_lock(new).decode().splitlines())
    return list((before - after).elements()), list((after - before).elements())


def test_an_upgrade_changes_the_lines_of_its_package() -> None:
    old = example_lock()
    upgraded = pip_pin("six", "1.17.0", (SPEC_ROOT, "==1.16.0"), ("pandas", ""))
    gone, come = differing_lines(old, dataclasses.replace(old, pip=(*old.pip[:-1], upgraded)))
    assert [line.partition(" ")[0] for line in gone] == ["version", "path", "sha256"]
    assert [line.partition(" ")[0] for line in come] == ["version", "path", "sha256"]


def test_a_new_requirer_is_one_line() -> None:
    old = example_lock()
    six = pip_pin("six", "1.16.0", (SPEC_ROOT, "==1.16.0"), ("pandas", ""), ("numpy", ">=1"))
    gone, come = differing_lines(old, dataclasses.replace(old, pip=(*old.pip[:-1], six)))
    assert gone == []
    assert come == ['  { name = "numpy", specifier = ">=1" },']


def test_a_new_platform_does_not_touch_what_is_on_all() -> None:
    old = example_lock()
    roots = dataclasses.replace(old.roots, platforms=(*old.platforms, Platform("linux/s390x")))
    everywhere = tuple(
        dataclasses.replace(pin, platforms=roots.platforms)
        if pin.platforms == old.platforms
        else pin
        for pin in old.pip
    )
    new = dataclasses.replace(old, roots=roots, pip=everywhere, apt=old.apt[:2], pythons=())
    before = dataclasses.replace(old, apt=old.apt[:2], pythons=())
    gone, come = differing_lines(before, new)
    assert gone == []
    assert come == ['  "linux/s390x",']
