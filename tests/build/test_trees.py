"""Unpacked layers: used again as they are, made again when they were written to."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagelock.build.oci.sandbox import Sandbox, open_sandbox
from imagelock.build.oci.trees import Trees, broken_seals, remove_old_trees, tree_name
from imagelock.model.errors import IntegrityError
from imagelock.model.image import BuiltLayer
from support.archives import Member
from support.sandboxes import layer_of, members

pytestmark = [pytest.mark.root]


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
