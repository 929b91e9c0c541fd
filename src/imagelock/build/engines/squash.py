"""The layers of an image as one tar: what its containers see (OCI image-spec, layer.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from imagelock.build.oci.trees import open_layer
from imagelock.layers.entries import OPAQUE, WHITEOUT, Entry, Kind
from imagelock.layers.untar import read_tar
from imagelock.model.image import Descriptor

LayerFiles = Sequence[tuple[Descriptor, Path]]


def squashed_entries(layers: LayerFiles) -> Iterator[Entry]:
    """The members that are left, in the order of the layers, lowest first.

    A hard link whose target comes from another layer, or is gone, is a file of its own: its
    content is read from where it was.
    """
    owners = _owners(layers)
    for number, (descriptor, path) in enumerate(layers):
        with open_layer(path, descriptor.media_type) as tar:
            for entry in read_tar(tar, where=descriptor.digest):
                if owners.get(entry.path) != number:
                    continue
                if entry.kind is Kind.HARDLINK:
                    target = entry.link.removeprefix("./").strip("/")
                    if owners.get(target) != number:
                        yield _content_of(descriptor, path, entry, target)
                        continue
                yield entry


def _owners(layers: LayerFiles) -> dict[str, int]:
    """The layer that each path of the image comes from."""
    owners: dict[str, int] = {}
    for number, (descriptor, path) in enumerate(layers):
        hidden: list[str] = []
        own: dict[str, Kind] = {}
        with open_layer(path, descriptor.media_type) as tar:
            for entry in read_tar(tar, where=descriptor.digest):
                folder, _, name = entry.path.rpartition("/")
                if name == OPAQUE:
                    hidden.append(f"{folder}/")
                elif name.startswith(WHITEOUT):
                    gone = f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
                    hidden += [gone, f"{gone}/"]
                elif entry.path:
                    own[entry.path] = entry.kind
                    if entry.kind is not Kind.DIRECTORY:
                        hidden.append(f"{entry.path}/")
        exact = set(hidden)
        folders = tuple(item for item in hidden if item.endswith("/"))
        for gone in [p for p in owners if p in exact or _below(p, exact, folders)]:
            del owners[gone]
        owners |= dict.fromkeys(own, number)
    return owners


def _below(path: str, hidden: set[str], folders: tuple[str, ...]) -> bool:
    if not folders:
        return False
    parts = path.split("/")
    return any("/".join(parts[:count]) + "/" in hidden for count in range(1, len(parts)))


def _content_of(descriptor: Descriptor, path: Path, link: Entry, target: str) -> Entry:
    with ExitStack() as stack:
        tar = stack.enter_context(open_layer(path, descriptor.media_type))
        for entry in read_tar(tar, where=descriptor.digest):
            if entry.path == target and entry.kind is Kind.FILE:
                return replace(entry, path=link.path, content=(b"".join(entry.content),))
    return replace(link, kind=Kind.FILE, link="", size=0, content=())
