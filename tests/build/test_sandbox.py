"""The tiers of the sandbox, what they keep out, and what kills leave behind."""

from __future__ import annotations

import hashlib
import io
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagelock.build.oci.sandbox import PATH, Sandbox, Tier, Work, open_sandbox
from imagelock.build.oci.trees import Trees, broken_seals, remove_old_trees, tree_name
from imagelock.layers.untar import read_tar
from imagelock.model.errors import IntegrityError
from imagelock.model.image import LAYER_GZIP, LAYER_TAR, BuiltLayer, Descriptor
from imagelock.model.names import digest
from support.archives import Member, tar_of
from support.engine import missing
from support.processes import PATIENCE

pytestmark = [pytest.mark.root]


def members(*listed: Member) -> bytes:
    return tar_of(listed)


def unpacked(sandbox: Sandbox, tar: bytes, name: str = "tree") -> Path:
    sandbox.trees.mkdir(parents=True, exist_ok=True)
    with sandbox:
        sandbox.unpack(io.BytesIO(tar), name, where="layer")
    return sandbox.trees / name


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path) as one:
        yield one


def changed(sandbox: Sandbox, *commands: str, lower: tuple[str, ...]) -> dict[str, bytes]:
    """What shell commands change over the layers, by path."""
    work = Work(lower=lower, commands=tuple(("/bin/sh", "-c", c) for c in commands),
                env=(("PATH", PATH),))  # fmt: skip
    with sandbox, sandbox.scratch() as scratch:
        status, output = sandbox.run(work, scratch)
        assert status == 0, output
        with sandbox.changes(lower, scratch, epoch=1000) as changes:
            tar = b"".join(changes)
    return {e.path: b"".join(e.content) for e in read_tar(io.BytesIO(tar), where="t")}


HOSTILE = [
    ([Member(path="../evil", data=b"x")], "leads out"),
    ([Member(path="a", link="/etc"), Member(path="a/passwd", data=b"x")], "no folder"),
    ([Member(path="a", link=".."), Member(path="a/b/c", data=b"x")], "no folder"),
    ([Member(path="a", hard="/etc/passwd")], "hard link to no file"),
    ([Member(path="a", hard="../../../etc/passwd")], "hard link to no file"),
    ([Member(path="a/.wh.", data=b"")], "whiteout of no file"),
    ([Member(path="a/.wh...", data=b"")], "whiteout of no file"),
    ([Member(path="a", data=b"x"), Member(path="a/b", data=b"x")], "no folder"),
]


@pytest.mark.parametrize(("listed", "problem"), HOSTILE)
def test_hostile_base_layers_are_refused(
    sandbox: Sandbox, listed: list[Member], problem: str
) -> None:
    before = sorted(sandbox.trees.parent.parent.rglob("*"))
    with pytest.raises(IntegrityError, match=problem) as caught:
        unpacked(sandbox, members(*listed))
    sandbox.close()
    assert caught.value.exit_code == 5
    assert sorted(sandbox.trees.parent.parent.rglob("*")) == before
    assert Path("/etc/passwd").read_text().startswith("root:")


def test_a_layer_that_is_a_bomb_is_refused(sandbox: Sandbox) -> None:
    """Two gigabytes of zeros in two megabytes; it stops at the bound."""
    item = tarfile.TarInfo("zeros")
    item.size = 2 << 30
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(item.tobuf(tarfile.GNU_FORMAT))
    packed += b"".join(packer.compress(bytes(1 << 22)) for _ in range(512)) + packer.flush()
    blob = sandbox.trees.parent.parent / "bomb"
    blob.write_bytes(packed)
    layer = BuiltLayer(
        title="bomb",
        descriptor=Descriptor(
            media_type=LAYER_GZIP, digest=digest(f"sha256:{'0' * 64}"), size=len(packed)
        ),
        diff_id=digest(f"sha256:{'1' * 64}"),
        cached=True,
    )
    with pytest.raises(IntegrityError, match="bytes and more"):
        Trees(sandbox, lambda _descriptor: blob).names((layer,))
    sandbox.close()


