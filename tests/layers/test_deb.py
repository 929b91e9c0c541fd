"""Packages: what merging them writes, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imagelock.layers.deb import Deb
from imagelock.layers.dpkg import Triggers, status_stanza
from imagelock.layers.entries import Entry, Kind
from imagelock.layers.merge import Below, Merge, NeedsDpkg, merged_usr
from imagelock.layers.tar import tar_chunks
from imagelock.layers.untar import read_tar
from imagelock.model.errors import IntegrityError
from support.archives import DAY, Member, ar_of, deb_of, tar_of

FILES = [
    Member(path="./etc/"),
    Member(path="./etc/thing.conf", data=b"x = 1\n", mode=0o644),
    Member(path="./lib/"),
    Member(path="./lib/thing.so", data=b"\x7fELF", mode=0o644, mtime=DAY - 500),
    Member(path="./usr/"),
    Member(path="./usr/bin/"),
    Member(path="./usr/bin/thing", data=b"#!/bin/sh\n", mode=0o4755, owner=(0, 8)),
    Member(path="./usr/bin/again", hard="./usr/bin/thing", mode=0o4755, owner=(0, 8)),
    Member(path="./usr/bin/late", data=b"late", mode=0o755, mtime=DAY + 10_000),
]
CONTROL = {"conffiles": b"/etc/thing.conf\n", "postinst": b"#!/bin/sh\n"}
USR = Below(links=dict(merged_usr("amd64")))


def merged(*debs: bytes, below: Below = USR) -> tuple[bytes, Merge]:
    opened = [Deb(io.BytesIO(data), where="d.deb") for data in debs]
    merge = Merge([(deb, deb.control()) for deb in opened], below)
    return b"".join(tar_chunks(merge.entries())), merge


def files_of(data: bytes) -> dict[str, tuple[Entry, bytes]]:
    return {
        entry.path: (entry, b"".join(entry.content))
        for entry in read_tar(io.BytesIO(data), where="t")
    }


@pytest.mark.parametrize(
    ("squeeze", "suffix"),
    [
        (lambda data: gzip.compress(data, mtime=0), ".gz"),
        (lambda data: zstandard.ZstdCompressor().compress(data), ".zst"),
        (lambda data: data, ""),
    ],
)
def test_every_compression_gives_the_same_layer(
    squeeze: Callable[[bytes], bytes], suffix: str
) -> None:
    plain, _ = merged(deb_of(FILES, control=CONTROL))
    assert merged(deb_of(FILES, control=CONTROL, squeeze=squeeze, suffix=suffix))[0] == plain


def test_a_package_is_merged_as_dpkg_unpacks_it() -> None:
    data, merge = merged(deb_of(FILES, control=CONTROL))
    found = files_of(data)
    assert found["usr/lib/thing.so"][0].mtime == DAY - 500
    assert "lib" not in found
    assert found["usr/bin/thing"][0].mode == 0o4755
    assert found["usr/bin/thing"][0].gid == 8
    assert found["usr/bin/again"][0].link == "usr/bin/thing"
    assert found["usr/bin/late"][0].mtime == DAY
    listing = found["var/lib/dpkg/info/thing.list"][1].decode().splitlines()
    assert listing[:3] == ["/.", "/etc", "/etc/thing.conf"]
    assert "/lib/thing.so" in listing
    assert found["var/lib/dpkg/info/thing.postinst"][0].mode == 0o644
    assert merge.conffiles == [{"/etc/thing.conf": "3253b41059cac6e987c5a5e9233ea5d0"}]


def test_golden_layer() -> None:
    data, _ = merged(deb_of(FILES, control=CONTROL))
    assert (
        hashlib.sha256(data).hexdigest()
        == "84b95c039d87af3379d9fcfe0964ac787b3bc932c06ba0c5ac30805305030741"
    )


def test_folders_below_keep_their_mode_and_owner() -> None:
    below = Below(links=USR.links, folders={"usr/bin": (0o2775, 3, 4)})
    entry, _ = files_of(merged(deb_of(FILES), below=below)[0])["usr/bin"]
    assert (entry.mode, entry.uid, entry.gid) == (0o2775, 3, 4)


def test_each_parent_comes_once_and_first() -> None:
    data, _ = merged(deb_of([Member(path="./a/b/c", data=b"x")]), deb_of(FILES, name="other"))
    paths = [entry.path for entry in read_tar(io.BytesIO(data), where="t")]
    assert len(paths) == len(set(paths))
    for number, path in enumerate(paths):
        if "/" in path:
            assert path.rpartition("/")[0] in paths[:number]


def test_what_two_packages_own_is_left_to_dpkg() -> None:
    with pytest.raises(NeedsDpkg) as caught:
        merged(deb_of(FILES), deb_of(FILES, name="other"))
    assert caught.value.index == 1


def test_what_is_diverted_is_left_to_dpkg() -> None:
    with pytest.raises(NeedsDpkg, match="diverted"):
        merged(deb_of(FILES), below=Below(special=frozenset({"usr/bin/thing"})))


def test_a_file_behind_a_link_of_another_package_is_left_to_dpkg() -> None:
    link = deb_of([Member(path="./usr/"), Member(path="./usr/share", link="/etc")])
    with pytest.raises(NeedsDpkg):
        merged(link, deb_of([Member(path="./usr/share/passwd", data=b"evil")], name="other"))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (deb_of([Member(path="../evil", data=b"")]), "leads out"),
        (deb_of([Member(path="./a/../../evil", data=b"")]), "leads out"),
        (deb_of([Member(path="./dev/sda", kind=tarfile.BLKTYPE)]), "device"),
        (deb_of([Member(path="./dev/mem", kind=tarfile.CHRTYPE)]), "device"),
        (deb_of([Member(path="./a", hard="../../etc/passwd")]), "leads out"),
        (deb_of([Member(path="./a", hard="./etc/passwd")]), "hard link to no file"),
        (deb_of([Member(path="./usr/.wh.bin", data=b"")]), "meaning elsewhere"),
        (deb_of([Member(path="./a\nb", data=b"")]), "meaning elsewhere"),
        (deb_of([Member(path="./", link="/etc")]), "place of the root"),
        (deb_of([], control={"sub/file": b""}), "no place in a control member"),
        (deb_of([], control={"../../x": b""}), "leads out"),
        (deb_of([], fields="Package: twice\n"), "there twice"),
        (deb_of([], fields="no colon here\n"), "expected 'Field: value'"),
        (deb_of([], name="Evil/../name"), "expected a Debian package name"),
        (deb_of([], architecture="../../x"), "Architecture"),
        (deb_of(FILES)[:-200], "cut short"),
        (b"!<arch>\nrubbish", "malformed"),
        (b"PK\x03\x04", "no ar archive"),
        (ar_of([("control.tar", b"")]), "debian-binary"),
        (ar_of([("debian-binary", b"3.0\n")]), "format 2"),
        (ar_of([("debian-binary", b"2.0\n")]), "expected one control.tar"),
        (ar_of([("debian-binary", b"2.0\n"), ("control.tar.xz", b"junk")]), "cannot be read"),
        (ar_of([("debian-binary", b"2.0\n"), ("control.tar.zst", b"junk")]), "cannot be read"),
        (ar_of([("debian-binary", b"2.0\n"), ("control.tar.gz", b"junk")]), "cannot be read"),
        (ar_of([("debian-binary", b"2.0\n"), ("control.tar.7z", b"junk")]), "unknown"),
        (ar_of([("debian-binary", b"2.0\n"), ("control.tar", tar_of([])[:512])]), "no Package"),
    ],
)  # fmt: skip
def test_hostile_packages_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(IntegrityError, match=problem) as caught:
        merged(data)
    assert caught.value.exit_code == 5


def test_a_doubled_file_is_refused_and_a_doubled_folder_is_not() -> None:
    merged(deb_of([Member(path="./a/"), Member(path="./a/")]))
    with pytest.raises(IntegrityError, match="there twice"):
        merged(deb_of([Member(path="./a", data=b"1"), Member(path="./a", data=b"2")]))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """A member that claims 4 GiB: refused by its header, not by what follows it."""
    item = tarfile.TarInfo("./zeros")
    item.size = 4 << 30
    data = item.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)
    control = tar_of([Member(path="./control", data=b"Package: thing\nVersion: 1.0-1\n"
                             b"Architecture: all\n")])  # fmt: skip
    deb = ar_of(
        [
            ("debian-binary", b"2.0\n"),
            ("control.tar", control),
            ("data.tar.xz", lzma.compress(data)),
        ]
    )
    with pytest.raises(IntegrityError, match="unpack to 4294967296 bytes"):
        merged(deb)


def test_the_status_says_unpacked_and_keeps_the_fields() -> None:
    control = Deb(
        io.BytesIO(deb_of(FILES, control=CONTROL, fields="Multi-Arch: same\n")), where="d"
    ).control()
    assert control.info_name == "thing:all"
    text = status_stanza(control, {"/etc/thing.conf": "0" * 32})
    assert text.startswith("Package: thing\nStatus: install ok unpacked\nVersion: 1.0-1\n")
    assert f"Conffiles:\n /etc/thing.conf {'0' * 32}\n" in text


def test_triggers_are_activated_by_files_and_by_name() -> None:
    triggers = Triggers()
    triggers.read_file_interests("/usr/share/man man-db/noawait\n")
    triggers.read_name_interests("ldconfig", "libc-bin\n")
    control = Deb(
        io.BytesIO(deb_of([], control={"triggers": b"activate-noawait ldconfig\n"})), where="d"
    ).control()
    triggers.activate(control, ["/usr/share/man/man1/x.1.gz", "/etc/x"])
    written = dict(triggers.written())
    assert written["var/lib/dpkg/triggers/Unincorp"] == b"/usr/share/man -\nldconfig -\n"
    assert written["var/lib/dpkg/triggers/ldconfig"] == b"libc-bin\n"


def test_kinds_are_those_of_the_package() -> None:
    found = files_of(merged(deb_of([Member(path="./f", kind=tarfile.FIFOTYPE)]))[0])
    assert found["f"][0].kind is Kind.FIFO


@given(
    st.lists(st.binary(max_size=3000), min_size=1, max_size=3),
    st.integers(0, 5),
    st.integers(1, 5000),
)
def test_xz_streams_that_follow_each_other(parts: list[bytes], zeros: int, size: int) -> None:
    """As xz(1) and lzma.LZMAFile read them, padding of four zeros each among them."""
    packed = bytes(4 * zeros).join(map(lzma.compress, parts)) + bytes(4 * zeros)
    deb = Deb(io.BytesIO(ar_of([("debian-binary", b"2.0\n"), ("data.tar.xz", packed)])), where="d")
    stream = deb.data_tar()
    assert stream.read(0) == b""
    assert b"".join(iter(lambda: stream.read(size), b"")) == b"".join(parts)
    cut = ar_of([("debian-binary", b"2.0\n"), ("data.tar.xz", packed[: -4 * zeros - 1])])
    stream = Deb(io.BytesIO(cut), where="d").data_tar()
    with pytest.raises(EOFError, match="cut short"):
        b"".join(iter(lambda: stream.read(size), b""))
