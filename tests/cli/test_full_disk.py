"""A disk that is really full under `lock` and `build`: a clear end, and nothing half-written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.command import call, kept_folder

pytestmark = [
    pytest.mark.network,
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("CI"), reason="mounts; runs as root in CI"
    ),
]

SPEC = """\
name = "small"
platforms = ["linux/amd64"]

[base]
distribution = "debian:bookworm"
variant = "essential"
"""
PROGRAM = 'program() { "$PYTHON" -c "from imagelock.cli import main; exit(main())" "$@"; }\n'
AFTER = """
echo "exit $code"
find "$DISK" -type f -not -name filler -printf 'file %P\\n'
IMAGELOCK_STORE="$DISK/store" program store verify >/dev/null || echo "store is damaged"
"""


def on_small_disk(disk: Path, size: str, script: str, **env: str) -> tuple[int, list[str], str]:
    """Run a script with a tmpfs at ``disk``: exit code, other output and files, stderr."""
    disk.mkdir(exist_ok=True)
    mount = f'mount -t tmpfs -o size={size} none "$DISK"\n'
    done = subprocess.run(
        ["unshare", "-m", "bash", "-euc", PROGRAM + mount + script + AFTER],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DISK": str(disk), "PYTHON": sys.executable, **env},
    )
    lines = done.stdout.splitlines()
    (code,) = (int(line.removeprefix("exit ")) for line in lines if line.startswith("exit "))
    assert "store is damaged" not in lines
    assert "Traceback" not in done.stderr
    rest = [line.removeprefix("file ") for line in lines if not line.startswith("exit ")]
    return code, rest, done.stderr


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "image.toml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def lock(spec: Path) -> Path:
    called = call("lock", str(spec))
    assert called.code == 0, called.err
    return spec.with_suffix(".lock")


def said_so(err: str, place: Path) -> None:
    assert f"error: {place}" in err
    assert "No space left on device" in err
    assert "hint: free some space" in err


def test_lock_with_a_full_store_writes_no_lock(spec: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    script = f'code=0; IMAGELOCK_STORE="$DISK/store" program lock {spec} || code=$?'
    code, files, err = on_small_disk(disk, "4m", script)
    assert code == 6
    said_so(err, disk)
    assert not spec.with_suffix(".lock").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    odd = {file for file in files if not file.startswith(("store/sha256/", "store/records/"))}
    assert {str(Path(file).parent) for file in odd} == {"store", "store/writers"}
    assert "store/lock" in odd  # what store gc waits for, and who writes the lock; empty
    assert len(odd) == 2


def test_a_lock_that_does_not_fit_leaves_the_old_one(lock: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    script = f"""
        cp {lock} {lock.with_suffix(".toml")} "$DISK/"
        sed -i 's/essential/minbase/' "$DISK/image.toml"
        head -c 1m /dev/zero > "$DISK/filler" 2>/dev/null || true
        code=0; program lock "$DISK/image.toml" || code=$?
        cmp {lock} "$DISK/image.lock" || echo "file changed"
    """
    store = {"IMAGELOCK_STORE": str(kept_folder() / "store")}
    code, files, err = on_small_disk(disk, "128k", script, **store)
    assert code == 6
    said_so(err, disk / "image.lock")
    assert sorted(files) == ["image.lock", "image.toml"]


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("room", "again"), [(40, False), *(pytest.param(n, True, marks=SLOW) for n in (1, 8, 40, 90))]
)
def test_build_with_a_full_store_writes_no_image_and_harms_no_later_one(
    lock: Path, tmp_path: Path, room: int, *, again: bool
) -> None:
    """``room``: the megabytes that are left beside the packages, for layers and trees."""
    built = call("build", str(lock))
    assert built.code == 0, built.err
    disk, kept = tmp_path / "disk", kept_folder() / "store" / "sha256"
    pins = tomllib.loads(lock.read_text())["apt"]
    size = sum(-(-pin["size"] // 4096) for pin in pins) * 4 + len(pins) * 4
    listed = "".join(f"{pin['sha256'][:2]}/{pin['sha256'][2:]}\n" for pin in pins)
    (tmp_path / "list").write_text(listed)
    script = f"""
        export IMAGELOCK_STORE="$DISK/store"
        mkdir -p "$DISK/store/sha256"
        tar -C {kept} -cf - -T {tmp_path}/list | tar -C "$DISK/store/sha256" -xf -
        code=0; program build {lock} --output oci:{tmp_path}/image || code=$?
        test ! -e {tmp_path}/image
        test -z "$(ls -A "$DISK/store/tmp")"
        test ! -e "$DISK/store/layouts"
        mount -o remount,size=1g "$DISK"
        test {int(again)} = 0 || program build {lock} --output oci:{tmp_path}/image -q
    """
    code, lines, err = on_small_disk(disk, f"{size + room * 1024}k", script)
    assert code == 6
    assert "No space left on device" in err
    said_so(err, disk)
    digests = built.out.splitlines() if again else []
    assert [line for line in lines if line in built.out.splitlines()] == digests


def test_a_layout_that_does_not_fit_is_none(lock: Path, tmp_path: Path) -> None:
    built = call("build", str(lock))
    assert built.code == 0, built.err
    disk = tmp_path / "disk"
    script = f"""
        code=0; program build {lock} --output "oci:$DISK/image" || code=$?
        cd "$DISK/image/blobs/sha256"
        for blob in *; do
            test "$blob" = '*' || test "$(sha256sum <"$blob" | cut -c 1-64)" = "$blob"
        done
        cd /
    """
    store = {"IMAGELOCK_STORE": str(kept_folder() / "store")}
    code, files, err = on_small_disk(disk, "4m", script, **store)
    assert code == 6
    said_so(err, disk)
    whole = re.compile(r"image/blobs/sha256/[0-9a-f]{64}")
    assert [file for file in files if not whole.fullmatch(file)] == [], "no index, nothing half"
