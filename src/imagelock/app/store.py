"""``imagelock store path|verify|gc``: what is kept on this machine, is it whole, is it needed."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from imagelock.app.context import Context
from imagelock.app.writers import FOLDER as WRITERS
from imagelock.fetch.git_kept import kept_repositories, remove_repository
from imagelock.fetch.store import Store, StoredFile
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import Lock
from imagelock.model.names import Sha256, digest, hash_of

DEFAULT_UNUSED: Final = timedelta(days=30)
_READERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What :func:`verify_store` read. ``damaged`` are the entries whose bytes are others.

    ``strays`` are files in the store's folders that are no entries, ``trees`` unpacked layers that
    were written to since; ``repaired`` says that all were removed.
    """

    entries: int
    size: int
    damaged: tuple[Sha256, ...]
    strays: tuple[Path, ...]
    trees: tuple[Path, ...] = ()
    repaired: bool

    @property
    def is_whole(self) -> bool:
        """Whether everything left in the store is what its name says."""
        return self.repaired or not (self.damaged or self.strays or self.trees)

    def error(self, store: Store) -> IntegrityError | None:
        """The error to end with when something is wrong (exit code 5), else None."""
        if self.is_whole:
            return None
        damaged = [store.path(sha256) for sha256 in self.damaged]
        first = (*damaged, *self.strays, *self.trees)[0]
        count = len(self.damaged) + len(self.strays) + len(self.trees)
        return IntegrityError(
            f"{count} of {self.entries} entries are damaged",
            where=str(first),
            hint="run `imagelock store verify --repair` to drop them; they are fetched again",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GcReport:
    """What :func:`collect_garbage` removed, or would remove; sizes in bytes."""

    removed: int
    freed: int
    kept: int
    kept_size: int
    leftovers: int


def verify_store(context: Context, *, repair: bool = False) -> VerifyReport:
    """Read every entry against its hash; with ``repair`` what is damaged is removed."""
    store = context.store
    entries = tuple(store.entries())
    total = sum(entry.size for entry in entries)
    with (
        context.progress.task("verifying the store", total) as task,
        ThreadPoolExecutor(_READERS) as pool,
    ):

        def is_damaged(entry: StoredFile) -> bool:
            try:
                store.verify(entry.sha256)
            except KeyError:
                return False
            except (IntegrityError, OSError):
                return True
            finally:
                task.advance(entry.size)
            return False

        verdicts = list(pool.map(is_damaged, entries))
    pairs = zip(entries, verdicts, strict=True)
    damaged = tuple(entry.sha256 for entry, is_bad in pairs if is_bad)
    strays = tuple(_strays(store))
    trees = _broken_trees(store, repair=repair)
    if repair:
        for sha256 in damaged:
            store.remove(sha256)
        for path in strays:
            path.unlink(missing_ok=True)
    return VerifyReport(
        entries=len(entries),
        size=total,
        damaged=damaged,
        strays=strays,
        trees=trees,
        repaired=repair,
    )


def collect_garbage(
    context: Context,
    *,
    unused: timedelta = DEFAULT_UNUSED,
    keep: Iterable[Lock] = (),
    dry_run: bool = False,
) -> GcReport:
    """Remove what was not used for a time and what killed writers left.

    The artifacts and bases of the locks in ``keep`` stay however old they are; git repositories
    go by their last use alone, since what locks need of them are artifacts. No time at all removes
    everything else. It waits for builds that use the store, and they for it.
    """
    with ExitStack() as stack:
        if not dry_run:
            with context.progress.task("waiting for builds that use the store"):
                stack.enter_context(context.store.alone())
        return _collect(context, unused=unused, keep=keep, dry_run=dry_run)


def _collect(
    context: Context, *, unused: timedelta, keep: Iterable[Lock], dry_run: bool
) -> GcReport:
    store = context.store
    needed = frozenset(sha256 for lock in keep for sha256 in needed_by(lock, store))
    oldest = (context.now - unused).timestamp() if unused else math.inf
    removed = freed = kept = kept_size = 0
    for entry in store.entries():
        if entry.sha256 in needed or entry.used > oldest:
            kept, kept_size = kept + 1, kept_size + entry.size
            continue
        removed, freed = removed + 1, freed + entry.size
        if not dry_run:
            store.remove(entry.sha256)
    for repository in kept_repositories(store):
        if repository.used > oldest:
            kept, kept_size = kept + 1, kept_size + repository.size
            continue
        removed, freed = removed + 1, freed + repository.size
        if not dry_run:
            remove_repository(repository)
    if not dry_run:
        _remove_old(store.root / "records", "*/*", oldest)
        _remove_old(store.root / "layouts", "*", oldest)
        _remove_old(store.root / WRITERS, "*", oldest)
        _remove_trees(store, oldest)
    return GcReport(
        removed=removed,
        freed=freed,
        kept=kept,
        kept_size=kept_size,
        leftovers=0 if dry_run else store.sweep(),
    )


def _broken_trees(store: Store, *, repair: bool) -> tuple[Path, ...]:
    """Unpacked layers that were written to; with ``repair`` they are removed."""
    if not (store.root / "trees").exists():
        return ()
    from imagelock.build.oci.sandbox import open_sandbox
    from imagelock.build.oci.trees import broken_seals, remove_tree

    with open_sandbox(store.root) as sandbox:
        names = broken_seals(sandbox)
        if repair:
            for name in names:
                remove_tree(sandbox, name)
        return tuple(sandbox.trees / name for name in names)


def _remove_trees(store: Store, oldest: float) -> None:
    """Layers unpacked for sandboxes; a machine without sandboxes has none."""
    if not (store.root / "trees").exists():
        return
    from imagelock.build.oci.sandbox import open_sandbox
    from imagelock.build.oci.trees import remove_old_trees

    with open_sandbox(store.root) as sandbox:
        remove_old_trees(sandbox, oldest=oldest)


def needed_by(lock: Lock, store: Store) -> Iterator[Sha256]:
    """The hashes of all that a build of the lock reads; a base's layers if its manifest is here."""
    artifacts = [pin.artifact for pin in lock.apt]
    artifacts += [pin.artifact for pin in lock.conda]
    artifacts += [pin.artifact for pin in lock.pip]
    artifacts += [pin.artifact for pin in lock.pip_builds]
    yield from (artifact.sha256 for artifact in artifacts)
    for base in lock.bases:
        yield hash_of(base.digest)
        yield from _blobs_of(store, hash_of(base.digest))
        if base.dpkg_status is not None:
            yield base.dpkg_status


def _blobs_of(store: Store, manifest: Sha256) -> Iterator[Sha256]:
    try:
        table = json.loads(store.read(manifest))
        listed = [table["config"], *table["layers"]]
        yield from (hash_of(digest(blob["digest"])) for blob in listed)
    except (KeyError, ValueError, IntegrityError):
        return


def _strays(store: Store) -> Iterator[Path]:
    known = {entry.path for entry in store.entries()}
    for path in sorted((store.root / "sha256").glob("**/*")):
        if path not in known and not path.is_dir():
            yield path


def _remove_old(folder: Path, pattern: str, oldest: float) -> None:
    for path in sorted(folder.glob(pattern)):
        if path.stat().st_mtime > oldest:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