def test_a_device_of_a_layer_is_made_an_empty_file(sandbox: Sandbox) -> None:
    tree = unpacked(sandbox, members(Member(path="sda", kind=tarfile.BLKTYPE)))
    assert (tree / "sda").is_file()


def test_a_later_member_takes_the_place_of_an_earlier_one(sandbox: Sandbox) -> None:
    tree = unpacked(
        sandbox,
        members(
            Member(path="a"),
            Member(path="a/b", data=b"1"),
            Member(path="a", link="/etc"),
            Member(path="a"),
            Member(path="a/c", data=b"2"),
        ),
    )
    assert sorted(os.listdir(tree / "a")) == ["c"]  # noqa: PTH208 — names are what is compared


def test_a_layer_that_is_not_what_the_config_says_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "layer.tar"
    file.write_bytes(members(Member(path="a", data=b"x")))
    layer = BuiltLayer(
        title="x",
        descriptor=Descriptor(media_type=LAYER_TAR, digest=digest("sha256:" + "0" * 64), size=1),
        diff_id=digest("sha256:" + "1" * 64),
        cached=False,
    )
    with pytest.raises(IntegrityError, match="diff ID"):
        Trees(sandbox, lambda _: file).names((layer,))
    sandbox.close()
    assert not (sandbox.trees / tree_name(layer.diff_id)).exists()


def layer_of(folder: Path, name: str, tar: bytes) -> BuiltLayer:
    (folder / name).write_bytes(tar)
    return BuiltLayer(
        title=name,
        descriptor=Descriptor(
            media_type=LAYER_TAR, digest=digest("sha256:" + "0" * 64), size=len(tar)
        ),
        diff_id=digest(f"sha256:{hashlib.sha256(tar).hexdigest()}"),
        cached=False,
    )


def tree_of(folder: Path, layer: BuiltLayer) -> Path:
    """The layer's tree, as a build of its own gets it."""
    with open_sandbox(folder) as sandbox:
        [name] = Trees(sandbox, lambda _: folder / layer.title).names((layer,))
    return sandbox.trees / name


def overwritten(file: Path) -> None:
    before = file.stat()
    file.write_bytes(b"evil")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchanged(file: Path) -> None:
    before = file.stat()
    file.with_name("other").write_bytes(b"evil")
    os.utime(file.with_name("other"), ns=(before.st_atime_ns, before.st_mtime_ns))
    file.with_name("other").rename(file)


WRITES: list[Callable[[Path], object]] = [
    overwritten,
    exchanged,
    Path.unlink,
    lambda file: file.chmod(0o4755),
    lambda file: os.chown(file, 33, 33),
    lambda file: file.with_name("more").touch(),
]


@pytest.mark.parametrize("write", WRITES)
def test_a_tree_that_was_written_to_is_made_again(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    layer = layer_of(tmp_path, "layer", members(Member(path="a"), Member(path="a/b", data=b"good")))
    tree = tree_of(tmp_path, layer)
    made = (tree / "a/b").stat().st_ctime_ns
    assert tree_of(tmp_path, layer) == tree
    assert (tree / "a/b").stat().st_ctime_ns == made
    write(tree / "a/b")
    with open_sandbox(tmp_path) as sandbox:
        assert broken_seals(sandbox) == [tree.name]
    assert tree_of(tmp_path, layer) == tree
    assert [item.name for item in (tree / "a").iterdir()] == ["b"]
    status = (tree / "a/b").stat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o755, 0)
    assert (tree / "a/b").read_bytes() == b"good"
    assert sorted(item.name for item in tree.parent.iterdir()) == [tree.name, f"{tree.name}.used"]


def test_a_tree_that_a_build_uses_is_not_taken_from_it(sandbox: Sandbox, tmp_path: Path) -> None:
    layer = layer_of(tmp_path, "layer", members(Member(path="b", data=b"good")))
    first = sandbox
    [name] = Trees(first, lambda _: tmp_path / "layer").names((layer,))
    (first.trees / name / "b").write_bytes(b"evil")
    with pytest.raises(IntegrityError, match="another build uses it"):
        tree_of(tmp_path, layer)
    with open_sandbox(tmp_path) as second:
        assert remove_old_trees(second, oldest=time.time() + 9) == 0
    first.close()
    assert (tree_of(tmp_path, layer) / "b").read_bytes() == b"good"
    with open_sandbox(tmp_path) as third:
        assert remove_old_trees(third, oldest=time.time() + 9) == 1


