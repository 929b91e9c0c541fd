"""The two layers of an apt step: packages merged, and what configuring them writes.

1. What can be merged is merged without running anything (:mod:`imagelock.layers.merge`).
2. In a sandbox over it, dpkg unpacks what must run a preinst first, and configures everything.

A package goes to dpkg itself when it has a preinst (but for large ones that are found to do
nothing, :mod:`imagelock.build.oci.preinst`), replaces one below, or owns a path that is diverted,
overridden or another's. A bootstrapped root is merged whole, since nothing could run
before; dpkg then unpacks those with a preinst once more over their own files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imagelock.build.oci.beside import give_way
from imagelock.build.oci.cache import CachedLayer, LayerCache, SpooledTar
from imagelock.build.oci.database import Database, read_below
from imagelock.build.oci.decoding import LARGE, Decoding
from imagelock.build.oci.packages import (
    DEBS,
    DPKG,
    Package,
    Split,
    bootstrap_split,
    commands,
    environment,
    first_entries,
    opened,
)
from imagelock.build.oci.preinst import quiet_preinsts
from imagelock.build.oci.sandbox import Bind, Sandbox, Work
from imagelock.build.oci.trees import Trees, tree_name
from imagelock.layers.deb import DebControl
from imagelock.layers.entries import EARLIEST, Layer
from imagelock.layers.merge import Below, Merge, NeedsDpkg, merged_usr
from imagelock.model.errors import BuildError
from imagelock.model.image import BuiltLayer
from imagelock.model.names import Sha256
from imagelock.model.plan import AptStep
from imagelock.model.platform import Platform
from imagelock.plan.keys import wanted_by_name

_POLICY: Final = "/usr/sbin/policy-rc.d"
_NEW: Final = "newconffile"
"""What dpkg's status has in place of a hash until a conffile is installed."""

_TAIL: Final = 3000


@dataclass(frozen=True, slots=True)
class _Merging:
    """What merging works with; the file of the tar lives as long as the ``stack``."""

    step: AptStep
    under: Below
    epoch: int
    decoding: Decoding
    stack: ExitStack


