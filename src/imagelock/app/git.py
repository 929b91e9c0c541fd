"""``imagelock git``: locks in a repository, with a diff driver and a merge driver of ours.

git calls the drivers (gitattributes(5)): ``diff.imagelock.command`` for `git diff`,
``diff.imagelock.textconv`` where git makes the diff itself (`git log -p`, `git show`), and
``merge.imagelock.driver`` for merges, rebases and cherry-picks.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagelock.app.files import read_file, write_whole
from imagelock.lock import decode_lock, encode_lock
from imagelock.model.errors import ImagelockError, LockError, UsageError
from imagelock.model.lock import Lock

CONFIG: Final = {
    "diff.imagelock.command": "imagelock git diff",
    "diff.imagelock.textconv": "imagelock git textconv",
    "merge.imagelock.name": "imagelock: section by section",
    "merge.imagelock.driver": "imagelock git merge %O %A %B %P",
}
"""What git is told in the repository's own configuration."""

FOREIGN_LOCKS: Final = (
    "Berksfile.lock",
    "Cargo.lock",
    "Chart.lock",
    "Gemfile.lock",
    "MODULE.bazel.lock",
    "Pipfile.lock",
    "Podfile.lock",
    "buf.lock",
    "bun.lock",
    "composer.lock",
    "conan.lock",
    "deno.lock",
    "devbox.lock",
    "flake.lock",
    "mix.lock",
    "paket.lock",
    "pdm.lock",
    "pixi.lock",
    "poetry.lock",
    "pubspec.lock",
    "rebar.lock",
    "shard.lock",
    "stack.yaml.lock",
    "symfony.lock",
    "uv.lock",
    "yarn.lock",
)
"""Files that end in .lock and are another tool's."""

_BEGIN: Final = "# imagelock git install: locks of imagelock, not those of other tools"
_END: Final = "# imagelock git install: end"
ATTRIBUTES: Final = (
    _BEGIN,
    "*.lock diff=imagelock merge=imagelock",
    *(f"{name} !diff !merge" for name in FOREIGN_LOCKS),
    _END,
)
"""The lines in .gitattributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What was set up, or taken away. ``effective`` says whether git now uses the drivers."""

    repository: Path
    attributes: Path
    changed: bool
    effective: bool


def install(folder: Path) -> Installed:
    """Set up the drivers in the repository of a folder; a second time changes nothing.

    The lines of .gitattributes come first in the file: those a person wrote win over them.
    """
    repository = _repository(folder)
    changed = False
    for key, value in CONFIG.items():
        if _git(repository, "config", "--local", "--get", key).stdout != f"{value}\n":
            _git_or_fail(repository, "config", "--local", "--replace-all", key, value)
            changed = True
    path = repository / ".gitattributes"
    changed = _rewrite(path, ATTRIBUTES) or changed
    return _installed(repository, path, changed=changed)


def uninstall(folder: Path) -> Installed:
    """Take away what :func:`install` set up, and nothing else."""
    repository = _repository(folder)
    changed = False
    for key in CONFIG:
        unset = _git(repository, "config", "--local", "--unset-all", key)
        changed = changed or unset.returncode == 0
    path = repository / ".gitattributes"
    changed = _rewrite(path, ()) or changed
    return _installed(repository, path, changed=changed)


def _installed(repository: Path, path: Path, *, changed: bool) -> Installed:
    shown = _git(repository, "check-attr", "diff", "merge", "--", "image.lock").stdout
    return Installed(
        repository=repository,
        attributes=path,
        changed=changed,
        effective=shown.count(": imagelock\n") == len(("diff", "merge")),
    )


def _rewrite(path: Path, block: Iterable[str]) -> bool:
    """Put the block first in a file of lines, in place of an older one; say whether it changed."""
    before = path.read_bytes() if path.exists() else b""
    text = before.decode("utf-8", "surrogateescape")
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    bare = [line.rstrip("\r\n") for line in lines]
    if _BEGIN in bare and _END in bare[bare.index(_BEGIN) :]:
        first = bare.index(_BEGIN)
        del lines[first : bare.index(_END, first) + 1]
    else:
        first = 0
    lines[first:first] = [f"{line}{end}" for line in block]
    after = "".join(lines).encode("utf-8", "surrogateescape")
    if after == before:
        return False
    if after:
        write_whole(path, after)
    else:
        path.unlink()
    return True


