"""Packages made to harm, damaged, or not the ones that were locked: exit 5, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagelock.fetch.store import Store
from imagelock.layers.conda import archive as archives
from imagelock.model.errors import ExitCode, IntegrityError
from support.archives import Member
from support.conda_channel import CondaFile, CondaPackage, conda_package, dot_conda, packed
from support.conda_sites import conda_lock, conda_step, link

FILE = CondaFile(data=b"x")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def one(**more: Any) -> CondaPackage:  # noqa: ANN401 - whatever the packer takes
    return conda_package("evil", **more)


def listed(path: str, kind: str = "hardlink") -> list[dict[str, object]]:
    return [{"_path": path, "path_type": kind}]


def member(path: str, **more: Any) -> Member:  # noqa: ANN401 - whatever a member takes
    return Member(path=path, **{"data": b"x", "mode": 0o644, **more})


HOSTILE: dict[str, Callable[[], list[CondaPackage]]] = {
    "a listed path that climbs": lambda: [one(paths=listed("../../etc/passwd"))],
    "a listed path that climbs inside": lambda: [one(paths=listed("a/../../x"))],
    "a listed absolute path": lambda: [one(paths=listed("/etc/passwd"))],
    "a listed path with a backslash that climbs": lambda: [one(paths=listed("a\\b/../../../x"))],
    "a listed path that is none": lambda: [one(paths=listed(""))],
    "a member that climbs": lambda: [one(files={"a": FILE}, extra=[member("../../x")])],
    "an absolute member": lambda: [one(files={"a": FILE}, extra=[member("/etc/cron.d/x")])],
    "a device": lambda: [one(extra=[Member(path="dev/sda", kind=b"4")])],
    "a character device": lambda: [one(extra=[Member(path="dev/mem", kind=b"3")])],
    "a pipe": lambda: [one(extra=[Member(path="run/pipe", kind=b"6")])],
    "a member of no known type": lambda: [one(extra=[Member(path="x", kind=b"Z")])],
    "a member twice": lambda: [one(files={"a": FILE}, extra=[member("a")])],
    "a path listed twice": lambda: [one(files={"a": FILE}, paths=[*listed("a"), *listed("a")])],
    "an absolute link": lambda: [one(files={"etc/x": CondaFile(link="/etc/shadow")})],
    "a link that climbs": lambda: [one(files={"a/x": CondaFile(link="../../../../etc/shadow")})],
    "a link to the folder above": lambda: [one(files={"up": CondaFile(link="..")})],
    "a file below an absolute link": lambda: [
        one(files={"out": CondaFile(link="/etc"), "out/cron.d/x": FILE})
    ],
    "a file below a link of another package": lambda: [
        conda_package("first", files={"out": CondaFile(link="../../etc")}),
        one(files={"out/cron.d/x": FILE}),
    ],
    "a link listed as a file": lambda: [
        one(extra=[Member(path="out", link="/etc")], paths=[*listed("out"), *listed("out/x")])
    ],
    "links that lead to each other": lambda: [
        one(files={"a": CondaFile(link="b"), "b": CondaFile(link="a"), "a/x": FILE})
    ],
    "a file below a file": lambda: [one(files={"a": FILE, "a/b": FILE})],
    "a file that is a folder elsewhere": lambda: [
        conda_package("first", files={"a/b": FILE}),
        one(files={"a": FILE}),
    ],
    "a hard link out": lambda: [
        one(extra=[Member(path="h", hard="../../../etc/shadow")], paths=listed("h"))
    ],
    "a hard link to nothing": lambda: [
        one(extra=[Member(path="h", hard="nowhere")], paths=listed("h"))
    ],
    "a hard link to what is not installed": lambda: [
        one(
            extra=[Member(path="info/secret", data=b"x"), Member(path="h", hard="info/secret")],
            paths=listed("h"),
        )
    ],
    "another package's conda-meta": lambda: [one(files={"conda-meta/python-3.11.9-0.json": FILE})],
    "the history of the environment": lambda: [one(files={"conda-meta/history": FILE})],
    "a file that is listed and not there": lambda: [one(paths=listed("nowhere"))],
    "a file of another hash": lambda: [
        one(files={"a": FILE}, paths=[{**listed("a")[0], "sha256": "0" * 64, "size_in_bytes": 1}])
    ],
    "a file of another size": lambda: [
        one(files={"a": FILE}, paths=[{**listed("a")[0], "size_in_bytes": 2}])
    ],
    "a path of no known type": lambda: [one(files={"a": FILE}, paths=listed("a", "portal"))],
    "paths of no version": lambda: [one(info={"info/paths.json": b'{"paths": []}'})],
    "paths that are no JSON": lambda: [one(info={"info/paths.json": b"{"})],
    "paths that nest without end": lambda: [one(info={"info/paths.json": b"[" * 100_000})],
    "no list of files": lambda: [one(info={"info/paths.json": None, "info/files": None})],
    "no index": lambda: [one(info={"info/index.json": None})],
    "an index of another name": lambda: [renamed("name", "other")],
    "an index of another version": lambda: [renamed("version", "6.6")],
    "an index of another build": lambda: [renamed("build", "h0_9")],
    "an entry point with a path": lambda: [
        python(),
        one(noarch="python", entry_points=["../../../etc/x = a:b"]),
    ],
    "an entry point that is code": lambda: [
        python(),
        one(noarch="python", entry_points=["x = a:b; import os"]),
    ],
    "a placeholder shorter than the prefix": lambda: [
        one(
            files={"a": CondaFile(data=b"\x7fELF/p\0")},
            paths=[{**listed("a")[0], "prefix_placeholder": "/p", "file_mode": "binary"}],
        )
    ],
    "a path that no encoding has": lambda: [one(paths=listed("\ud800"))],
    "a prefix that no encoding has": lambda: [
        one(files={"a": FILE}, paths=[{**listed("a")[0], "prefix_placeholder": "/\ud800"}])
    ],
    "another package's conda-meta through a link": lambda: [
        conda_package("first", files={"notes": CondaFile(link="conda-meta")}),
        one(files={"notes/first-1.0-0.json": FILE}),
    ],
    "an encrypted archive": lambda: [encrypted()],
    "not an archive": lambda: [broken(".conda", b"not a zip")],
    "not an old archive": lambda: [broken(".tar.bz2", b"not bzip2")],
    "nothing": lambda: [broken(".conda", b"")],
    "a zip of something else": lambda: [broken(".conda", _zip_without_parts())],
    "an old archive cut short": lambda: [cut(".tar.bz2")],
    "an archive cut short": lambda: [cut(".conda")],
    "parts that are not compressed tars": lambda: [broken(".conda", _zip_of_noise())],
}


def python() -> CondaPackage:
    return conda_package("python", "3.11.9", files={"bin/python3.11": FILE})


def renamed(key: str, value: str) -> CondaPackage:
    package = one(files={"a": FILE})
    other = one(
        files={"a": FILE},
        info={"info/index.json": json.dumps({**package.entry, key: value}).encode()},
    )
    return packed(package.filename, other.data, package.entry)


def broken(form: str, data: bytes) -> CondaPackage:
    return packed(f"evil-1.0-0{form}", data, one().entry)


def cut(form: str) -> CondaPackage:
    whole = one(form=form, files={"a": CondaFile(data=bytes(range(256)) * 4000)})
    return packed(whole.filename, whole.data[: len(whole.data) // 2], whole.entry)


def encrypted() -> CondaPackage:
    """A flag of the zip says so; what it holds does not matter."""
    data = bytearray(one(files={"a": FILE}).data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(signature, place + 4)
    return broken(".conda", bytes(data))


def _zip_without_parts() -> bytes:
    import io
    import zipfile

    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("metadata.json", "{}")
    return output.getvalue()


def _zip_of_noise() -> bytes:
    return dot_conda("evil-1.0-0", b"noise" * 1000, b"noise" * 1000)


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_and_nothing_is_written(name: str, store: Store, tmp_path: Path) -> None:
    packages = HOSTILE[name]()
    before = _files(tmp_path, packages, store)
    with pytest.raises(IntegrityError) as caught:
        link(store, packages)
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert caught.value.where
    assert caught.value.hint
    assert _files(tmp_path, packages, store) == before


def _files(folder: Path, packages: list[CondaPackage], store: Store) -> set[Path]:
    for package in packages:
        store.add_bytes(package.data)
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_bomb_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_GENEROUS", 1 << 20)
    with pytest.raises(IntegrityError, match="unpack to"):
        link(store, [one(files={"zeros": CondaFile(data=bytes(64 << 20))})])


def test_a_bomb_of_lists_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LARGEST_INFO", 1 << 20)
    with pytest.raises(IntegrityError, match="larger than any honest one"):
        link(store, [one(info={"info/test/big": bytes(2 << 20), "info/files": bytes(2 << 20)})])


def test_hostile_members_that_nobody_lists_are_refused_as_well(store: Store) -> None:
    """What is not listed is not installed; but who packs such a member packs it for a reason."""
    harmless = one(files={"a": FILE}, extra=[member("share/unlisted")])
    assert "share/unlisted" not in link(store, [harmless]).members


def test_two_packages_lock_no_python_for_a_noarch_one(store: Store) -> None:
    from imagelock.model.errors import BuildError

    pure = conda_package("pure", noarch="python", files={"site-packages/pure.py": FILE})
    with pytest.raises(BuildError, match="no conda python"):
        link(store, [pure])
    assert conda_step(conda_lock([pure])).python == ""
