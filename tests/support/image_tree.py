"""The tree of an image, as a container sees it: kind, mode, owner and content by path."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from imagelock.layers.entries import OPAQUE, WHITEOUT, Entry, Kind
from imagelock.layers.untar import read_tar


@dataclass(frozen=True, slots=True)
class Node:
    kind: str
    mode: int
    owner: tuple[int, int]
    content: str
    mtime: int


Tree = dict[str, Node]


def layout_tree(layout: Path) -> Tree:
    """The tree of the only image in an OCI layout."""

    def blob(digest: str) -> Path:
        return layout / "blobs" / "sha256" / digest.partition(":")[2]

    found = json.loads((layout / "index.json").read_bytes())
    while "manifests" in found:
        assert len(found["manifests"]) == 1
        found = json.loads(blob(found["manifests"][0]["digest"]).read_bytes())
    tree: Tree = {}
    for layer in found["layers"]:
        with _plain(blob(layer["digest"])) as tar:
            _add(tree, tar)
    return tree


def saved_tree(archive: Path) -> Tree:
    """The tree of the only image in what `docker save` wrote."""
    tree: Tree = {}
    with tarfile.open(archive) as outer:

        def member(name: str) -> IO[bytes]:
            file = outer.extractfile(name)
            assert file is not None
            return file

        (image,) = json.load(member("manifest.json"))
        for layer in image["Layers"]:
            _add(tree, member(layer))
    return tree


def _add(tree: Tree, tar: IO[bytes]) -> None:
    hidden: list[str] = []
    added: Tree = {}
    for entry in read_tar(cast("Any", tar), where="test"):
        folder, _, name = entry.path.rpartition("/")
        if name == OPAQUE:
            hidden.append(f"{folder}/")
        elif name.startswith(WHITEOUT):
            hidden.append(f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/"))
        elif entry.path:
            node = _node(entry, added)
            added[entry.path] = node
            if node.kind != "DIRECTORY" and tree.get(entry.path, node).kind == "DIRECTORY":
                hidden.append(f"{entry.path}/")
    for gone in hidden:
        below = gone if gone.endswith("/") else f"{gone}/"
        for path in [path for path in tree if path == gone or path.startswith(below)]:
            del tree[path]
    tree |= added


def _node(entry: Entry, added: Tree) -> Node:
    if entry.kind is Kind.HARDLINK:
        return added[entry.link.removeprefix("./").strip("/")]
    content = entry.link
    if entry.kind is Kind.FILE:
        state = hashlib.sha256()
        for chunk in entry.content:
            state.update(chunk)
        content = state.hexdigest()
    owner = (entry.uid, entry.gid)
    return Node(entry.kind.name, entry.mode, owner, content, int(entry.mtime))


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    import gzip

    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as file:
                yield cast("IO[bytes]", file)
        else:
            yield raw


def differences(one: Tree, other: Tree) -> dict[str, tuple[str, ...]]:
    """What differs by path: ``missing``, ``extra``, or names of fields; times are not compared."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(one.keys() | other.keys()):
        if path not in other:
            found[path] = ("missing",)
        elif path not in one:
            found[path] = ("extra",)
        else:
            fields = ("kind", "mode", "owner", "content")
            unlike = tuple(
                name for name in fields if getattr(one[path], name) != getattr(other[path], name)
            )
            if unlike:
                found[path] = unlike
    return found
