"""Paths that dpkg leaves out when it unpacks: `path-exclude` and `path-include` (dpkg(1)).

Slim images are configured so. A pattern is a glob over the whole path in which `*` and `?` also
match a slash; the last rule that matches a path decides. What is left out stays in the package's
list of files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

CONFIGURATION: Final = ("etc/dpkg/dpkg.cfg", "root/.dpkg.cfg")
"""dpkg's own files of options, read in this order after those of :data:`FOLDER`."""
FOLDER: Final = "etc/dpkg/dpkg.cfg.d"

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_LINE: Final = re.compile(r"(?:--)?path-(exclude|include)[\s=]\s*(\S.*)\Z")
_WILDCARD: Final = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, slots=True)
class _Rule:
    includes: bool
    pattern: re.Pattern[str]
    lead: str
    """What of the pattern is before its first wildcard, without a slash at its end."""


@dataclass(frozen=True, slots=True)
class PathFilter:
    """The rules of a root, in the order dpkg reads them."""

    rules: tuple[_Rule, ...] = ()

    def leaves_out(self, path: str, *, is_folder_or_link: bool = False) -> bool:
        """Whether dpkg skips an absolute path.

        A folder, or a link that may be one, stays when an include might match below it.
        """
        out = False
        for rule in self.rules:
            if rule.pattern.fullmatch(path):
                out = not rule.includes
        if out and is_folder_or_link:
            return not any(rule.includes and path.startswith(rule.lead) for rule in self.rules)
        return out


def read_filter(files: Mapping[str, str]) -> PathFilter:
    """The filter of a root's configuration files; their text by path, others are passed over."""
    return PathFilter(tuple(_rules(files)))


def _rules(files: Mapping[str, str]) -> Iterable[_Rule]:
    own = [
        path
        for path in sorted(files)
        if path.rpartition("/")[0] == FOLDER and _NAME.match(path.rpartition("/")[2])
    ]
    for path in (*own, *CONFIGURATION):
        for line in files.get(path, "").splitlines():
            match = _LINE.match(line.strip())
            if match is not None:
                text = match[2]
                if len(text) > 1 and text[0] == text[-1] == '"':
                    text = text[1:-1]
                lead = _WILDCARD.split(text)[0]
                yield _Rule(
                    match[1] == "include", re.compile(_glob(text), re.DOTALL), lead.rstrip("/")
                )


def _glob(text: str) -> str:
    """A glob of fnmatch(3) without flags as a regular expression."""
    done = []
    rest = text
    while rest:
        one, rest = rest[0], rest[1:]
        if one == "*":
            done.append(".*")
        elif one == "?":
            done.append(".")
        elif one == "\\" and rest:
            done.append(re.escape(rest[0]))
            rest = rest[1:]
        elif one == "[" and (found := re.match(r"([!^]?)(\]?[^\]]*)\]", rest)):
            negated, inside = "^" if found[1] else "", found[2]
            done.append(f"[{negated}{_bracket(inside)}]")
            rest = rest[found.end() :]
        else:
            done.append(re.escape(one))
    return "".join(done)


def _bracket(inside: str) -> str:
    """The members of a bracket expression; a range keeps its hyphen."""
    return "".join(char if char == "-" else re.escape(char) for char in inside)
