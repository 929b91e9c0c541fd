"""Metadata files, wheels and sdists as they are found, and as they should not be."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from imagelock.fetch.pypi.files import _in_bytes
from imagelock.fetch.pypi.sdist import read_member
from imagelock.fetch.pypi.wheel import NotReadable, read_metadata
from imagelock.model.errors import UsageError
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.metadata import is_static, parse_metadata
from imagelock.resolve.pip.ports import CoreMetadata
from imagelock.resolve.pip.requirements import Markers, parse
from imagelock.resolve.pip.target import TargetTags, environment_of
from support.wheels import metadata_text, sdist, wheel


def test_a_line_of_blanks_in_a_licence_does_not_end_the_headers() -> None:
    text = (
        b"\xef\xbb\xbfMetadata-Version: 2.1\r\nName: demo\r\nVersion: 1\r\n"
        b"License: one\r\n        \r\n        two\r\nno colon here\r\n"
        b"Requires-Dist: a\r\n  >=1\r\nRequires-Python: >=3.9\r\n\r\nRequires-Dist: not-this\r\n"
    )
    found = parse_metadata(text)
    assert found.requires_dist == ("a >=1",)
    assert found.requires_python == ">=3.9"


@pytest.mark.parametrize("text", [b"", b"Name: x\n", b"Version: 1\n", b"\nName: x\nVersion: 1\n"])
def test_metadata_without_a_name_or_version(text: bytes) -> None:
    with pytest.raises(ValueError, match="expected a"):
        parse_metadata(text)


@pytest.mark.parametrize(
    ("version", "dynamic", "expected"),
    [
        ("2.2", (), True),
        ("2.4", ("license",), True),
        ("2.2", ("requires-dist",), False),
        ("2.2", ("requires-python",), False),
        ("2.1", (), False),
        ("", (), False),
        ("two", (), False),
    ],
)
def test_static_metadata(version: str, dynamic: tuple[str, ...], *, expected: bool) -> None:
    metadata = CoreMetadata(name="a", version="1", metadata_version=version, dynamic=dynamic)
    assert is_static(metadata) is expected


@pytest.mark.parametrize(
    ("text", "name", "extras", "specifier"),
    [
        ("Foo.Bar_baz", "foo-bar-baz", (), ""),
        ("a (>=1,<2)", "a", (), "<2,>=1"),
        ("a[Y, x_z]>=1", "a", ("x-z", "y"), ">=1"),
        ("a >= 1.0.*", "a", (), ">=1.0"),
        ("a === 1.0-custom", "a", (), "===1.0-custom"),
        ("a[]", "a", (), ""),
    ],
)
def test_requirements_as_they_are_written(
    text: str, name: str, extras: tuple[str, ...], specifier: str
) -> None:
    found = parse(text)
    assert (found.name, found.extras, found.specifier) == (name, extras, specifier)


@pytest.mark.parametrize("text", ["", "a b", "a >=", "a >> 1", "a[", "-e .", "a>=1.*.2"])
def test_what_is_no_requirement(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


def test_an_extra_gives_only_what_it_adds() -> None:
    target = PythonTarget(platform=Platform("linux/amd64"), version="3.12.1", libc="glibc 2.36")
    markers = Markers(environment_of(target))
    lines = ("a", "b; extra == 'x'", "c; python_version > '3' or extra == 'x'", "d; extra == 'y'")
    assert [item.name for item in markers.applying(lines)] == ["a", "c"]
    assert [item.name for item in markers.applying(lines, "x")] == ["b"]


def test_pypy_has_its_own_tags() -> None:
    target = PythonTarget(
        platform=Platform("linux/amd64"),
        version="3.11.13",
        libc="glibc 2.36",
        implementation="pypy",
    )
    tags = TargetTags(target)
    assert tags.rank("a-1-pp311-pypy311_pp73-manylinux_2_17_x86_64.whl") is not None
    assert tags.rank("a-1-cp311-cp311-manylinux_2_17_x86_64.whl") is None
    assert environment_of(target)["platform_python_implementation"] == "PyPy"


@pytest.mark.parametrize(
    ("libc", "implementation"),
    [("glibc", "cpython"), ("uclibc 1.0", "cpython"), ("glibc 2.36", "jython")],
)
def test_targets_that_are_none(libc: str, implementation: str) -> None:
    target = PythonTarget(
        platform=Platform("linux/amd64"),
        version="3.12.1",
        libc=libc,
        implementation=implementation,
    )
    with pytest.raises(UsageError) as caught:
        _ = TargetTags(target).ranks
    assert caught.value.where == "linux/amd64"


@pytest.mark.parametrize("kept", [0, 10, 30, 60, 120, 200])
def test_a_wheel_cut_anywhere_is_not_readable(kept: int) -> None:
    data = wheel("demo", "1.0")[-kept:] if kept else b""
    with pytest.raises(NotReadable):
        read_metadata(data, len(data), "demo-1.0", lambda first, last: data[first:last])


@pytest.mark.parametrize("place", range(8))
def test_a_flipped_byte_of_the_metadata_is_noticed(place: int) -> None:
    data = bytearray(wheel("demo", "1.0", early=True))
    name = b"demo-1.0.dist-info/METADATA"
    start = data.index(name) + len(name)
    data[start + place * 8] ^= 0x55
    with pytest.raises(NotReadable):
        read_metadata(bytes(data), len(data), "demo-1.0", lambda a, b: bytes(data[a:b]))


def test_a_member_that_claims_to_be_huge() -> None:
    data = bytearray(wheel("demo", "1.0", early=True))
    entry = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 24, 1 << 31)
    with pytest.raises(NotReadable, match="damaged"):
        read_metadata(bytes(data), len(data), "demo-1.0", lambda a, b: bytes(data[a:b]))


def test_two_metadata_files_need_the_right_name() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other-1.dist-info/METADATA", metadata_text("other", "1"))
        archive.writestr("demo-1.dist-info/METADATA", metadata_text("demo", "1"))
    data = file.getvalue()
    assert parse_metadata(_in_bytes(data, "demo-1")).name == "demo"
    with pytest.raises(NotReadable):
        _in_bytes(data, "third-1")


def test_a_zip64_archive_is_read_by_the_library() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("demo-1.dist-info/METADATA", "w", force_zip64=True) as member:
            member.write(metadata_text("demo", "1"))
        for number in range(65_600):
            archive.writestr(f"demo/{number}", b"")
    assert parse_metadata(_in_bytes(file.getvalue(), "demo-1")).name == "demo"


def test_sdists_of_both_kinds(tmp_path: Path) -> None:
    text = metadata_text("demo", "1.0")
    tar = tmp_path / "tar"
    tar.write_bytes(sdist("demo", "1.0", text))
    assert read_member(tar, "demo-1.0.tar.gz", "PKG-INFO") == text
    packed = tmp_path / "zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("demo-1.0/src/demo.egg-info/PKG-INFO", b"wrong")
        archive.writestr("demo-1.0/PKG-INFO", text)
    assert read_member(packed, "demo-1.0.zip", "PKG-INFO") == text


@pytest.mark.parametrize("filename", ["demo-1.0.tar.gz", "demo-1.0.zip"])
def test_sdists_that_are_none(tmp_path: Path, filename: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"neither")
    with pytest.raises(ValueError, match="damaged"):
        read_member(path, filename, "PKG-INFO")


def test_an_sdist_without_pkg_info(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1.0/setup.py", b"")
    assert read_member(path, "demo-1.0.zip", "PKG-INFO") is None
