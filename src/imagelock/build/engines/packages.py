"""What the .debs of an apt step tell: the tree of a bootstrapped base, dpkg's calls, its database.

The calls are those of the embedded builder, so that an engine ends with the same tree. There the
merged packages lie in the layer; here a base is one tar, and all others are unpacked by dpkg.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from imagelock.build.oci.database import Database
from imagelock.build.oci.packages import (
    Package,
    Split,
    bootstrap_split,
    commands,
    environment,
    first_entries,
    opened,
)
from imagelock.fetch.store import disk_errors
from imagelock.layers.entries import EARLIEST
from imagelock.layers.merge import Below, Merge, NeedsDpkg, merged_usr
from imagelock.layers.tar import tar_chunks
from imagelock.model.errors import BuildError
from imagelock.model.plan import AptStep
from imagelock.model.platform import Platform
from imagelock.plan.keys import wanted_by_name
from imagelock.render import Prepared


def prepare_apt(
    step: AptStep, platform: Platform, files: Mapping[str, Path], tree: Path
) -> Prepared:
    """The step with its commands; a bootstrapped base's merged tree is written to ``tree``."""
    with ExitStack() as stack:
        packages = tuple(
            opened(pin, stack.enter_context(files[pin.artifact.sha256].open("rb")))
            for pin in step.packages
        )
        epoch = max((package.control.epoch for package in packages), default=EARLIEST)
        database = Database()
        split = Split(merged=(), unpacked=packages)
        if step.bootstrap:
            split = bootstrap_split(packages)
            _merge(step, split, database, tree, platform=platform, epoch=epoch)
    marked = Database()
    marks = marked if not step.bootstrap else database
    marks.mark(p.control for p in packages if not wanted_by_name(p.pin))
    return Prepared(
        step=step,
        epoch=epoch,
        commands=tuple(commands(step, split)),
        environment=environment(epoch),
        texts=tuple(database.written()) if step.bootstrap else (),
        marks="" if step.bootstrap else _one_end(marked.states),
    )


def _merge(
    step: AptStep,
    split: Split,
    database: Database,
    tree: Path,
    *,
    platform: Platform,
    epoch: int,
) -> None:
    under = Below(links=dict(merged_usr(platform.debian_architecture)))
    parts = [(package.deb, package.control) for package in split.merged]
    merge = Merge(parts, under, first=first_entries(step, platform, epoch))
    try:
        with disk_errors(str(tree)), tree.open("wb") as file:
            for chunk in tar_chunks(merge.entries()):
                file.write(chunk)
    except NeedsDpkg as signal:
        raise BuildError(f"cannot be merged: {signal}", where=step.title) from signal
    listed: zip[tuple[Package, dict[str, str], list[str]]]
    listed = zip(split.merged, merge.conffiles, merge.paths, strict=True)
    database.add((package.control, sums, paths) for package, sums, paths in listed)


def _one_end(text: str) -> str:
    return text.rstrip("\n") + "\n" if text else ""
