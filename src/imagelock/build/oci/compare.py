"""Two layers that should be one: the first member in which they differ, and how."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from imagelock.build.oci.trees import open_layer
from imagelock.layers.entries import Entry, sort_key
from imagelock.layers.untar import read_tar
from imagelock.model.image import BuiltLayer
from imagelock.model.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first thing in which a rebuilt image differs.

    ``path`` is absolute, empty when the layers hold the same members (or one is missing);
    ``before`` and ``after`` describe the member, or the layer, on both sides.
    """

    platform: Platform
    layer: str
    path: str
    before: str
    after: str

    def __str__(self) -> str:
        place = f"{self.layer}: {self.path}" if self.path else self.layer
        return f"{self.platform}: {place}: {self.before} before, {self.after} now"


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A layer and the file of its packed bytes."""

    layer: BuiltLayer
    path: Path


def first_difference(
    platform: Platform, before: list[LayerFile], after: list[LayerFile]
) -> Difference | None:
    """None when all layers are the same."""
    for one, other in zip_longest(before, after):
        if one is None or other is None:
            present = one or other
            return Difference(
                platform=platform,
                layer=present.layer.title,
                path="",
                before="no such layer" if one is None else "a layer",
                after="no such layer" if other is None else "a layer",
            )
        if one.layer.diff_id != other.layer.diff_id:
            return _in_layer(platform, one, other)
        if one.layer.descriptor.digest != other.layer.descriptor.digest:
            return Difference(
                platform=platform,
                layer=one.layer.title,
                path="",
                before=f"packed as {one.layer.descriptor.digest}",
                after=f"packed as {other.layer.descriptor.digest}",
            )
    return None


def layer_differences(
    platform: Platform, one: LayerFile, other: LayerFile, *, most: int = 20
) -> tuple[Difference, ...]:
    """Each member in which two layers differ, by path, up to a number of them."""
    if one.layer.diff_id == other.layer.diff_id:
        return ()
    with (
        open_layer(one.path, one.layer.descriptor.media_type) as left,
        open_layer(other.path, other.layer.descriptor.media_type) as right,
    ):
        before, after = dict(_members(left)), dict(_members(right))
    found = []
    for path in sorted(before.keys() | after.keys(), key=sort_key):
        if before.get(path) != after.get(path):
            sides = ((path, side[path]) if path in side else None for side in (before, after))
            place, was, now = _differing(*sides)
            found.append(
                Difference(
                    platform=platform, layer=one.layer.title, path=place, before=was, after=now
                )
            )
    return tuple(found[:most])


def _in_layer(platform: Platform, one: LayerFile, other: LayerFile) -> Difference:
    with (
        open_layer(one.path, one.layer.descriptor.media_type) as left,
        open_layer(other.path, other.layer.descriptor.media_type) as right,
    ):
        pairs = zip_longest(_members(left), _members(right))
        path, before, after = next(
            (_differing(a, b) for a, b in pairs if a != b),
            ("", one.layer.diff_id, other.layer.diff_id),
        )
    return Difference(
        platform=platform, layer=one.layer.title, path=path, before=before, after=after
    )


def _members(stream: object) -> Iterator[tuple[str, dict[str, str]]]:
    for entry in read_tar(stream, where="layer"):  # type: ignore[arg-type]
        yield entry.path, _facts(entry)


def _facts(entry: Entry) -> dict[str, str]:
    content = hashlib.sha256()
    for chunk in entry.content:
        content.update(chunk)
    return {
        "kind": entry.kind.name.lower(),
        "mode": f"{entry.mode:04o}",
        "owner": f"{entry.uid}:{entry.gid}",
        "time": str(entry.mtime),
        "size": str(entry.size),
        "link": entry.link,
        "attributes": str(entry.xattrs),
        "content": f"sha256:{content.hexdigest()}",
    }


def _differing(
    one: tuple[str, dict[str, str]] | None, other: tuple[str, dict[str, str]] | None
) -> tuple[str, str, str]:
    if one is None or other is None or one[0] != other[0]:
        first = min(item[0] for item in (one, other) if item is not None)
        there = [item is not None and item[0] == first for item in (one, other)]
        words = ["there" if present else "not there" for present in there]
        return f"/{first}", words[0], words[1]
    keys = [key for key in one[1] if one[1][key] != other[1][key]]
    before = ", ".join(f"{key} {one[1][key]}" for key in keys)
    after = ", ".join(f"{key} {other[1][key]}" for key in keys)
    return f"/{one[0]}", before, after
