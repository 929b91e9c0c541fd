"""The files of an image that matter here, over all its layers.

Only links and captured files are kept: an image has a hundred thousand files, and a handful say
what it is. Entries take effect in the order of the tar, as when a layer is unpacked; whiteouts
and opaque folders (OCI image-spec layer.md) hide what lower layers have, never what their own
layer adds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

_WHITEOUT: Final = ".wh."
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


class Tree:
    """Layers unpacked one over the other, the lowest first."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._layer_of: dict[str, int] = {}
        self._below: Counter[str] = Counter()
        self._real_folders: dict[str, str] = {}
        self._layer = 0

    def begin_layer(self) -> None:
        """What follows is one more layer on top."""
        self._layer += 1

    def add(self, path: str, node: Node | None) -> None:
        """A file or link; None for a file that does not matter but replaces what was there."""
        real = self._real(path)
        self._replace(real)
        if node is not None:
            self._nodes[real] = node
            self._layer_of[real] = self._layer
            self._below.update(_parents(real))
            if isinstance(node, Link):
                self._real_folders.clear()

    def add_hard_link(self, path: str, target: str) -> None:
        """Another name for a file that was added before."""
        node = self._nodes.get(self._real(target))
        self.add(path, node if isinstance(node, Captured) else None)

    def add_folder(self, path: str) -> None:
        """A folder: it replaces a file or link, and is merged with a folder."""
        real = self._real(path)
        if real in self._nodes:
            self._drop(real)

    def whiteout(self, path: str) -> bool:
        """Apply a whiteout; False when the path is an ordinary file's."""
        folder, _, name = path.rpartition("/")
        if not name.startswith(_WHITEOUT):
            return False
        if name == _OPAQUE:
            real = self.resolve(folder) if folder else ""
            if real is not None:
                self._hide(lambda other: not real or other.startswith(f"{real}/"))
        elif not name.startswith(_AUFS):
            hidden = name.removeprefix(_WHITEOUT)
            real = self._real(f"{folder}/{hidden}" if folder else hidden)
            self._hide(lambda other: other == real or other.startswith(f"{real}/"))
        return True

    def file(self, path: str) -> Captured | None:
        """The captured file behind a path, symlinks followed inside the root."""
        real = self.resolve(path)
        node = None if real is None else self._nodes.get(real)
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

    def files(self) -> Iterator[tuple[str, Captured]]:
        """Every captured file in the order of paths."""
        for path in sorted(self._nodes):
            node = self._nodes[path]
            if isinstance(node, Captured):
                yield path, node

    def _real(self, path: str) -> str:
        """The path with its folder's symlinks followed; its own last part is not."""
        folder, slash, name = path.rpartition("/")
        if not slash:
            return path
        real = self._real_folders.get(folder)
        if real is None:
            resolved = self.resolve(folder)
            real = folder if resolved is None else resolved
            self._real_folders[folder] = real
        return f"{real}/{name}" if real else name

    def _replace(self, real: str) -> None:
        """Make room for something that is no folder."""
        if real in self._nodes:
            self._drop(real)
        if self._below[real]:
            for path in [path for path in self._nodes if path.startswith(f"{real}/")]:
                self._drop(path)

    def _hide(self, is_hidden: Callable[[str], bool]) -> None:
        for path in [path for path in self._nodes if is_hidden(path)]:
            if self._layer_of[path] < self._layer:
                self._drop(path)

    def _drop(self, path: str) -> None:
        node = self._nodes.pop(path)
        self._below.subtract(_parents(path))
        if isinstance(node, Link):
            self._real_folders.clear()


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