def test_a_copy_of_a_store_by_hard_links_leaves_the_first_alone(tmp_path: Path) -> None:
    layer = layer_of(tmp_path, "layer", members(Member(path="b", data=b"good")))
    tree = tree_of(tmp_path, layer)
    other = tmp_path / "other"
    other.mkdir()
    (other / "layer").write_bytes((tmp_path / "layer").read_bytes())
    subprocess.run(["cp", "-al", str(tmp_path / "trees"), str(other)], check=True)
    for folder in (other, tmp_path, other):
        assert (tree_of(folder, layer) / "b").read_bytes() == b"good"
    assert (other / "trees/root" / tree.name / "b").stat().st_ino != (tree / "b").stat().st_ino


def test_a_tree_without_a_seal_is_made_again(tmp_path: Path) -> None:
    """What a kill left between the tree and its seal, or a release that knew none."""
    layer = layer_of(tmp_path, "layer", members(Member(path="b", data=b"good")))
    tree = tree_of(tmp_path, layer)
    tree.with_name(f"{tree.name}.used").write_bytes(b"")
    (tree / "b").write_bytes(b"evil")
    assert tree_of(tmp_path, layer) == tree
    assert (tree / "b").read_bytes() == b"good"
    assert sorted(item.name for item in tree.parent.iterdir()) == [tree.name, f"{tree.name}.used"]


def test_trees_that_were_not_used_for_long_are_removed(sandbox: Sandbox, tmp_path: Path) -> None:
    layers = [
        layer_of(tmp_path, name, members(Member(path=name, data=b"x"))) for name in ("old", "new")
    ]
    for layer in layers:
        Trees(sandbox, lambda _, title=layer.title: tmp_path / title).names((layer,))
    old, new = (tree_name(layer.diff_id) for layer in layers)
    os.utime(sandbox.trees / f"{old}.used", (1, 1))
    with sandbox:
        assert remove_old_trees(sandbox, oldest=1000) == 1
    assert not (sandbox.trees / old).exists()
    assert (sandbox.trees / new / "new").exists()


def test_nothing_of_the_host_is_seen(site_layers: tuple[str, ...]) -> None:
    found = changed(
        site_sandbox(),
        "mount > /etc/mounts; ls / /dev /run /tmp > /etc/seen; env | sort > /etc/env;"
        "hostname > /etc/name; ls /proc | grep -c '^[0-9]' > /etc/processes;"
        "grep Cap /proc/self/status > /etc/capabilities",
        lower=site_layers,
    )
    assert found["etc/env"].decode().split() == ["HOME=/root", f"PATH={PATH}", "PWD=/"]
    assert found["etc/name"] == b"imagelock\n"
    assert int(found["etc/processes"]) < 8
    bounding = next(x for x in found["etc/capabilities"].splitlines() if b"CapBnd" in x)
    assert int(bounding.split()[1], 16) & (1 << 21) == 0  # no CAP_SYS_ADMIN


def test_a_device_made_inside_cannot_be_used(site_layers: tuple[str, ...]) -> None:
    changed(
        site_sandbox(),
        "mknod /etc/null c 1 3 && ! (echo x > /etc/null) 2>/dev/null",
        lower=site_layers,
    )


def test_removals_become_whiteouts_and_replaced_folders_opaque(
    site_layers: tuple[str, ...],
) -> None:
    found = changed(
        site_sandbox(),
        "rm /etc/motd; rm -r /etc/skel /etc/default; mkdir /etc/skel; echo n > /etc/skel/new;"
        "cat /etc/passwd > /etc/p && mv /etc/p /etc/passwd && chmod 644 /etc/passwd;"
        "echo same > /etc/once; ln /etc/once /etc/twice; mkdir /etc/empty",
        lower=site_layers,
    )
    assert "etc/.wh.motd" in found
    assert "etc/skel/.wh..wh..opq" in found
    assert found["etc/skel/new"] == b"n\n"
    assert "etc/.wh.default" in found
    assert "etc/passwd" not in found
    assert "etc/empty" in found
    assert {"etc/once", "etc/twice"} <= found.keys()


