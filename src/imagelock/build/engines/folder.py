"""A rendered image as a folder: Dockerfile and context, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagelock.build.engines.prepare import SCRUBBING, Preparation
from imagelock.build.oci.context import BuildContext
from imagelock.fetch.store import disk_errors
from imagelock.model.errors import IntegrityError, UsageError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.render import Dialect, Rendered, render_image

SUMS: Final = "SHA256SUMS"
_OLD: Final = 315_532_800
_SPAN: Final = 40 * 365 * 86_400
"""Times of files: from 1980 on, for so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A folder that was written, and what is in it."""

    path: Path
    rendered: Rendered


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder that takes the place of ``target`` at the end, and is gone when something fails.

    UsageError when there is something already: it is not ours to remove.
    """
    target = target.absolute()
    if target.is_symlink() or (
        target.exists() and not (target.is_dir() and not any(target.iterdir()))
    ):
        raise UsageError(
            "there is something already",
            where=str(target),
            hint="name a folder that is not there yet, or is empty",
        )
    with disk_errors(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield made
        with disk_errors(str(target)):
            made.chmod(0o755)
            made.rename(target)  # onto an empty folder too (rename(2))
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def write_context(
    lock: Lock,
    platforms: Sequence[Platform],
    target: Path,
    *,
    dialect: Dialect,
    reference: str,
    context: BuildContext,
) -> Written:
    """Render platforms of a lock into ``target``, which is there and empty.

    Artifacts are linked from the store where they can be, else copied.
    """
    with disk_errors(str(target)):
        scratch = Path(tempfile.mkdtemp(prefix=".trees.", dir=target))
    try:
        prepared, trees = [], {}
        for platform in platforms:
            folder = scratch / platform.text.replace("/", "-")
            folder.mkdir()
            one = Preparation(
                lock=lock, platform=platform, context=context, scratch=folder, dialect=dialect
            )
            prepared.append(one.image())
            trees[platform] = one.trees
        rendered = render_image(prepared, dialect=dialect, reference=reference, scrubbing=SCRUBBING)
        context.fetch([file.artifact for file in rendered.artifacts], lock.archives)
        with disk_errors(str(target)):
            _write(rendered, target, trees, context)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Written(path=target, rendered=rendered)


def _write(
    rendered: Rendered,
    target: Path,
    trees: Mapping[Platform, Mapping[str, Path]],
    context: BuildContext,
) -> None:
    sums: dict[str, str] = {}
    for text in rendered.texts:
        sums[text.path] = _write_text(target, text.path, text.text)
    for file in rendered.artifacts:
        source = context.store.verify(file.artifact.sha256)
        sums[file.path] = file.artifact.sha256
        _link(source, _place(target, file.path), file.artifact.sha256)
    for tree in rendered.trees:
        key = tree.step.key if tree.step else ""
        first = tree.path.partition("/")[0]
        named = [p for p in rendered.platforms if p.text.replace("/", "-") == first]
        path = _place(target, tree.path)
        trees[(named or list(rendered.platforms))[0]][key].rename(path)
        with path.open("rb") as opened:
            sums[tree.path] = hashlib.file_digest(opened, "sha256").hexdigest()
        _settle(path, 0o644, sums[tree.path])
    for folder in rendered.hashed:
        below = f"{folder}/"
        inner = {p.removeprefix(below): s for p, s in sums.items() if p.startswith(below)}
        lines = "".join(f"{inner[path]}  {path}\n" for path in sorted(inner))
        _write_text(target, below + SUMS, lines)
    _write_text(target, "Dockerfile", rendered.dockerfile)
    for path in target.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def _place(target: Path, name: str) -> Path:
    """Where a file of the context goes; its folder is made."""
    path = target / name
    inside = path.resolve().is_relative_to(target.resolve())
    if not inside or not name.isprintable() or "\\" in name:
        raise IntegrityError("leads out of the context", where=name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_text(target: Path, name: str, text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    sha256 = hashlib.sha256(data).hexdigest()
    path = _place(target, name)
    path.write_bytes(data)
    _settle(path, 0o644, sha256)
    return sha256


def _link(source: Path, path: Path, sha256: str) -> None:
    try:
        path.hardlink_to(source)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK}:
            raise
        shutil.copyfile(source, path)
        _settle(path, 0o444, sha256)


def _settle(path: Path, mode: int, sha256: str) -> None:
    """Give a file a mode and time that are not this machine's.

    The time is made of the content: BuildKit takes a file of the same size and time for the one
    that it was sent before, whatever is in it.
    """
    path.chmod(mode)
    moment = _OLD + int(sha256[:16], 16) % _SPAN
    os.utime(path, (moment, moment))
