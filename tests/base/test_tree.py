"""Layers over layers: against a real unpacking on disk."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

from imagelock.resolve.base.capture import read_layer
from imagelock.resolve.base.tree import Captured, Link, Tree
from support.layouts import Entry, tar_of

FOLDERS = ("lib", "usr", "usr/lib", "usr/lib/x", "etc")
PATHS = (*FOLDERS, "lib/f", "usr/lib/f", "usr/lib/x/f", "lib/x/g", "etc/f", "f")
TARGETS = ("usr/lib", "/usr/lib", "../lib", "x", "f", "/f", "lib", "../../..")

Action = tuple[str, str, str]


def actions() -> st.SearchStrategy[list[list[Action]]]:
    path = st.sampled_from(PATHS)
    one = st.one_of(
        st.tuples(st.just("file"), path, st.text("ab", min_size=1, max_size=3)),
        st.tuples(st.just("plain"), path, st.just("uninteresting")),
        st.tuples(st.just("folder"), st.sampled_from(FOLDERS), st.just("")),
        st.tuples(st.just("link"), path, st.sampled_from(TARGETS)),
    )
    gone = st.one_of(
        st.tuples(st.just("whiteout"), path, st.just("")),
        st.tuples(st.just("opaque"), st.sampled_from(FOLDERS), st.just("")),
    )
    layer = st.tuples(st.lists(gone, max_size=2), st.lists(one, max_size=6))
    return st.lists(layer.map(lambda pair: [*pair[0], *pair[1]]), min_size=1, max_size=4)


@given(layers=actions())
def test_the_tree_is_what_unpacking_gives(layers: list[list[Action]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        root, tree = folder / "root", Tree()
        root.mkdir()
        for layer in layers:
            tree.begin_layer()
            for kind, path, value in layer:
                assume(unpack(root, kind, path, value))
                replay(tree, kind, path, value)
        on_disk = {
            str(file.relative_to(root)): file.read_text()
            for file in sorted(root.rglob("*"))
            if not file.is_symlink() and file.is_file() and file.read_text() != "uninteresting"
        }
        assert {path: file.data.decode() for path, file in tree.files()} == on_disk
        for path in PATHS:
            found = real_path(root, path)
            if found is not None and found.is_file():
                kept = tree.file(path)
                data = found.read_text()
                assert (kept.data.decode() if kept else "uninteresting") == data
    finally:
        shutil.rmtree(folder)


def replay(tree: Tree, kind: str, path: str, value: str) -> None:
    match kind:
        case "file":
            tree.add(path, Captured(executable=False, data=value.encode()))
        case "plain":
            tree.add(path, None)
        case "folder":
            tree.add_folder(path)
        case "link":
            tree.add(path, Link(value))
        case "whiteout":
            parent, _, name = path.rpartition("/")
            assert tree.whiteout(f"{parent}/.wh.{name}".lstrip("/"))
        case _:
            assert tree.whiteout(f"{path}/.wh..wh..opq")


def real_path(root: Path, path: str, *, last: bool = True) -> Path | None:
    """The path inside a root, links followed as chroot would; None for loops and files midway."""
    done: list[str] = []
    todo = path.split("/")[::-1]
    for _ in range(200):
        if not todo:
            return root.joinpath(*done)
        part = todo.pop()
        if part == "..":
            done = done[:-1]
            continue
        here = root.joinpath(*done, part)
        if here.is_symlink() and (todo or last):
            target = os.readlink(here)  # noqa: PTH115 - the text, not a Path
            done = [] if target.startswith("/") else done
            todo += [piece for piece in target.split("/")[::-1] if piece]
        elif todo and here.exists() and not here.is_dir():
            return None
        elif part:
            done.append(part)
    return None


def unpack(root: Path, kind: str, path: str, value: str) -> bool:
    """Do it on disk as containerd does; False when no layer would hold this."""
    if kind == "opaque":
        return empty(root, path)
    found = real_path(root, path, last=False)
    if found is None or found == root:
        return False
    is_folder = found.is_dir() and not found.is_symlink()
    if kind == "folder" and is_folder:
        return True
    if is_folder:
        shutil.rmtree(found)
    else:
        found.unlink(missing_ok=True)
    if kind != "whiteout":
        found.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "folder":
            found.mkdir()
        case "link":
            found.symlink_to(value)
        case "file" | "plain":
            found.write_text(value)
    return True


def empty(root: Path, path: str) -> bool:
    found = real_path(root, path)
    if found is not None and found.is_dir():
        shutil.rmtree(found)
        found.mkdir()
    return found is not None and not found.is_file()


def test_a_whiteout_hides_lower_layers_only_wherever_it_stands() -> None:
    tree = Tree()
    read(tree, Entry("etc/passwd", b"lower"), Entry("etc/os-release", b"ID=lower\n"))
    read(tree, Entry("etc/passwd", b"upper"), Entry("etc/.wh..wh..opq"))
    assert [path for path, _ in tree.files()] == ["etc/passwd"]
    passwd = tree.file("etc/passwd")
    assert passwd is not None
    assert passwd.data == b"upper"
    read(tree, Entry("etc/.wh.passwd"))
    assert list(tree.files()) == []


def test_hard_links_are_other_names_of_a_captured_file() -> None:
    tree = Tree()
    read(
        tree,
        Entry("opt/bin/python3.12", b"\x7fELF\x003.12.4\x00", mode=0o755),
        Entry("usr/bin/python3.12", hard="./opt/bin/python3.12"),
    )
    found = tree.file("usr/bin/python3.12")
    assert found is not None
    assert found.found == ("3.12.4",)


def read(tree: Tree, *entries: Entry) -> None:
    read_layer(io.BytesIO(tar_of(entries)), tree, where="test")
