"""Source trees as one artifact: the tar of a project's folder, or of a commit of a repository.

The tar is ours and holds no time, owner or umask, so that its hash is a function of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagelock.fetch.folders import folder_entries
from imagelock.fetch.git import GitRepository
from imagelock.fetch.store import Store
from imagelock.layers.entries import with_parents
from imagelock.layers.tar import tar_chunks
from imagelock.model.archives import Artifact, is_repository, local_path
from imagelock.model.errors import IntegrityError, NotFound


def folder_tar(root: Path) -> Iterator[bytes]:
    """A project's folder without what its ignore files leave out. OSError when unreadable."""
    return tar_chunks(with_parents(folder_entries(root, "", str(root))))


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
