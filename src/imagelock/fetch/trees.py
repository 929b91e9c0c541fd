"""Source trees as one artifact: the tar of a project's folder, or of a commit of a repository.

The tar is ours and holds no time, owner or umask, so that its hash is a function of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imagelock.fetch.folders import folder_entries
from imagelock.fetch.git import GitRepository
from imagelock.fetch.store import Store
from imagelock.layers.entries import Entry, Kind, with_parents
from imagelock.layers.tar import tar_chunks
from imagelock.model.archives import Artifact, is_repository, local_path
from imagelock.model.errors import IntegrityError, NotFound

OUR_LOCK: Final = b"# Written by imagelock"
"""How the locks that imagelock writes begin."""


def folder_tar(root: Path) -> Iterator[bytes]:
    """A project's folder without what its ignore files leave out. OSError when unreadable.

    Without the locks of imagelock too: a spec may lie in the project that it names, and its lock
    holds the hash of the project.
    """
    entries = (entry for entry in folder_entries(root, "", str(root)) if not _is_our_lock(entry))
    return tar_chunks(with_parents(entries))


def _is_our_lock(entry: Entry) -> bool:
    if entry.kind is not Kind.FILE or not entry.path.endswith(".lock"):
        return False
    return next(iter(entry.content), b"").startswith(OUR_LOCK)


def add_tree(
    store: Store, artifact: Artifact, root: str, *, folder: Path | None, offline: bool
) -> None:
    """Put the tree of a lock into the store again.

    ``root`` is its archive's URL. IntegrityError when it is no longer what was locked.
    """
    if is_repository(root):
        commit = artifact.path.partition("/")[0]
        repository = GitRepository(root, store=store, folder=folder, offline=offline)
        found = store.add(repository.tree_tar(commit), where=root)
        hint = "a commit has one tree: is the lock damaged?"
    else:
        assert folder is not None
        path = folder / local_path(root)
        if not path.is_dir():
            hint = "put the project back, or run `imagelock lock` on the spec"
            raise NotFound("there is no such folder", where=str(path), hint=hint)
        found = store.add(folder_tar(path), where=str(path))
        hint = "run `imagelock lock` on the spec, and review the change"
    if found != artifact.sha256:
        raise IntegrityError(
            f"is not what was locked: expected sha256 {artifact.sha256}, got {found}",
            where=root,
            hint=hint,
        )
