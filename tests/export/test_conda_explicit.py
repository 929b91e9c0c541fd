"""The explicit file of a lock's conda packages."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from imagelock.lock import encode_lock
from imagelock.lock.export import export_conda_explicit
from imagelock.model.archives import Archive
from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from support.command import call
from support.conda_channel import conda_package
from support.conda_sites import conda_lock

AMD64, ARM64 = Platform("linux/amd64"), Platform("linux/arm64")
CEP_23 = re.compile(
    r"(?:(?P<url_p>.+)(?:[/\\\\]))?(?P<fn>[^/\\\\#]+(?:\.tar\.bz2|\.conda))"
    r"(?:#((?P<md5>[0-9a-f]{32})|((sha256:)?(?P<sha256>[0-9a-f]{64}))))?$"
)
"""What CEP 23 says a line must match."""


def locked() -> Lock:
    return conda_lock(
        [
            conda_package("zlib", "1.3", "h0_1"),
            conda_package("zlib", "1.3", "h1_1", subdir="linux-aarch64", form=".tar.bz2"),
            conda_package("data", noarch="generic"),
        ],
        platforms=(AMD64, ARM64),
    )


def test_one_platform_sorted_with_hashes() -> None:
    text = export_conda_explicit(locked(), ARM64)
    head, lines = text.splitlines()[:3], text.splitlines()[3:]
    assert head[1:] == ["# platform: linux-aarch64", "@EXPLICIT"]
    found = [CEP_23.fullmatch(line) for line in lines]
    assert [match["fn"] for match in found if match] == [
        "data-1.0-0.conda",
        "zlib-1.3-h1_1.tar.bz2",
    ]
    hashes = {pin.artifact.filename: pin.artifact.sha256 for pin in locked().conda}
    assert all(match and match["sha256"] == hashes[match["fn"]] for match in found)
    assert lines[0].startswith("https://conda.anaconda.org/conda-forge/noarch/data-")


def test_a_platform_must_be_named_where_there_are_several() -> None:
    with pytest.raises(UsageError, match="for one platform"):
        export_conda_explicit(locked())
    with pytest.raises(UsageError, match="expected a platform of this lock"):
        export_conda_explicit(locked(), Platform("linux/s390x"))
    alone = conda_lock([conda_package("data", noarch="generic")])
    assert export_conda_explicit(alone) == export_conda_explicit(alone, AMD64)


def test_a_local_folder_has_no_url() -> None:
    lock = conda_lock([conda_package("data", noarch="generic")])
    pins = tuple(replace(pin, artifact=replace(pin.artifact, archive="mine")) for pin in lock.conda)
    lock = replace(lock, conda=pins, archives=(Archive(name="mine", url="../channel/"),))
    with pytest.raises(UsageError, match="is from the local folder"):
        export_conda_explicit(lock)


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "t.lock"
    path.write_bytes(encode_lock(locked()))
    done = call("export", str(path), "--format", "conda-explicit", "--platform", "linux/amd64")
    assert done.code == 0, done.err
    assert done.out == export_conda_explicit(locked(), AMD64)
    assert call("export", str(path), "--format", "conda-explicit").code == 2
