"""Disks that are full, read-only or not ours: real ones, in a mount namespace of their own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imagelock.fetch.store import Store
from imagelock.model.errors import BuildError
from support.processes import PATIENCE

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
PRELUDE = """
import sys
import tempfile
from pathlib import Path
from imagelock.fetch.store import Store
from imagelock.model.errors import BuildError
store = Store(Path(sys.argv[1]))
"""


def in_namespace(mount: str, script: str, folder: Path) -> str:
    """Run a script under a mount that only it sees; what it printed."""
    shell = f'mount --make-rprivate / && {mount} && exec "$0" -c "$1" "$2"'
    command = ["unshare", "-m", "sh", "-ec", shell, sys.executable, PRELUDE + script, str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.root
@NEEDS_ROOT
def test_a_full_disk_is_an_error_with_the_way_out_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
first = store.add_bytes(b"x" * 300_000)
for attempt in (store.add, lambda chunks: store.add_bytes(b"".join(chunks))):
    try:
        attempt(b"y" * 65536 for _ in range(40))
    except BuildError as error:
        print(error.message, "|", error.hint)
print(list((store.root / "tmp").iterdir()), store.read(first) == b"x" * 300_000)
print(store.add_bytes(b"z" * 300_000) is not None)
"""
    output = in_namespace(f"mount -t tmpfs -o size=1m none {tmp_path}", script, tmp_path)
    full, again, left, usable = output.splitlines()
    assert full == again
    assert full.startswith("cannot write: No space left on device | free some space")
    assert left == "[] True"
    assert usable == "True"


@pytest.mark.root
@NEEDS_ROOT
def test_a_read_only_store_is_read_and_not_written(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    found = kept.add_bytes(b"kept")
    kept.keep_record("kind", "key", 1)
    os.utime(kept.path(found), (0, 0))
    script = f"""
print(store.read("{found}"), store.record("kind", "key"), store.add_bytes(b"kept"))
store.keep_record("kind", "other", 2)
print(store.record("kind", "other"))
try:
    store.add([b"new"])
except BuildError as error:
    print(error.message)
"""
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    assert in_namespace(mount, script, tmp_path).splitlines() == [
        f"b'kept' 1 {found}",
        "None",
        "cannot write: Read-only file system",
    ]


@pytest.mark.root
@NEEDS_ROOT
def test_a_store_of_another_user() -> None:
    before = os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            check_as_another_user(Path(folder) / "store")
    finally:
        os.umask(before)


def check_as_another_user(root: Path) -> None:
    found = Store(root).add_bytes(b"kept")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            store = Store(root)
            ok = store.read(found) == b"kept"
            try:
                store.add([b"new"])
            except BuildError as error:
                code = 0 if ok and error.message == "cannot write: Permission denied" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_file_size_limit(tmp_path: Path) -> None:
    script = """
try:
    store.add(b"y" * 65536 for _ in range(40))
except BuildError as error:
    print(error.message, list((store.root / "tmp").iterdir()))
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script, str(tmp_path)],
        capture_output=True,
        check=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.stdout == "cannot write: File too large []\n"


def test_a_file_in_the_stores_place(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    for root in (tmp_path / "store", tmp_path / "store" / "below"):
        with pytest.raises(BuildError, match="cannot write"):
            Store(root).add_bytes(b"x")
