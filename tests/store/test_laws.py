"""The store against a dictionary, with damage, abandoned writers and garbage collection."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as StatefulBundle
from hypothesis.stateful import RuleBasedStateMachine, consumes, invariant, rule

from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError
from imagelock.model.names import Sha256

DATA = st.binary(max_size=40)


def sha256_of(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())


class StoreMachine(RuleBasedStateMachine):
    """Two handles on one folder must behave as one dictionary from hash to bytes."""

    kept = StatefulBundle("kept")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stores = (Store(self.folder / "store"), Store(self.folder / "store"))
        self.model: dict[Sha256, bytes] = {}
        self.damaged: set[Sha256] = set()
        self.records: dict[str, int] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(target=kept, data=DATA, which=st.integers(0, 1), pieces=st.integers(1, 3))
    def add(self, data: bytes, which: int, pieces: int) -> Sha256:
        step = max(1, len(data) // pieces)
        chunks = (data[start : start + step] for start in range(0, len(data), step))
        found = self.stores[which].add(chunks, expected=sha256_of(data))
        assert found == sha256_of(data)
        self.model[found] = data
        self.damaged.discard(found)
        return found

    @rule(target=kept, data=DATA, which=st.integers(0, 1))
    def add_bytes(self, data: bytes, which: int) -> Sha256:
        found = self.stores[which].add_bytes(data)
        self.model[found] = data
        self.damaged.discard(found)
        return found

    @rule(data=DATA, other=DATA)
    def add_what_is_not_expected(self, data: bytes, other: bytes) -> None:
        if data != other:
            with pytest.raises(IntegrityError, match="expected sha256"):
                self.stores[0].add([data], expected=sha256_of(other))

    @rule(data=DATA)
    def add_a_stream_that_fails(self, data: bytes) -> None:
        def failing() -> Iterator[bytes]:
            yield data
            raise ConnectionError

        with pytest.raises(ConnectionError):
            self.stores[0].add(failing())

    @rule(sha256=kept, which=st.integers(0, 1))
    def read(self, sha256: Sha256, which: int) -> None:
        store = self.stores[which]
        for look in (store.read, store.verify):
            if sha256 not in self.model:
                with pytest.raises(KeyError):
                    look(sha256)
                assert store.find(sha256) is None
            elif sha256 in self.damaged:
                with pytest.raises(IntegrityError, match="do not have the hash"):
                    look(sha256)
            else:
                look(sha256)
        if sha256 in self.model and sha256 not in self.damaged:
            assert store.read(sha256) == self.model[sha256]

    @rule(sha256=kept, bit=st.integers(0, 7))
    def flip(self, sha256: Sha256, bit: int) -> None:
        data = self.model.get(sha256)
        if data and sha256 not in self.damaged:
            path = self.stores[0].path(sha256)
            path.chmod(0o644)
            path.write_bytes(bytes([data[0] ^ (1 << bit)]) + data[1:])
            self.damaged.add(sha256)

    @rule(sha256=consumes(kept))
    def remove(self, sha256: Sha256) -> None:
        self.stores[0].remove(sha256)
        self.model.pop(sha256, None)
        self.damaged.discard(sha256)

    @rule(data=DATA)
    def abandon(self, data: bytes) -> None:
        """What a killed writer leaves: a file in tmp that nobody has locked."""
        folder = self.folder / "store" / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"left{len(list(folder.iterdir()))}").write_bytes(data)

    @rule()
    def sweep(self) -> None:
        with self.stores[0].temporary() as mine:
            self.stores[1].sweep()
            assert list((self.folder / "store" / "tmp").iterdir()) == [mine.path]

    @rule(key=st.sampled_from("abc"), value=st.integers(), which=st.integers(0, 1))
    def keep_record(self, key: str, value: int, which: int) -> None:
        self.stores[which].keep_record("kind", key, value)
        self.records[key] = value

    @invariant()
    def every_entry_is_listed_once(self) -> None:
        listed = [entry.sha256 for entry in self.stores[0].entries()]
        assert listed == sorted(self.model)

    @invariant()
    def records_are_the_last_kept(self) -> None:
        for key in "abc":
            assert self.stores[1].record("kind", key) == self.records.get(key)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=40, stateful_step_count=25)


def test_entries_are_read_only_and_umask_does_not_matter(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        strict = Store(tmp_path / "strict")
        found = strict.add_bytes(b"x")
        strict.keep_record("kind", "key", 1)
    finally:
        os.umask(before)
    assert strict.path(found).stat().st_mode & 0o777 == 0o444
    assert (strict.root / "records/kind/key").stat().st_mode & 0o777 == 0o644


def test_damage_is_repaired_by_adding_the_bytes_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    found = store.add_bytes(b"whole")
    store.path(found).chmod(0o644)
    store.path(found).write_bytes(b"whola")
    assert store.add_bytes(b"whole") == found
    assert store.read(found) == b"whole"


def test_the_store_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGELOCK_STORE", str(tmp_path / "named"))
    assert Store().root == tmp_path / "named"
    monkeypatch.delenv("IMAGELOCK_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Store().root == tmp_path / "cache" / "imagelock"
