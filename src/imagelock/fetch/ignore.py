"""Which files of a source folder are left out: .gitignore, .dockerignore and a standard list.

Patterns as gitignore(5) describes them; .dockerignore's are rooted, as Docker's page on it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

STANDARD: Final = (
    "*.pyc",
    "__pycache__/",
    ".cache/",
    ".git/",
    ".venv/",
    "venv/",
    "*.swp",
    ".DS_Store",
)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern that applies below ``folder`` (empty: the root)."""

    folder: str
    pattern: re.Pattern[str]
    keeps: bool
    folders_only: bool


class Ignore:
    """Decides by path, in the order files are walked: folders before what is in them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._git: list[_Rule] = []
        self._standard = [_rule(line, "", rooted=False) for line in STANDARD]
        self._docker = _rules(root / ".dockerignore", "", rooted=True)

    def enter(self, folder: str) -> None:
        """Take up the .gitignore of a folder (empty: the root) before its members are asked."""
        self._git += _rules(self._root / folder / ".gitignore", folder, rooted=False)

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path, relative to the root, is ignored."""
        return any(
            _last_word(rules, path, is_folder=is_folder)
            for rules in (self._standard, self._docker, self._git)
        )

    @property
    def keeps_again(self) -> bool:
        """Whether a .dockerignore brings back files below an ignored folder."""
        return any(rule.keeps for rule in self._docker)


def docker_ignored(ignore: Path, folder: Path) -> Iterator[str]:
    """The files below a folder, relative to it, that another folder's .dockerignore names."""
    rules = _rules(ignore, "", rooted=True)
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        # from either folder's view: the patterns are relative to the context that both are in
        views = {inner.as_posix()}
        if folder.is_relative_to(ignore.absolute().parent):
            views.add((folder.relative_to(ignore.absolute().parent) / inner).as_posix())
        if not path.is_dir() and any(_ignored_below(rules, view) for view in views):
            yield inner.as_posix()


def _ignored_below(rules: list[_Rule], path: str) -> bool:
    """Whether a file or a folder above it is ignored."""
    parts = path.split("/")
    prefixes = ("/".join(parts[: count + 1]) for count in range(len(parts)))
    return any(_last_word(rules, prefix, is_folder=prefix != path) for prefix in prefixes)


def _last_word(rules: list[_Rule], path: str, *, is_folder: bool) -> bool:
    ignored = False
    for rule in rules:
        if rule.folders_only and not is_folder:
            continue
        if rule.folder and not path.startswith(rule.folder + "/"):
            continue
        inner = path[len(rule.folder) + 1 :] if rule.folder else path
        if rule.pattern.fullmatch(inner):
            ignored = not rule.keeps
    return ignored


def _rules(file: Path, folder: str, *, rooted: bool) -> list[_Rule]:
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, IsADirectoryError):
        return []
    lines = (line.rstrip("\r") for line in text.split("\n"))
    wanted = (line for line in lines if line.strip() and not line.startswith("#"))
    return [_rule(line, folder, rooted=rooted) for line in wanted]


def _rule(line: str, folder: str, *, rooted: bool) -> _Rule:
    keeps = line.startswith("!")
    text = line[1:] if keeps else line.removeprefix("\\")
    text = text.strip() if rooted else re.sub(r"(?<!\\) +$", "", text)
    folders_only = text.endswith("/") and not rooted
    text = text.rstrip("/")
    if rooted:
        text = "/" + text.removeprefix("./").lstrip("/")
    anchored = "/" in text
    return _Rule(folder, _pattern(text.lstrip("/"), anchored=anchored), keeps, folders_only)


@cache
def _pattern(text: str, *, anchored: bool) -> re.Pattern[str]:
    prefix = "" if anchored else "(?:.*/)?"
    out, place = "", 0
    while place < len(text):
        rest = text[place:]
        if rest.startswith("**/"):
            out, place = out + "(?:.*/)?", place + 3
        elif rest == "**":
            out, place = out + ".*", place + 2
        elif rest[0] == "*":
            out, place = out + "[^/]*", place + 1
        elif rest[0] == "?":
            out, place = out + "[^/]", place + 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inner = rest[1:end].replace("\\", "\\\\")
            inner = "^" + inner[1:] if inner[:1] in {"!", "^"} else inner
            out, place = f"{out}[{inner}]", place + end + 1
        elif rest[0] == "\\" and len(rest) > 1:
            out, place = out + re.escape(rest[1]), place + 2
        else:
            out, place = out + re.escape(rest[0]), place + 1
    try:
        return re.compile(prefix + out, re.DOTALL)
    except re.error:
        return re.compile(prefix + re.escape(text), re.DOTALL)
