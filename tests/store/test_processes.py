"""Many processes at one store, and processes killed while they write."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from imagelock.fetch.store import Store
from support.processes import PATIENCE

WRITER = """
import random, sys
from pathlib import Path
from imagelock.fetch.store import Store
store, seed, endless = Store(Path(sys.argv[1])), int(sys.argv[2]), len(sys.argv) > 3
random.seed(seed)
print("ready", flush=True)
while True:
    for number in random.sample(range(40), 40):
        data = bytes([number]) * (number * 5000 + 1)
        store.add(data[start:start + 4096] for start in range(0, len(data), 4096))
        store.keep_record("kind", str(number % 5), {"number": number, "pad": "x" * 5000})
        store.sweep()
    if not endless:
        break
"""


def start(root: Path, seed: int, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(root), str(seed), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def assert_whole(store: Store) -> int:
    count = 0
    for entry in store.entries():
        assert hashlib.sha256(entry.path.read_bytes()).hexdigest() == entry.sha256
        count += 1
    for path in (store.root / "records").glob("*/*"):
        assert isinstance(store.record(path.parent.name, path.name), dict)
    return count


def test_processes_that_write_the_same_entries_and_sweep(tmp_path: Path) -> None:
    writers = [start(tmp_path, seed) for seed in range(4)]
    for writer in writers:
        writer.communicate(timeout=PATIENCE)
        assert writer.returncode == 0
    assert assert_whole(Store(tmp_path)) == 40
    assert list((tmp_path / "tmp").iterdir()) == []


def test_killed_at_any_moment_nothing_half_written_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in range(12):
        writer = start(tmp_path, seed, "endless")
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(0.1 * (seed * 0.618 % 1))
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate(timeout=PATIENCE)
        assert_whole(store)
    left = len(list((tmp_path / "tmp").iterdir()))
    assert store.sweep() == left
    assert list((tmp_path / "tmp").iterdir()) == []
    assert assert_whole(store) > 0


def test_a_sweep_spares_what_another_process_is_writing(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from imagelock.fetch.store import Store
def chunks():
    yield b"first"
    print("ready", flush=True)
    sys.stdin.readline()
    yield b"second"
print(Store(Path(sys.argv[1])).add(chunks()))
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        assert Store(tmp_path).sweep() == 0
        output, _ = writer.communicate(b"\n", timeout=PATIENCE)
    assert output.decode().strip() == hashlib.sha256(b"firstsecond").hexdigest()


@pytest.mark.parametrize("make", ["mkdtemp", "mkstemp"])
def test_what_a_sweep_takes_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: str
) -> None:
    store, real = Store(tmp_path), getattr(tempfile, make)
    swept: list[int] = []

    def made(**options: Any) -> Any:  # noqa: ANN401 - what tempfile gives
        found = real(**options)
        if not swept:
            swept.append(store.sweep())
        return found

    monkeypatch.setattr(tempfile, make, made)
    with store.temporary_folder() as folder, store.temporary() as pending:
        assert folder.is_dir()
        assert pending.path.is_file()
        assert swept == [1]
