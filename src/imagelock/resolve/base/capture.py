"""Which files of a layer are looked at, and what is looked for in them.

Small text files are kept. Of binaries only version strings are taken, in one pass: nothing of an
image is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO, Final

from imagelock.model.errors import IntegrityError
from imagelock.resolve.base.tarstream import Kind, LayerReader
from imagelock.resolve.base.tree import Captured, Link, Tree

_OVERLAP: Final = 256
_MOST_FOUND: Final = 16
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Rule:
    """Files whose path matches are kept up to ``limit`` bytes, or searched for ``search``.

    A longer file is an error, or of no interest when ``or_none`` says so.
    """

    path: str
    limit: int = 0
    or_none: bool = False
    search: re.Pattern[bytes] | None = None


_PYTHON_VERSION: Final = re.compile(rb"(?<=\0)3\.\d{1,2}\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?\+?(?=\0)")
_GLIBC_VERSION: Final = re.compile(rb"stable release version (2\.\d{1,3})")
_MUSL_VERSION: Final = re.compile(rb"(?<=\0)1\.\d{1,2}\.\d{1,3}(?=[\0-])")

_VENV_METADATA: Final = r"opt/venv/lib/python3\.\d+/site-packages/[^/]+\.dist-info/METADATA"

_RULES: Final = (
    _Rule(r"var/lib/dpkg/status", limit=64 * _MIB),
    _Rule(r"var/lib/dpkg/status\.d/[^/]+(?<!\.md5sums)", limit=_MIB),
    _Rule(r"var/lib/apt/extended_states", limit=16 * _MIB),
    _Rule(r"(?:etc|usr/lib)/os-release", limit=_MIB),
    _Rule(r"etc/(?:passwd|group)", limit=4 * _MIB),
    _Rule(r"etc/apt/(?:sources\.list|preferences)", limit=_MIB),
    _Rule(r"etc/apt/sources\.list\.d/[^/]+\.(?:list|sources)", limit=_MIB),
    _Rule(r"etc/apt/preferences\.d/[^/]+", limit=_MIB),
    _Rule(r"(?:etc|usr|opt|var)/.+\.(?:gpg|asc|pgp)", limit=_MIB // 2, or_none=True),
    _Rule(r"(?:usr/)?bin/dpkg"),
    _Rule(r"(?:.+/)?pyvenv\.cfg"),
    _Rule(_VENV_METADATA, limit=4 * _MIB, or_none=True),
    _Rule(r"(?:.+/)?bin/python3\.\d+", search=_PYTHON_VERSION),
    _Rule(r"(?:.+/)?lib(?:64)?/(?:[^/]+/)?libpython3\.\d+\.so\.1\.0", search=_PYTHON_VERSION),
    _Rule(r"(?:.+/)?include/python3\.\d+/patchlevel\.h", limit=_MIB),
    _Rule(r"(?:.+/)?conda-meta/python-3\.[^/]+\.json"),
    _Rule(r"opt/conda/conda-meta/history"),
    _Rule(r"(?:usr/)?lib[^/]*/(?:[^/]+/)?libc\.so\.6", search=_GLIBC_VERSION),
    _Rule(r"(?:usr/)?lib[^/]*/(?:[^/]+/)?libc-2\.\d+\.so", search=_GLIBC_VERSION),
    _Rule(r"(?:usr/)?lib/ld-musl-[^/]+\.so\.1", search=_MUSL_VERSION),
)


@cache
def _patterns() -> tuple[re.Pattern[str], tuple[tuple[re.Pattern[str], _Rule], ...]]:
    """One pattern for any rule, since most paths match none, and one for each."""
    any_rule = re.compile("(?:" + "|".join(rule.path for rule in _RULES) + r")\Z")
    return any_rule, tuple((re.compile(rule.path + r"\Z"), rule) for rule in _RULES)


def read_layer(file: IO[bytes], tree: Tree, *, where: str) -> str:
    """Unpack a layer over the tree; the diff ID of its tar. IntegrityError when unsafe."""
    reader = LayerReader(file, where=where)
    tree.begin_layer()
    for member in reader.members():
        path = member.path
        if not path or tree.whiteout(path):
            continue
        match member.kind:
            case Kind.FOLDER:
                tree.add_folder(path)
            case Kind.SYMLINK:
                tree.add(path, Link(member.link))
            case Kind.HARD_LINK:
                tree.add_hard_link(path, _relative(member.link))
            case Kind.FILE:
                rule = _rule_of(path)
                if rule is None or (rule.or_none and member.size > rule.limit):
                    tree.add(path, None)
                    continue
                executable = bool(member.mode & 0o111)
                tree.add(path, _capture(rule, reader, executable=executable))
            case Kind.OTHER:
                tree.add(path, None)
    return reader.finish()


def _relative(link: str) -> str:
    return "/".join(part for part in link.split("/") if part not in {"", "."})


def _rule_of(path: str) -> _Rule | None:
    any_rule, each = _patterns()
    if not any_rule.match(path):
        return None
    return next((rule for pattern, rule in each if pattern.match(path)), None)


def _capture(rule: _Rule, reader: LayerReader, *, executable: bool) -> Captured:
    if rule.search is not None:
        return Captured(executable, found=_searched(rule.search, reader.data()))
    if not rule.limit:
        return Captured(executable)
    data = bytearray()
    for piece in reader.data():
        data += piece
        if len(data) > rule.limit:
            raise IntegrityError(
                f"expected at most {rule.limit} bytes in {rule.path}",
                where=reader.where,
                hint="the image is damaged or made to do harm: do not use it",
            )
    return Captured(executable, data=bytes(data))


def _searched(pattern: re.Pattern[bytes], pieces: Iterator[bytes]) -> tuple[str, ...]:
    """The distinct matches in a stream, in the order they come; matches are short."""
    found: dict[str, None] = {}
    tail = b""
    for piece in pieces:
        window = tail + piece
        for match in pattern.finditer(window):
            text = match.group(match.lastindex or 0).decode("ascii")
            if len(found) < _MOST_FOUND:
                found[text] = None
        tail = window[-_OVERLAP:]
    return tuple(found)
