"""Two locks to compare, from files or from git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imagelock.app.files import load_lock
from imagelock.lock import decode_lock
from imagelock.lock.diff import LockDiff, diff_locks
from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock


def diff(old: str, new: str) -> LockDiff:
    """Compare two locks, each a path or ``REV:PATH``."""
    return diff_locks(lock_at(old), lock_at(new))


def lock_at(place: str) -> Lock:
    """The lock in a file, or at a git revision: ``REV:PATH``, the path as ``git show`` takes it."""
    revision, colon, path = place.partition(":")
    if not colon or Path(place).exists():
        return load_lock(Path(place))
    return decode_lock(_git_show(revision, path, place), source=place)


def _git_show(revision: str, path: str, place: str) -> bytes:
    # "./" makes git read the path from this folder, as every other path of the call is read.
    inside = path if path.startswith(("./", "../")) else f"./{path}"
    try:
        shown = subprocess.run(
            ["git", "show", "--end-of-options", f"{revision}:{inside}"],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError(
            "git is not installed", where=place, hint="install git, or give a file"
        ) from None
    if shown.returncode != 0:
        said = shown.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise UsageError(
            f"git has no such file: {said.removeprefix('fatal: ')}",
            where=place,
            hint="give a file, or REV:PATH such as HEAD:image.lock",
        )
    return shown.stdout
