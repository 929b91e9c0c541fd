"""The sandbox of an unprivileged user, with a range of ids and with one alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.engine import missing
from support.sandboxes import linked_trees, script

pytestmark = [pytest.mark.root]


@pytest.fixture
def user(tmp_path: Path) -> pwd.struct_passwd:
    """An unprivileged user with a range of ids."""
    name = "imagelock-test"
    if shutil.which("newuidmap") is None or shutil.which("useradd") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs uidmap and passwd")
        pytest.skip("needs uidmap")
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--no-create-home", name], check=True)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):  # noqa: S108
            folder.chmod(0o755)
    return pwd.getpwnam(name)


def as_user(user: pwd.struct_passwd, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
         *arguments],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip


def python_of(user: pwd.struct_passwd) -> str:
    """An interpreter that the user may start: ours may lie in a home that is closed to others."""
    again = (
        "import sys; works = 'import imagelock.build.oci.sandbox';"
        "os.execv(sys.executable, [sys.executable, '-c', works])"
    )
    for python in (sys.executable, "/usr/bin/python3"):
        code = f"import os; os.environ['PYTHONPATH'] = {os.pathsep.join(sys.path)!r}; {again}"
        if as_user(user, python, "-c", code).returncode == 0:
            return python
    missing("no Python that an unprivileged user may start")
    return ""


def test_a_user_with_a_range_writes_the_same_layer_as_root(
    tmp_path: Path, user: pwd.struct_passwd, debian: Path, site_layers: tuple[str, ...]
) -> None:
    command = "useradd -r me; touch /etc/x; chown me /etc/x; rm /etc/motd; chmod 4755 /etc/x"
    linked_trees(tmp_path / "root", site_layers)
    root = subprocess.run(
        [sys.executable, "-c", script(), str(tmp_path / "root"), ",".join(site_layers), command],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    home = tmp_path / "user"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    layers = [
        path for path in (debian / "blobs/sha256").iterdir() if path.stat().st_size > 10_000_000
    ]
    unpack = (
        f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "from pathlib import Path\nimport gzip\n"
        "from imagelock.build.oci.sandbox import *\n"
        "s = open_sandbox(Path(sys.argv[1])); s.trees.mkdir(parents=True, exist_ok=True)\n"
        "s.unpack(gzip.open(sys.argv[2]), sys.argv[3], where='t'); s.close(); print(s.tier)\n"
    )
    readable = home / "layer"
    shutil.copy(layers[0], readable)
    readable.chmod(0o644)
    done = as_user(user, python_of(user), "-c", unpack, str(home), str(readable), site_layers[0])
    assert done.stdout.strip() == "subuid", done.stderr
    mine = as_user(user, python_of(user), "-c", script(), str(home), ",".join(site_layers), command)
    assert mine.returncode == 0, mine.stderr
    assert mine.stdout.split()[0] == "subuid"
    assert root.stdout.split()[0] == "root"
    assert mine.stdout.split()[1] == root.stdout.split()[1]


SINGLE = """
import gzip, sys
sys.path[:0] = {path!r}
from pathlib import Path
import imagelock.build.oci.sandbox as s
import imagelock.build.oci.tiers as tiers
from imagelock.model.errors import BuildError
tiers._range = lambda path: None
sandbox = s.open_sandbox(Path(sys.argv[1]))
print(sandbox.tier, flush=True)
sandbox.trees.mkdir(parents=True, exist_ok=True)
sandbox.unpack(gzip.open(sys.argv[2]), "base", where="t")
for command in sys.argv[3:]:
    work = s.Work(lower=("base",), commands=(("/bin/sh", "-c", command),), env=(("PATH", s.PATH),))
    with sandbox.scratch() as scratch:
        status, output = sandbox.run(work, scratch)
        try:
            import hashlib
            with sandbox.changes(("base",), scratch, epoch=1000) as changes:
                print(status, hashlib.sha256(b"".join(changes)).hexdigest(), flush=True)
        except BuildError as error:
            print("refused", error.message.splitlines()[0], flush=True)
sandbox.close()
"""


def test_one_id_alone_gives_root_s_bytes_or_none(
    tmp_path: Path, user: pwd.struct_passwd, debian: Path, site_layers: tuple[str, ...]
) -> None:
    home = tmp_path / "single"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    commands = (
        "echo x > /etc/new; rm /etc/motd; chmod g-r /etc/shadow",
        "chown 5 /etc/hosts",
        "cp /etc/shadow /etc/s && mv /etc/s /etc/shadow",
        "mkdir /var/mail/sub",
    )
    readable = home / "layer"
    blobs = list((debian / "blobs/sha256").iterdir())
    shutil.copy(max(blobs, key=lambda path: path.stat().st_size), readable)
    readable.chmod(0o644)
    code = SINGLE.format(path=[path for path in sys.path if path])
    done = as_user(user, python_of(user), "-c", code, str(home), str(readable), *commands)
    assert done.returncode == 0, done.stderr
    tier, one, two, three, four = done.stdout.splitlines()
    assert tier == "single"
    scratch_root = tmp_path / "root"
    linked_trees(scratch_root, site_layers)
    root = subprocess.run(
        [sys.executable, "-c", script(), str(scratch_root), ",".join(site_layers), commands[0]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert one == f"0 {root.stdout.split()[1]}"
    assert two.startswith("1 ")
    assert three.startswith("refused")
    assert "owner of /etc/shadow was lost" in three
    assert "/var/mail/sub has its folder's group" in four
