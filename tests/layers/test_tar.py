"""Our tar writer and reader, against each other and against tarfile."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.layers.entries import Entry, Kind, safe_path
from imagelock.layers.tar import tar_chunks
from imagelock.layers.untar import read_tar
from imagelock.model.errors import BuildError, IntegrityError

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=120
).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join).filter(lambda path: len(path) < 3000)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from([Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY, Kind.HARDLINK]))
    data = draw(st.binary(max_size=1500)) if kind is Kind.FILE else b""
    linked = kind in {Kind.SYMLINK, Kind.HARDLINK}
    return Entry(
        path=draw(PATHS),
        kind=kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(st.integers(0, 1 << 31)),
        gid=draw(st.integers(0, 1 << 31)),
        mtime=draw(st.integers(0, 1 << 34)),
        size=len(data),
        content=(data,),
        link=draw(PATHS) if linked else "",
        xattrs=draw(st.sampled_from([(), (("security.capability", b"\1\0\0\2\n=" * 3),)])),
    )


def written(listed: list[Entry]) -> bytes:
    return b"".join(tar_chunks(listed))


def read_all(data: bytes) -> None:
    for entry in read_tar(io.BytesIO(data), where="t"):
        b"".join(entry.content)


def facts(entry: Entry) -> tuple[object, ...]:
    return (
        *(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, entry.size),
        *(b"".join(entry.content), entry.link, entry.xattrs),
    )


@given(st.lists(entries(), max_size=5))
def test_what_is_written_is_read_again(listed: list[Entry]) -> None:
    found = [facts(entry) for entry in read_tar(io.BytesIO(written(listed)), where="t")]
    assert found == [facts(entry) for entry in listed]


@given(st.lists(entries(), max_size=5))
def test_tarfile_reads_the_same(listed: list[Entry]) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(listed))) as tar:
        for item, entry in zip(tar.getmembers(), listed, strict=True):
            assert item.name == entry.path
            assert (item.mode, item.uid, item.gid) == (entry.mode, entry.uid, entry.gid)
            assert (item.mtime, item.size) == (entry.mtime, entry.size)
            assert item.linkname == entry.link
            assert item.uname == item.gname == ""
            if entry.kind is Kind.FILE:
                file = tar.extractfile(item)
                assert file is not None
                assert file.read() == b"".join(entry.content)


@given(st.lists(entries(), max_size=4), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_what_tarfile_writes_is_read(listed: list[Entry], tar_format: int) -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tar_format) as tar:
        for entry in listed:
            item = tarfile.TarInfo(entry.path)
            item.type, item.size, item.linkname = entry.kind.value, entry.size, entry.link
            item.uid, item.mtime = entry.uid, entry.mtime
            tar.addfile(item, io.BytesIO(b"".join(entry.content)))
    output.seek(0)
    for found, entry in zip(read_tar(output, where="t"), listed, strict=True):
        assert (found.path, found.kind, found.link) == (entry.path, entry.kind, entry.link)
        assert (found.uid, found.mtime) == (entry.uid, entry.mtime)
        assert b"".join(found.content) == b"".join(entry.content)


@given(st.lists(entries(), min_size=1, max_size=3), st.data())
def test_an_archive_cut_short_is_found(listed: list[Entry], data: st.DataObject) -> None:
    whole = written(listed)
    cut = data.draw(st.integers(1, len(whole) - 1024))
    with pytest.raises(IntegrityError):
        read_all(whole[:cut])


def test_golden_bytes() -> None:
    listed = [
        Entry(path="a", kind=Kind.DIRECTORY, mode=0o755, mtime=1),
        Entry(path="a/b", size=3, content=(b"abc",), mtime=2, uid=5, gid=6, mode=0o4755),
        Entry(path="a/" + "l" * 120, kind=Kind.SYMLINK, mode=0o777, link="b"),
        Entry(path="a/é", size=0),
        Entry(path="p" * 90 + "/" + "q" * 90, size=1, content=(b"x",)),
    ]
    digest = hashlib.sha256(written(listed)).hexdigest()
    assert digest == "2f4bde863c04a865317c49b117cfda8914789cc13fc468bc517e45651637099f"


def test_a_file_that_changed_while_it_was_read_is_no_layer() -> None:
    with pytest.raises(BuildError, match="expected 4 bytes"):
        written([Entry(path="a", size=4, content=(b"abc",))])


@pytest.mark.parametrize("name", ["../a", "a/../../b", "a/..", "..", "x\0y", "n" * 5000])
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(IntegrityError, match="unsafe archive"):
        safe_path(name, where="t")


@pytest.mark.parametrize(("name", "path"), [("./a", "a"), ("/a//b/", "a/b"), ("./", "")])
def test_spellings_of_the_root(name: str, path: str) -> None:
    assert safe_path(name, where="t") == path


def test_sparse_and_unknown_members_are_refused() -> None:
    for kind in (b"S", b"V", b"Z"):
        item = tarfile.TarInfo("a")
        item.type = kind
        data = item.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)
        with pytest.raises(IntegrityError, match="unknown type"):
            list(read_tar(io.BytesIO(data), where="t"))