@dataclass(frozen=True, slots=True, kw_only=True)
class AptBuilder:
    """Builds apt steps on what lies below them.

    ``meanwhile`` is called when dpkg is about to run, which keeps one core busy and no more.
    """

    cache: LayerCache
    sandbox: Sandbox
    trees: Trees
    platform: Platform
    meanwhile: Callable[[], None] = lambda: None

    def build(
        self, step: AptStep, below: tuple[BuiltLayer, ...], files: Mapping[str, Path]
    ) -> tuple[CachedLayer, CachedLayer]:
        """Both layers; ``files`` gives the .debs by sha256."""
        with ExitStack() as stack:
            packages = tuple(
                opened(pin, stack.enter_context(files[pin.artifact.sha256].open("rb")))
                for pin in step.packages
            )
            decoding = stack.enter_context(Decoding(packages))
            epoch = max((p.control.epoch for p in packages), default=EARLIEST)
            lower = self.trees.names(below)
            database, under = read_below(self.sandbox.survey(lower) if lower else {})
            if step.bootstrap:
                under = Below(links=dict(merged_usr(self.platform.debian_architecture)))
            split = self._first_split(step, packages, lower=lower, database=database, epoch=epoch)
            merging = _Merging(step, under, epoch, decoding, stack)
            tar, split = self._merged(merging, split, database)
            decoding.close()
            # Packing it keeps other cores busy while dpkg runs on one.
            packing = stack.enter_context(ThreadPoolExecutor(1, initializer=give_way)).submit(
                self.cache.make_spooled,
                self._key("data", step, below),
                _title(step, "files"),
                tar,
                epoch,
            )
            database.mark(p.control for p in packages if not wanted_by_name(p.pin))
            lower += (tree_name(tar.diff_id),)
            work = self._work(step, split, lower=lower, database=database, epoch=epoch)
            configured = self._configured(step, work, below, epoch)
            return packing.result(), configured

    def _work(
        self,
        step: AptStep,
        split: Split,
        *,
        lower: tuple[str, ...],
        database: Database,
        epoch: int,
    ) -> Work:
        """What dpkg has to do over the merged packages."""
        return Work(
            lower=lower,
            commands=tuple(commands(step, split)),
            env=environment(epoch),
            files=(
                *((f"/{path}", 0o644, text) for path, text in database.written()),
                (_POLICY, 0o755, "#!/bin/sh\nexit 101\n"),
            ),
            renames=tuple((path, f"{path}.dpkg-new") for path in split.conffiles),
            links=tuple((_stored(p.pin.artifact.sha256), p.path) for p in split.unpacked),
            remove=(_POLICY,),
            binds=(Bind(source=self.cache.store.root / "sha256", target=f"{DEBS}/store"),),
        )

    def _first_split(
        self,
        step: AptStep,
        packages: tuple[Package, ...],
        *,
        lower: tuple[str, ...],
        database: Database,
        epoch: int,
    ) -> Split:
        """Who is merged, before it is known what they hold."""
        if step.bootstrap:
            return bootstrap_split(packages)
        by_dpkg = [p for p in packages if p.has_preinst or database.has(p.control)]
        large = [
            p.control
            for p in by_dpkg
            if p.pin.artifact.size >= LARGE and not database.has(p.control)
        ]
        quiet = quiet_preinsts(
            large, sandbox=self.sandbox, lower=lower, dpkg=DPKG, env=environment(epoch)
        )
        merged = {id(control) for control in quiet}
        by_dpkg = [p for p in by_dpkg if id(p.control) not in merged]
        return Split(merged=tuple(p for p in packages if p not in by_dpkg), unpacked=tuple(by_dpkg))

    def _merged(
        self, merging: _Merging, split: Split, database: Database
    ) -> tuple[SpooledTar, Split]:
        """The tar of what can be merged; a package that cannot is left to dpkg."""
        step = merging.step
        while True:
            try:
                tar, merge = self._spooled(merging, split)
            except NeedsDpkg as signal:
                if signal.index < 0 or step.bootstrap:
                    raise BuildError(f"cannot be merged: {signal}", where=step.title) from signal
                other = split.merged[signal.index]
                split = Split(
                    merged=tuple(p for p in split.merged if p is not other),
                    unpacked=(*split.unpacked, other),
                )
                merging.decoding.begin(split.merged)
                continue
            waiting = zip(split.merged, merge.conffiles, merge.paths, merge.skipped, strict=True)
            ready = [item for item in waiting if item[0] not in split.unpacked]
            if step.bootstrap:
                database.add((p.control, sums, paths) for p, sums, paths, _ in ready)
                return tar, split
            # Until its package is configured, a conffile waits under another name (Policy 10.7):
            # scripts that run every file of a folder must not find it.
            database.add(_waiting(*item) for item in ready)
            hidden = tuple(path for _, sums, _, _ in ready for path in sorted(sums))
            return tar, replace(split, conffiles=hidden)

    def _spooled(self, merging: _Merging, split: Split) -> tuple[SpooledTar, Merge]:
        """The tar, in the file and as a tree in the sandbox."""
        title = _title(merging.step, "files")
        merge = Merge(
            [(p.deb, p.control) for p in split.merged],
            merging.under,
            first=first_entries(merging.step, self.platform, merging.epoch),
            tars=merging.decoding.tars(split.merged),
        )
        layer = Layer(entries=merge.entries(), epoch=merging.epoch)
        with self.trees.received(title) as tree:
            spooled = self.cache.spooled(title, layer, tree.write)
            tar = merging.stack.enter_context(spooled)
            tree.keep(tar.diff_id)
        return tar, merge

    def _configured(
        self, step: AptStep, work: Work, below: tuple[BuiltLayer, ...], epoch: int
    ) -> CachedLayer:
        title = _title(step, "configuration")
        with self.sandbox.scratch() as scratch:
            self.meanwhile()
            code, output = self.sandbox.run(work, scratch)
            if code:
                raise BuildError(
                    f"packages could not be configured (exit status {code}):\n"
                    f"{output[-_TAIL:].strip()}",
                    where=step.title,
                    hint=f"the sandbox is of the tier '{self.sandbox.tier}'",
                )
            key = self._key("configured", step, below)
            with self.sandbox.changes(work.lower, scratch, epoch=epoch) as tar:
                return self.cache.make_from_tar(key, title, tar, lambda: (epoch, {}))

    def _key(self, part: str, step: AptStep, below: tuple[BuiltLayer, ...]) -> str:
        return _key(self.cache, part, step, below)


def _waiting(
    package: Package, sums: Mapping[str, str], paths: list[str], skipped: set[str]
) -> tuple[DebControl, dict[str, str], list[str]]:
    """A merged package as dpkg knows it until it is configured: no conffile is installed yet.

    One that the root's configuration leaves out never is, and stays so (dpkg's own way).
    """
    control = package.control
    waiting = {*sums, *(skipped & set(control.conffiles()))}
    unpacked = [path for path in paths if path not in skipped]
    return control, dict.fromkeys(sorted(waiting), _NEW), unpacked


def find_apt_layers(
    cache: LayerCache, step: AptStep, below: tuple[BuiltLayer, ...]
) -> tuple[CachedLayer, CachedLayer] | None:
    """Both layers of a step if they were made before on the same layers."""
    data = cache.find(_key(cache, "data", step, below), _title(step, "files"))
    configured = cache.find(_key(cache, "configured", step, below), _title(step, "configuration"))
    return (data, configured) if data and configured else None


def _key(cache: LayerCache, part: str, step: AptStep, below: tuple[BuiltLayer, ...]) -> str:
    return cache.key(f"apt-{part}", step.key, *(layer.diff_id for layer in below))


def _stored(sha256: Sha256) -> str:
    return f"{DEBS}/store/{sha256[:2]}/{sha256[2:]}"


def _title(step: AptStep, part: str) -> str:
    return f"{step.title}, {part}"
