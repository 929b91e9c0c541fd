"""Reading tars: as tarfile reads them, and never more than a clean error for bad ones."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imagelock.model.errors import IntegrityError
from imagelock.resolve.base.tarstream import Kind, LayerReader
from support.layouts import Entry, sha256_of, tar_of

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/."),
    min_size=1,
    max_size=130,
)
ENTRIES = st.builds(
    Entry,
    path=st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    data=st.binary(max_size=1500),
)
FORMATS = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
PACKERS = {
    "plain": lambda data: data,
    "gzip": lambda data: gzip.compress(data, 1),
    "gzip of members": lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:]),
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd of frames": lambda data: (
        zstandard.ZstdCompressor().compress(data[:512])
        + zstandard.ZstdCompressor().compress(data[512:])
    ),
}


def read(data: bytes) -> tuple[list[tuple[str, bytes]], str]:
    reader = LayerReader(io.BytesIO(data), where="layer")
    found = [(member.path, b"".join(reader.data())) for member in reader.members()]
    return found, reader.finish()


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("tar_format", FORMATS)
@given(entries=st.lists(ENTRIES, max_size=5))
def test_members_are_what_was_written(
    packer: str, tar_format: int, entries: Sequence[Entry]
) -> None:
    tar = tar_of(entries, tar_format=tar_format)
    found, diff_id = read(PACKERS[packer](tar))  # type: ignore[no-untyped-call]
    assert found == [(entry.path, entry.data) for entry in entries]
    assert diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()


@given(
    data=st.binary(max_size=3000),
    prefix=st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]),
)
def test_any_bytes_give_members_or_an_integrity_error(data: bytes, prefix: bytes) -> None:
    with contextlib.suppress(IntegrityError):
        read(prefix + data)


@given(
    entries=st.lists(ENTRIES, min_size=1, max_size=3), place=st.floats(0, 1), bit=st.integers(0, 7)
)
def test_a_flipped_bit_is_an_error_or_another_diff_id(
    entries: Sequence[Entry], place: float, bit: int
) -> None:
    tar = bytearray(tar_of(entries))
    before = hashlib.sha256(tar).hexdigest()
    tar[int(place * (len(tar) - 1))] ^= 1 << bit
    try:
        _, diff_id = read(bytes(tar))
    except IntegrityError:
        return
    assert diff_id != f"sha256:{before}"


def test_a_layer_cut_short_is_an_error() -> None:
    tar = tar_of([Entry("a", b"x" * 5000)])
    with pytest.raises(IntegrityError, match="ends in the middle"):
        read(tar[:3000])
    with pytest.raises(IntegrityError, match="cannot be decompressed"):
        read(gzip.compress(tar)[:-20])
    # zstandard ends a stream in silence: then it is the diff ID that differs.
    with contextlib.suppress(IntegrityError):
        _, diff_id = read(zstandard.ZstdCompressor().compress(tar)[:-5])
        assert diff_id != sha256_of(tar)


@pytest.mark.parametrize("path", ["../etc/passwd", "a/../../b", "/../x", "a/.."])
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(IntegrityError, match="leads out"):
        read(tar_of([Entry(path, b"x")]))


def test_absolute_paths_are_taken_as_relative_to_the_root() -> None:
    info = tarfile.TarInfo("/etc/./passwd")
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        tar.addfile(info)
    assert read(output.getvalue())[0] == [("etc/passwd", b"")]


def test_a_header_that_asks_for_gigabytes_is_refused_without_them() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 40
    with pytest.raises(IntegrityError, match="a header of"):
        read(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)


def test_kinds_and_links() -> None:
    tar = tar_of(
        [
            Entry("d", folder=True),
            Entry("s", link="a" * 150),
            Entry("h", hard="d/f"),
        ]
    )
    reader = LayerReader(io.BytesIO(tar), where="layer")
    kinds = [(member.kind, member.link) for member in reader.members()]
    assert kinds == [(Kind.FOLDER, ""), (Kind.SYMLINK, "a" * 150), (Kind.HARD_LINK, "d/f")]


def test_sparse_files_are_stepped_over() -> None:
    info = tarfile.TarInfo("sparse")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 600
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    after = tar_of([Entry("after", b"y")])
    data = bytes(header) + b"\0" * 512 + b"z" * 600 + b"\0" * 424 + after
    assert [path for path, _ in read(data)[0]] == ["sparse", "after"]


def header(name: str, kind: bytes, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 512)


@pytest.mark.parametrize(
    "records",
    [b"x", b"99 path=a\n", b"8 path=a", b"0 path=a\n", b"path=a\n", b"10 path:aa\n", b"-5 a=b\n"],
)
def test_pax_records_that_cannot_be_read(records: bytes) -> None:
    data = header("h", tarfile.XHDTYPE, len(records)) + padded(records) + header("a", b"0")
    with pytest.raises(IntegrityError, match="pax header"):
        read(data)


def test_a_pax_size_that_is_none() -> None:
    records = b"13 size=minus\n"
    data = header("h", tarfile.XHDTYPE, len(records)) + padded(records) + header("a", b"0")
    with pytest.raises(IntegrityError, match="pax header"):
        read(data)


def test_global_headers_are_stepped_over() -> None:
    records = b"16 comment=hello\n"
    data = header("g", tarfile.XGLTYPE, len(records)) + padded(records)
    assert read(data + tar_of([Entry("a", b"x")]))[0] == [("a", b"x")]


def test_sizes_beyond_octal_are_read() -> None:
    info = tarfile.TarInfo("huge")
    info.size = 1 << 40
    with pytest.raises(IntegrityError, match="ends in the middle"):
        read(info.tobuf(tarfile.GNU_FORMAT))


def test_a_header_without_a_number() -> None:
    data = bytearray(header("a", b"0"))
    data[124:136] = b"not a number"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    with pytest.raises(IntegrityError, match="no size"):
        read(bytes(data))


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tar = tar_of([Entry(str(number), b"") for number in range(5)])
    monkeypatch.setattr("imagelock.resolve.base.tarstream._MOST_MEMBERS", 4)
    with pytest.raises(IntegrityError, match="more than 4 members"):
        read(tar)
    monkeypatch.setattr("imagelock.resolve.base.tarstream._LARGEST_LAYER", 1000)
    with pytest.raises(IntegrityError, match="more than 1000 bytes"):
        read(gzip.compress(tar))


def test_a_few_bytes_are_no_layer_and_none_are_an_empty_one() -> None:
    with pytest.raises(IntegrityError, match="a few bytes"):
        read(b"x")
    assert read(b"") == ([], sha256_of(b""))


def test_a_file_whose_name_ends_with_a_slash_is_a_folder() -> None:
    reader = LayerReader(io.BytesIO(header("old/", b"\0") + b"\0" * 1024), where="layer")
    assert [(member.path, member.kind) for member in reader.members()] == [("old", Kind.FOLDER)]