def site_sandbox() -> Sandbox:
    from support.command import kept_folder

    return open_sandbox(kept_folder() / "sandbox")


@pytest.fixture(scope="session")
def site_layers(debian: Path) -> tuple[str, ...]:
    """The tree of a real Debian root, unpacked once."""
    import json

    blobs = debian / "blobs" / "sha256"

    def blob(text: str) -> dict[str, object]:
        value: dict[str, object] = json.loads((blobs / text.partition(":")[2]).read_text())
        return value

    entry = json.loads((debian / "index.json").read_text())["manifests"][0]
    manifest = blob(entry["digest"])
    config = blob(manifest["config"]["digest"])  # type: ignore[index]
    layers = tuple(
        BuiltLayer(
            title="base",
            descriptor=Descriptor(
                media_type=layer["mediaType"], digest=layer["digest"], size=layer["size"]
            ),
            diff_id=diff_id,
            cached=True,
        )
        for layer, diff_id in zip(
            manifest["layers"],  # type: ignore[call-overload]
            config["rootfs"]["diff_ids"],  # type: ignore[index]
            strict=True,
        )
    )
    with site_sandbox() as sandbox:
        return Trees(sandbox, lambda d: blobs / d.digest.partition(":")[2]).names(layers)


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from imagelock.build.oci.sandbox import *
import hashlib
lower = tuple(sys.argv[2].split(","))
work = Work(lower=lower, commands=(("/bin/sh", "-c", sys.argv[3]),), env=(("PATH", PATH),))
with open_sandbox(Path(sys.argv[1])) as sandbox, sandbox.scratch() as scratch:
    print(sandbox.tier, flush=True)
    status, output = sandbox.run(work, scratch)
    assert status == 0, output
    with sandbox.changes(lower, scratch, epoch=1000) as changes:
        print(hashlib.sha256(b"".join(changes)).hexdigest(), flush=True)
"""


def script() -> str:
    return SCRIPT.format(path=[path for path in sys.path if path])


def mounts_and_processes(mark: str) -> tuple[int, int]:
    mounts = sum(mark in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
    processes = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            processes += mark.encode() in path.read_bytes()
        except OSError:
            continue
    return mounts, processes


def killed_at_random(folder: Path, lower: str, rounds: int) -> None:
    """Kill a build in a sandbox at random moments; the next run cleans up and works."""
    dice = random.Random(5)  # noqa: S311 — moments, not secrets
    command = "for i in $(seq 300); do echo $i > /etc/$i; rm -f /etc/motd; done; sleep 7.0625"
    for _ in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-c", script(), str(folder), lower, command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(0.05, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + PATIENCE
    while mounts_and_processes("7.0625")[1] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mounts_and_processes("7.0625")[1] == 0
    assert mounts_and_processes(str(folder))[0] == 0
    with open_sandbox(folder) as sandbox:
        pass
    assert not list(sandbox.trees.glob("tmp.*"))


def linked_trees(folder: Path, lower: tuple[str, ...]) -> None:
    """Give another root the unpacked trees of the shared one."""
    from support.command import kept_folder

    trees = folder / "trees" / Tier.ROOT
    trees.mkdir(parents=True)
    for name in lower:
        (trees / name).symlink_to(kept_folder() / "sandbox" / "trees" / Tier.ROOT / name)


def test_killed_builds_leave_nothing(tmp_path: Path, site_layers: tuple[str, ...]) -> None:
    linked_trees(tmp_path, site_layers)
    killed_at_random(tmp_path, ",".join(site_layers), 4)


@pytest.mark.slow
def test_a_hundred_killed_builds_leave_nothing(
    tmp_path: Path, site_layers: tuple[str, ...]
) -> None:
    linked_trees(tmp_path, site_layers)
    killed_at_random(tmp_path, ",".join(site_layers), 100)


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
