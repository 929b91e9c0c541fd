"""What a build must know of the layers below before it merges packages onto them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_FILES: Final = (
    "var/lib/dpkg/status",
    "var/lib/dpkg/diversions",
    "var/lib/dpkg/statoverride",
    "var/lib/apt/extended_states",
    "etc/dpkg/dpkg.cfg",
    "root/.dpkg.cfg",
)
_CONFIGURATION: Final = "etc/dpkg/dpkg.cfg.d"
_TRIGGERS: Final = "var/lib/dpkg/triggers"


def survey(root: Path) -> dict[str, object]:
    """Links to folders, folders with mode and owner, and the text of dpkg's database files."""
    links: dict[str, str] = {}
    folders: dict[str, list[int]] = {}
    _walk(root, "", links, folders)
    files = {name: _text(root / name) for name in _FILES if (root / name).is_file()}
    triggers = root / _TRIGGERS
    if triggers.is_dir():
        for path in sorted(triggers.iterdir()):
            if path.name not in {"Lock", "Unincorp"}:
                files[f"{_TRIGGERS}/{path.name}"] = _text(path)
    if (root / _CONFIGURATION).is_dir():
        for path in sorted((root / _CONFIGURATION).iterdir()):
            if path.is_file():
                files[f"{_CONFIGURATION}/{path.name}"] = _text(path)
    return {"links": links, "folders": folders, "files": files}


def _walk(root: Path, path: str, links: dict[str, str], folders: dict[str, list[int]]) -> None:
    with os.scandir(root / path) as found:
        for item in sorted(found, key=lambda item: item.name):
            inner = f"{path}/{item.name}" if path else item.name
            if item.is_symlink():
                target = _inside(root, inner)
                if target:
                    links[inner] = target
            elif item.is_dir(follow_symlinks=False):
                status = item.stat(follow_symlinks=False)
                folders[inner] = [stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid]
                _walk(root, inner, links, folders)


def _inside(root: Path, path: str) -> str | None:
    """The folder a link leads to, followed inside the root; None when it leads to none."""
    done: list[str] = []
    todo = path.split("/")[::-1]
    for _ in range(200):
        if not todo:
            break
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        place = root.joinpath(*done, part)
        try:
            status = place.lstat()
        except OSError:
            return None
        if stat.S_ISLNK(status.st_mode):
            text = place.readlink()
            if text.is_absolute():
                done = []
            todo += [piece for piece in str(text).split("/") if piece][::-1]
        elif stat.S_ISDIR(status.st_mode):
            done.append(part)
        else:
            return None
    return "/".join(done) if not todo and done else None


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")