def merge_files(base: Path, ours: Path, theirs: Path, *, path: str) -> tuple[str, ...]:
    """Merge three versions of the lock at ``path`` into the file ``ours``; the conflicts, if any.

    With a conflict the file is ours with a conflict block before it: no lock, until a person
    decided.
    """
    from imagelock.lock.merge import merge_locks

    conflicts: list[str] = []
    sides: list[Lock] = []
    data = {
        name: read_file(file, "lock", hint="git calls this command itself")
        for name, file in (("base", base), ("ours", ours), ("theirs", theirs))
    }
    for name, content in data.items():
        try:
            sides.append(_decode(content, name))
        except LockError as error:
            conflicts.append(str(error).partition("\nhint: ")[0])
    if not conflicts:
        merged = merge_locks(*sides)
        if merged.lock is not None:
            write_whole(ours, encode_lock(merged.lock))
            return ()
        conflicts = [str(conflict) for conflict in merged.conflicts]
    write_whole(ours, _conflict_block(conflicts, path).encode() + data["ours"])
    return tuple(conflicts)


def _decode(content: bytes, name: str) -> Lock:
    if not content and name == "base":
        raise LockError("both sides added this lock", where=name)
    return decode_lock(content, source=name)


def next_step(path: str) -> str:
    """What to do about a conflict in a lock."""
    lock, spec = shlex.quote(path), shlex.quote(str(Path(path).with_suffix(".toml")))
    return (
        f"merge the spec, take either side (git checkout --ours -- {lock}),"
        f" then run `imagelock lock {spec}`"
    )


def _conflict_block(conflicts: Iterable[str], path: str) -> str:
    from imagelock.lock.words import printable

    lines = [
        "<<<<<<< ours",
        "# The two sides of this lock cannot be merged:",
        *(f"#   {printable(conflict)}" for conflict in conflicts),
        "=======",
        f"# {printable(next_step(path))}",
        ">>>>>>> theirs",
    ]
    return "".join(f"{line}\n" for line in lines)


def readable(path: Path) -> Lock | None:
    """The lock in a file, or None for one that is no lock (not ours, in conflict, not there)."""
    try:
        return decode_lock(path.read_bytes(), source=str(path))
    except (ImagelockError, OSError):
        return None


def plain_diff(old: Path, new: Path) -> None:
    """Git's own diff of two files, to our stdout: for what is no lock."""
    options = ("--no-index", "--no-ext-diff", "--no-textconv")
    subprocess.run(["git", "diff", *options, "--", str(old), str(new)], check=False)


def wants_color(*, terminal: bool) -> bool:
    """Whether git would colour a diff here; it knows whether our output goes to a pager."""
    asked = ["git", "config", "--get-colorbool", "color.diff", "true" if terminal else "false"]
    try:
        return subprocess.run(asked, capture_output=True, check=False).stdout.strip() == b"true"
    except FileNotFoundError:
        return terminal


def _repository(folder: Path) -> Path:
    found = _git(folder, "rev-parse", "--show-toplevel")
    if found.returncode != 0 or not found.stdout.strip():
        raise UsageError(
            "this folder is in no git work tree",
            where=str(folder.absolute()),
            hint="run `git init`, or call it in the repository that holds the locks",
        )
    return Path(found.stdout.removesuffix("\n"))


def _git_or_fail(folder: Path, *words: str) -> None:
    done = _git(folder, *words)
    if done.returncode != 0:
        raise UsageError(
            f"git config failed: {done.stderr.strip()}",
            where=str(folder),
            hint="check that .git/config can be written",
        )


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise UsageError("git is not installed", hint="install git") from None
