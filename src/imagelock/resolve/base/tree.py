"""The files of an image that matter here, over all its layers.

Only links and captured files are kept: an image has a hundred thousand files, and a handful say
what it is. Whiteouts and opaque folders follow OCI image-spec layer.md: they hide what lower
layers have, never what their own layer adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_AUFS: Final = ".wh..wh."
_MOST_LINKS: Final = 40


@dataclass(frozen=True, slots=True)
class Captured:
    """A file that was looked at: its kept bytes, or what a search in it found."""

    executable: bool
    data: bytes = b""
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A symlink; ``target`` as written."""

    target: str


Node = Captured | Link


@dataclass(slots=True)
class LayerChanges:
    """What one layer does to the tree, collected while it is read."""

    added: dict[str, Node] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def whiteout(self, path: str) -> bool:
        """Note a whiteout; False when the path is an ordinary file's."""
        folder, _, name = path.rpartition("/")
        if not name.startswith(WHITEOUT):
            return False
        if name == _OPAQUE:
            self.opaque.add(folder)
        elif not name.startswith(_AUFS):
            hidden = name.removeprefix(WHITEOUT)
            self.hidden.add(f"{folder}/{hidden}" if folder else hidden)
        return True

    def add(self, path: str, node: Node | None) -> None:
        """A file or link; None for a file that does not matter but hides what was there."""
        self.folders.discard(path)
        self.added.pop(path, None)
        self.replaced.add(path)
        if node is not None:
            self.added[path] = node

    def add_folder(self, path: str) -> None:
        """A folder: it replaces a file or link, and is merged with a folder."""
        self.added.pop(path, None)
        self.folders.add(path)


class Tree:
    """Layers applied one over the other."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def apply(self, changes: LayerChanges) -> None:
        """Put one more layer on top."""
        hidden = {self._real(path) for path in changes.hidden | changes.replaced}
        opaque = {self._real(path) for path in changes.opaque}
        folders = {self._real(path) for path in changes.folders}
        self._nodes = {
            path: node
            for path, node in self._nodes.items()
            if path not in folders and not _is_hidden(path, hidden, opaque)
        }
        links = {path: node for path, node in changes.added.items() if isinstance(node, Link)}
        for path in sorted(links, key=lambda name: (name.count("/"), name)):
            self._nodes[self._real(path)] = links[path]
        for path, node in changes.added.items():
            if not isinstance(node, Link):
                self._nodes[self._real(path)] = node

    def file(self, path: str) -> Captured | None:
        """The captured file behind a path, symlinks followed inside the root."""
        node = self._nodes.get(self.resolve(path) or path)
        return node if isinstance(node, Captured) else None

    def resolve(self, path: str) -> str | None:
        """The path without symlinks; None for a loop. ``..`` above the root is the root."""
        done: list[str] = []
        todo = path.split("/")[::-1]
        followed = 0
        while todo:
            part = todo.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                done = done[:-1]
                continue
            node = self._nodes.get("/".join([*done, part]))
            if not isinstance(node, Link):
                done.append(part)
                continue
            followed += 1
            if followed > _MOST_LINKS:
                return None
            if node.target.startswith("/"):
                done = []
            todo += node.target.split("/")[::-1]
        return "/".join(done)

    def link(self, path: str) -> str | None:
        """The target of a symlink as written, or None when the path is no symlink."""
        node = self._nodes.get(path)
        return node.target if isinstance(node, Link) else None

    def files(self) -> Iterator[tuple[str, Captured]]:
        """Every captured file in the order of paths."""
        for path in sorted(self._nodes):
            node = self._nodes[path]
            if isinstance(node, Captured):
                yield path, node

    def _real(self, path: str) -> str:
        """The path with its folder's symlinks followed, as layers are unpacked."""
        folder, slash, name = path.rpartition("/")
        if not slash:
            return path
        real = self.resolve(folder)
        return path if real is None else f"{real}/{name}" if real else name


def _is_hidden(path: str, hidden: set[str], opaque: set[str]) -> bool:
    if path in hidden or "" in opaque:
        return True
    slash = path.rfind("/")
    while slash > 0:
        folder = path[:slash]
        if folder in hidden or folder in opaque:
            return True
        slash = path.rfind("/", 0, slash)
    return False
