"""What a tag is made of, by example; the laws are in test_properties.py."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.lock.tag import (
    EntryKind,
    SourceEntry,
    canonical_bytes,
    format_tag,
    lock_digest,
    source_digest,
    tag_digest,
)
from imagelock.model.archives import Archive
from imagelock.model.errors import LockError, UsageError
from imagelock.model.lock import Lock
from imagelock.model.spec import ImageBase, Spec
from support.example_lock import example_lock

LOCK = "a" * 64
SOURCE = "b" * 64


def test_the_digits_are_those_of_the_canonical_bytes() -> None:
    lock = example_lock()
    digest = hashlib.sha256(canonical_bytes(lock)).hexdigest()
    assert lock_digest(lock) == digest
    assert tag_digest(lock) == digest[:32]


def test_the_canonical_bytes_are_sorted_json_in_utf_8_without_spaces() -> None:
    data = json.loads(canonical_bytes(example_lock()))
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.encode() == canonical_bytes(example_lock())


def test_a_lock_that_cannot_be_written_has_no_tag() -> None:
    archive = Archive(name="vendor", url="https://user:word@apt.example/")
    lock = dataclasses.replace(example_lock(), archives=(archive,))
    with pytest.raises(LockError) as caught:
        canonical_bytes(lock)
    assert caught.value.where == "archive[0].url"
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("tag_format", "source", "tag"),
    [
        ("{lock}", None, "a" * 32),
        ("{spec_hash}", None, "a" * 32),
        ("{lock}", SOURCE, f"{'a' * 32}-{'b' * 32}"),
        ("{spec_hash}", SOURCE, f"{'a' * 32}-{'b' * 32}"),
        ("v1-{lock}", SOURCE, f"v1-{'a' * 32}-{'b' * 32}"),
        ("{source}.{lock}", SOURCE, f"{'b' * 32}.{'a' * 32}"),
        ("{source}", SOURCE, "b" * 32),
        ("{source}", None, hashlib.sha256(b"[]").hexdigest()[:32]),
        ("{name}_{lock}", None, f"acme-train_{'a' * 32}"),
        ("latest", None, "latest"),
    ],
)
def test_formats(tag_format: str, source: str | None, tag: str) -> None:
    made = format_tag(tag_format, lock_digest=LOCK, source_digest=source, name="acme/train")
    assert made == tag


@pytest.mark.parametrize(
    ("tag_format", "message"),
    [
        ("{lok}", "expected {lock}, {source}, {name} or {spec_hash}, got {lok}"),
        ("{lock.__class__}", "got {lock.__class__}"),
        ("{lock!r}", "got {lock!r}"),
        ("{}", "got {}"),
        ("{lock", "got a single brace"),
        ("lock}", "got a single brace"),
        ("{{lock}}", "got a single brace"),
        ("", "expected a tag of up to 128 letters"),
        ("-{lock}", "expected a tag of up to 128 letters"),
        ("a:{lock}", "expected a tag of up to 128 letters"),
        ("é", "expected a tag of up to 128 letters"),
        ("{lock}\n", "expected a tag of up to 128 letters"),
        ("x" * 129, "expected a tag of up to 128 letters"),
    ],
)
def test_formats_that_give_no_tag(tag_format: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        format_tag(tag_format, lock_digest=LOCK, source_digest=None, name="a")
    assert message in caught.value.message
    assert caught.value.where == "tag-format"


def file(path: str, content: str = "0" * 64, mode: int = 0o644) -> SourceEntry:
    return SourceEntry(path, mode, EntryKind.FILE, content)


def test_source_digest_by_hand() -> None:
    entries = [
        SourceEntry("src/link", 0o777, EntryKind.SYMLINK, "b.py"),
        file("src/b.py", mode=0o755),
        SourceEntry("src", 0o755, EntryKind.DIRECTORY),
    ]
    rows = (
        '[["src","0755","directory",""],'
        f'["src/b.py","0755","file","{"0" * 64}"],'
        '["src/link","0777","symlink","b.py"]]'
    )
    assert source_digest(entries) == hashlib.sha256(rows.encode()).hexdigest()
    assert source_digest(()) == hashlib.sha256(b"[]").hexdigest()


_entries = st.lists(
    st.builds(
        SourceEntry,
        path=st.sampled_from(["a", "b", "a/b", "é", "a b", "\x01"]),
        mode=st.integers(0, 0o7777),
        kind=st.sampled_from(EntryKind),
        content=st.sampled_from(["", "0" * 64, "1" * 64, "../x"]),
    ),
    unique_by=lambda entry: entry.path,
)


@given(_entries, st.randoms(use_true_random=False))
def test_the_order_of_entries_means_nothing(entries: list[SourceEntry], random: object) -> None:
    mixed = entries.copy()
    random.shuffle(mixed)  # type: ignore[attr-defined]  # a Random, which hypothesis does not say
    assert source_digest(mixed + mixed) == source_digest(entries)


@given(_entries, _entries)
def test_different_sources_have_different_digests(
    one: list[SourceEntry], two: list[SourceEntry]
) -> None:
    assert (source_digest(one) == source_digest(two)) == (set(one) == set(two))


def test_one_path_with_two_contents_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="one path with two contents: a"):
        source_digest([file("a"), file("a", "1" * 64)])


def test_a_name_that_is_no_utf_8_is_refused() -> None:
    name = os.fsdecode(b"src/\xff.py")
    with pytest.raises(LockError, match="expected file names in UTF-8") as caught:
        source_digest([file("a"), file(name)])
    assert caught.value.where == r"'src/\udcff.py'"


PROGRAM = """
import hashlib, sys, time
sys.path[:0] = {paths!r}
from support.example_lock import example_lock
from imagelock.lock import canonical_bytes, decode_lock, encode_lock, staleness, diff_locks
from imagelock.lock import render_text, tag_digest
lock = example_lock()
data = encode_lock(lock)
again = decode_lock(data, source="a")
text = render_text(diff_locks(lock, again)) + repr(staleness(again, lock.roots))
print(tag_digest(again), hashlib.sha256(data + canonical_bytes(again) + text.encode()).hexdigest())
"""


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "TZ": "Pacific/Kiritimati"},
        {"TZ": "America/St_Johns", "LC_ALL": "C"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"PYTHONUTF8": "0", "LC_ALL": "POSIX", "PYTHONOPTIMIZE": "1"},
        {"SOURCE_DATE_EPOCH": "1", "HOME": "/nonexistent", "USER": "nobody"},
    ],
)
def test_nothing_depends_on_the_surroundings(surroundings: dict[str, str], tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    program = PROGRAM.format(paths=[str(root / "src"), str(root / "tests")])
    expected = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, cwd=root
    ).stdout
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **surroundings},
        umask=0o077,
    ).stdout
    assert found == expected


def test_a_bare_lock_has_a_tag() -> None:
    lock = Lock(roots=Spec(name="a", base=ImageBase(image="debian:12")))
    assert canonical_bytes(lock) == (
        b'{"recipe":1,"roots":{"base":{"image":"debian:12"},"platforms":["linux/amd64"]},"version":1}'
    )
