"""Layers as folders, for overlays: made on first use and kept beside the store."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from imagelock.build.oci.sandbox import Sandbox, Unpacking
from imagelock.build.oci.stamps import PENDING, SUFFIX, locked_stamp, mark_used, read_seal
from imagelock.layers.entries import Kind, is_bomb
from imagelock.layers.gzip import gunzipped
from imagelock.layers.untar import Readable, broken, read_tar
from imagelock.model.errors import IntegrityError
from imagelock.model.image import BuiltLayer, Descriptor
from imagelock.model.names import Digest

_CHUNK = 1 << 20
_NAME = 20
"""Hex digits in a tree's name: short, since the kernel reads a page of mount options."""


class Blobs(Protocol):
    """Where the bytes of a layer are."""

    def __call__(self, descriptor: Descriptor) -> Path:
        """A file that holds them."""
        ...


class Trees:
    """The unpacked layers of a sandbox's tier."""

    def __init__(self, sandbox: Sandbox, blobs: Blobs) -> None:
        self._sandbox = sandbox
        self._blobs = blobs

    def names(self, layers: tuple[BuiltLayer, ...]) -> tuple[str, ...]:
        """The names of the layers' trees, lowest first, each unpacked if it was not.

        One that has been written to since is unpacked again; IntegrityError while another build
        uses it.
        """
        sandbox = self._sandbox
        kept: dict[str, str] = {}
        named = {tree_name(layer.diff_id): layer for layer in layers}
        for name, layer in named.items():
            with locked_stamp(sandbox.trees, name) as stamp:
                seal = read_seal(stamp) if (sandbox.trees / name).is_dir() else ""
                if seal:
                    mark_used(stamp)
                    sandbox.in_use.hold(sandbox.trees / name)
            if not seal:
                self._unpack(layer)
            elif name not in sandbox.sealed:
                kept[name] = seal
        for name in broken_seals(sandbox, kept):
            if not remove_tree(sandbox, name):
                raise IntegrityError(
                    "an unpacked layer was written to since it was made, and another build uses it",
                    where=str(sandbox.trees / name),
                    hint="when the other build has ended, build again: it is unpacked anew",
                )
            self._unpack(named[name])
        return tuple(tree_name(layer.diff_id) for layer in layers)

    @contextlib.contextmanager
    def received(self, title: str) -> Iterator[Received]:
        """The tree of a layer that is being made, unpacked from the same bytes as they come."""
        with self._sandbox.unpacking(where=title) as target:
            yield Received(target)

    def _unpack(self, layer: BuiltLayer) -> None:
        where = f"layer {layer.descriptor.digest}"
        self._sandbox.trees.mkdir(parents=True, exist_ok=True)
        with open_layer(self._blobs(layer.descriptor), layer.descriptor.media_type) as file:
            checked = _Checked(file, layer.diff_id, where, packed=layer.descriptor.size)
            self._sandbox.unpack(checked, tree_name(layer.diff_id), where=where)


class Received:
    """A layer on its way into its tree."""

    def __init__(self, target: Unpacking) -> None:
        self._target = target
        self.write = target.write

    def keep(self, diff_id: Digest) -> None:
        """All was written, and this is what it was."""
        self._target.keep(tree_name(diff_id))


def broken_seals(sandbox: Sandbox, kept: Mapping[str, str] | None = None) -> list[str]:
    """The trees that are not what their seals say: of ``kept`` (seals by name), else of all."""
    if kept is None:
        kept = {}
        for place in sorted(sandbox.trees.glob(f"*{SUFFIX}")):
            name = place.name.removesuffix(SUFFIX)
            with locked_stamp(sandbox.trees, name) as stamp:
                if (sandbox.trees / name).is_dir() and (seal := read_seal(stamp)):
                    kept[name] = seal
    found = sandbox.seals(tuple(kept)) if kept else []
    broken = [name for name, now in zip(kept, found, strict=True) if kept[name] != now]
    sandbox.sealed |= kept.keys() - set(broken)
    return broken


def remove_tree(sandbox: Sandbox, name: str) -> bool:
    """Drop a tree: it can be unpacked again from its layer. False while another build uses it."""
    tree = sandbox.trees / name
    with locked_stamp(sandbox.trees, name):
        if not sandbox.in_use.is_free(tree):
            return False
        with sandbox.scratch() as scratch:
            if tree.is_dir():
                tree.rename(scratch / "tree")
            (sandbox.trees / f"{name}{SUFFIX}").unlink(missing_ok=True)
            sandbox.sealed.discard(name)
    return True


def remove_old_trees(sandbox: Sandbox, *, oldest: float) -> int:
    """Remove the trees of a tier not used since ``oldest`` (seconds since 1970); how many."""
    removed = 0
    for stamp in sorted(sandbox.trees.glob(f"*{SUFFIX}")):
        if stamp.stat().st_mtime < oldest:
            removed += remove_tree(sandbox, stamp.name.removesuffix(SUFFIX))
    for left in sandbox.trees.glob(f"{PENDING}*"):
        if left.stat().st_mtime < oldest:
            left.unlink(missing_ok=True)
    return removed


def tree_name(diff_id: Digest) -> str:
    """The folder of a layer."""
    return diff_id.partition(":")[2][:_NAME]


class _Checked:
    """A stream that is the promised one when it ends, or an IntegrityError."""

    def __init__(self, file: Readable, diff_id: Digest, where: str, *, packed: int) -> None:
        self._packed = packed
        self._total = 0
        self._file = file
        self._diff_id = diff_id
        self._where = where
        self._state = hashlib.sha256()

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise IntegrityError(f"cannot be unpacked: {error}", where=self._where) from error
        self._state.update(data)
        self._total += len(data)
        if is_bomb(self._total, self._packed):
            raise IntegrityError(
                f"unpacks to {self._total} bytes and more, from {self._packed}",
                where=self._where,
                hint="do not use this image; report it to whoever published it",
            )
        if not data and f"sha256:{self._state.hexdigest()}" != self._diff_id:
            raise IntegrityError(
                f"expected the diff ID {self._diff_id}, got sha256:{self._state.hexdigest()}",
                where=self._where,
                hint="run `imagelock store verify --repair`",
            )
        return data


@contextlib.contextmanager
def open_layer(path: Path, media_type: str) -> Iterator[Readable]:
    """The uncompressed bytes of a layer as a stream."""
    with path.open("rb") as raw:
        if media_type.endswith("gzip"):
            yield gunzipped(raw, where=str(path))
        elif media_type.endswith("zstd"):
            import zstandard

            stream: Any = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            try:
                yield stream
            except zstandard.ZstdError as error:
                raise broken(f"the zstd data is damaged: {error}", str(path)) from error
        else:
            yield raw


def layer_chunks(path: Path, media_type: str) -> Iterator[bytes]:
    """The uncompressed bytes of a layer in pieces."""
    with open_layer(path, media_type) as layer:
        while chunk := layer.read(_CHUNK):
            yield chunk


def links_at_root(
    layers: Iterable[tuple[Descriptor, Path]], names: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Which of these top-level paths are links in an image, and to what; layers lowest first."""
    found: dict[str, str] = {}
    for descriptor, path in layers:
        with open_layer(path, descriptor.media_type) as tar:
            for entry in read_tar(tar, where=descriptor.digest):
                if entry.path in names and entry.kind is Kind.SYMLINK:
                    found[entry.path] = entry.link.strip("/")
                elif entry.path in names:
                    found.pop(entry.path, None)
    return tuple(sorted(found.items()))
