"""Odd but legal files, and malformed ones that somebody signed."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.fetch.debian.release import ListedFile, parse_release
from imagelock.fetch.debian.unpack import unpack
from imagelock.fetch.store import Store
from imagelock.model.debian import BinaryPackage
from imagelock.model.errors import IntegrityError, NoSolution, UsageError
from imagelock.model.names import Sha256
from imagelock.resolve.apt.index import Index
from imagelock.resolve.apt.index_file import IndexFile
from imagelock.resolve.apt.request import parse_request
from imagelock.resolve.apt.status import parse_status
from support.debian_archive import stanza
from support.debian_index import index_of

TEXT = b"Package: a0\n" * 5000
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    "": bytes,
}


def listed(data: bytes) -> ListedFile:
    return ListedFile(sha256=Sha256(hashlib.sha256(data).hexdigest()), size=len(data))


@pytest.mark.parametrize("suffix", list(COMPRESSED))
@pytest.mark.parametrize("piece", [1 << 16, 97])
@pytest.mark.parametrize("streams", [1, 2])
def test_every_compression(tmp_path: Path, suffix: str, piece: int, streams: int) -> None:
    half = len(TEXT) // streams
    parts = [TEXT[start : start + half] for start in range(0, len(TEXT), half)]
    data = b"".join(COMPRESSED[suffix](part) for part in parts)
    store = Store(tmp_path)
    found = unpack(
        (data[start : start + piece] for start in range(0, len(data), piece)),
        suffix=suffix,
        compressed=listed(data),
        plain=listed(TEXT),
        store=store,
        where="here",
    )
    assert store.read(found) == TEXT


@pytest.mark.parametrize("suffix", [".xz", ".gz", ".bz2"])
def test_half_of_a_compressed_file_that_is_listed_as_such(tmp_path: Path, suffix: str) -> None:
    data = COMPRESSED[suffix](TEXT)[:-12]
    with pytest.raises(IntegrityError, match=r"a part of one|cannot be unpacked"):
        unpack(
            iter([data]),
            suffix=suffix,
            compressed=listed(data),
            plain=None,
            store=Store(tmp_path),
            where="here",
        )
    assert not list((tmp_path / "tmp").iterdir())


RELEASE = "Date: Fri, 20 Nov 2026 02:11:10 UTC\nSHA256:\n {hash} 12 main/Packages\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SHA256:\n", "Date"),
        (RELEASE.replace("Fri, 20 Nov 2026 02:11:10 UTC", "yesterday"), "expected a date"),
        (RELEASE.replace(" 12 main", " main"), "hash size path"),
        (RELEASE.replace("{hash}", "12ab"), "hash size path"),
        (RELEASE.replace(" 12 ", " twelve "), "hash size path"),
        (RELEASE.replace("SHA256:", "MD5Sum:"), "SHA256"),
    ],
)
def test_malformed_release(text: str, words: str) -> None:
    data = text.replace("{hash}", "0" * 64).encode()
    with pytest.raises(IntegrityError, match=words) as caught:
        parse_release(data, sha256=Sha256("0" * 64), signed_by="", where="there")
    assert caught.value.where == "there"
    assert caught.value.hint


def test_release_dates_are_utc() -> None:
    data = RELEASE.replace("{hash}", "0" * 64).replace("UTC", "+0100").encode()
    found = parse_release(data, sha256=Sha256("0" * 64), signed_by="", where="there")
    assert found.date == datetime(2026, 11, 20, 1, 11, 10, tzinfo=UTC)
    assert found.valid_until is None
    assert found.files["main/Packages"].size == 12


def file_of(data: bytes) -> IndexFile:
    return IndexFile(data=data, archive="x", suite="y", component="main", architecture="amd64")


def names(data: bytes) -> list[str]:
    index = Index((file_of(data),), "amd64")
    return [
        str(package)
        for name in sorted(index.files[0].offsets)
        for package, _priority in index.versions((name.decode(), "amd64"))
    ]


def test_index_files_of_every_shape() -> None:
    one, two = stanza("aa", "1").encode(), stanza("bb", "2").encode()
    assert names(b"") == []
    assert names(b"\n") == []
    assert names(one.rstrip(b"\n")) == ["aa (1)"]
    assert names(one + b"\n" + two) == ["aa (1)", "bb (2)"]
    assert names(one + b"\n" + two + b"\n\n") == ["aa (1)", "bb (2)"]
    reordered = b"Version: 3\nArchitecture: all\n" + stanza("cc").encode()
    assert names(reordered.replace(b"Version: 1.0\n", b"")) == ["cc (3)"]
    assert names(one + b"\n" + stanza("aa", "3").encode() + b"\n" + two)[0] == "aa (3)"


def test_description_is_no_field() -> None:
    text = stanza("aa", Description="x\n Package: evil\n Provides: bb\n .") + "\n" + stanza("zz")
    index = index_of(text)
    assert [name.decode() for name in index.files[0].offsets] == ["aa", "zz"]
    assert index.providers("bb") == ()


def test_provides_over_several_lines() -> None:
    index = index_of(stanza("aa", Provides="b0,\n c0 (= 1),\n d0"), stanza("zz", Provides="xb0"))
    for name in ("b0", "c0", "d0"):
        assert index.providers(name) == (("aa", "amd64"),)
    assert index.providers("b") == ()


@pytest.mark.parametrize(
    "fields",
    [{"Depends": "what is this"}, {"SHA256": "12"}, {"Size": "big"}],
    ids=["relation", "hash", "size"],
)
def test_entry_that_cannot_be_read(fields: dict[str, str]) -> None:
    with pytest.raises(IntegrityError, match="an entry of the index") as caught:
        index_of(stanza("aa", **fields)).versions(("aa", "amd64"))
    assert caught.value.where == "example stable/main amd64"


def test_status_that_cannot_be_read() -> None:
    with pytest.raises(NoSolution, match="the entry of 'aa' cannot be read"):
        parse_status(b"Package: aa\nStatus: install ok installed\n", where="status")
    assert parse_status(b"\n\nDescription: nothing\n\n", where="status").packages == ()


def test_same_version_in_two_suites_comes_from_the_first() -> None:
    index = Index((file_of(stanza("aa").encode()), file_of(stanza("aa").encode())), "amd64")
    found = index.candidate(("aa", "amd64"))
    assert isinstance(found, BinaryPackage)
    assert found.origin == 0


@pytest.mark.parametrize(
    "word", ["", "Git", "git =1", "a b", "git=", "git/", "../x", "git;rm", "-git"]
)
def test_words_that_name_no_package(word: str) -> None:
    with pytest.raises(UsageError, match="expected a package such as"):
        parse_request(word)


def test_words() -> None:
    assert parse_request("g++").name == "g++"
    assert parse_request("g++-").remove
    assert parse_request("libstdc++6=12.*").specifier == "= 12.*"
    assert parse_request("x11-common/stable").specifier == "/stable"
    assert parse_request("libc6:arm64=2.36-9+deb12u9").architecture == "arm64"
