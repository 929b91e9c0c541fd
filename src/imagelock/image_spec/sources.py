"""Source that a lock does not name: the modules this process loaded, or what registration says.

It enters the image, and the tag by its content; the lock on disk stays as it is, so that a
registration that copies and one that does not have the same lock.
"""

from __future__ import annotations

import posixpath
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imagelock.image_spec.checks import CopyFileDetection
from imagelock.image_spec.place import folder_above, relative
from imagelock.model.archives import is_local
from imagelock.model.lock import BaseKind, Lock
from imagelock.model.spec import CopyRule, SourceRule
from imagelock.spec.image_spec.fields import COPY_FOLDER

_NOT_SOURCE: Final = ("site-packages", "dist-packages")
_FOLDERS: Final = (BaseKind.LAYOUT, BaseKind.SPEC)
"""Bases that are named by a path."""


@dataclass(frozen=True, slots=True)
class Source:
    """What to copy to the working folder: files below ``root``, an absolute path."""

    root: Path
    mode: CopyFileDetection


def with_source(lock: Lock, source: Source, folder: Path, lock_folder: Path) -> Lock:
    """The lock with the source copied too; ``folder`` is what its own paths are relative to."""
    if source.mode is CopyFileDetection.NO_COPY:
        return lock
    home = folder_above(folder, [source.root])
    roots = lock.roots
    if home != folder:
        prefix = relative(folder, home)
        lock = _moved(lock, prefix)
        lock = replace(lock, context=relative(home, lock_folder))
        roots = lock.roots
    root = relative(source.root, home)
    if source.mode is CopyFileDetection.ALL:
        return replace(lock, roots=replace(roots, source=SourceRule(root=root)))
    target = roots.image.workdir or COPY_FOLDER
    rules = (
        CopyRule(source=posixpath.normpath(f"{root}/{path}"), target=f"{target.rstrip('/')}/{path}")
        for path in loaded_files(source.root)
    )
    return replace(lock, roots=replace(roots, copies=(*roots.copies, *rules)))


def loaded_files(root: Path) -> list[str]:
    """The files below a folder that modules of this process were loaded from, sorted.

    Relative to it, with '/'. What is installed is left out, wherever the environment lies, and so
    are our own modules: building loads some, which must not change what is built.
    """
    return sorted({relative(path, root) for path in _module_files() if _is_below(path, root)})


def _module_files() -> Iterator[Path]:
    installed = {
        *(Path(path).resolve() for path in (*site.getsitepackages(), site.getusersitepackages())),
        *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "scripts")),
    }
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "imagelock":
            continue
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        path = Path(file).resolve()
        is_installed = any(path.is_relative_to(folder) for folder in installed)
        if not is_installed and not set(_NOT_SOURCE) & set(path.parts) and path.is_file():
            yield path


def _is_below(path: Path, root: Path) -> bool:
    return path.is_relative_to(root.resolve())


def _moved(lock: Lock, prefix: str) -> Lock:
    """The lock's own relative paths, relative to a folder above."""

    def moved(path: str) -> str:
        slash = "/" if path.endswith("/") else ""
        return posixpath.normpath(posixpath.join(prefix, path)) + slash

    roots = lock.roots
    copies = tuple(CopyRule(source=moved(rule.source), target=rule.target) for rule in roots.copies)
    source = roots.source and replace(roots.source, root=moved(roots.source.root))
    archives = tuple(
        replace(one, url=_local(moved(one.url))) if is_local(one.url) else one
        for one in lock.archives
    )
    bases = tuple(
        replace(pin, reference=_base_moved(pin.reference, moved)) if pin.kind in _FOLDERS else pin
        for pin in lock.bases
    )
    return replace(
        lock,
        roots=replace(roots, copies=copies, source=source),
        archives=archives,
        bases=bases,
    )


def _local(url: str) -> str:
    """A relative reference that no reader takes for anything else."""
    return url if url.startswith("../") else f"./{url}"


def _base_moved(reference: str, moved: Callable[[str], str]) -> str:
    prefix = "oci:" if reference.startswith("oci:") else ""
    return prefix + moved(reference.removeprefix(prefix))
