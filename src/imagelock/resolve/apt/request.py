"""What a spec asks of apt: ``git``, ``curl=7.88.*``, ``nvtop/bookworm-backports``, ``exim4-``."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import Final

from imagelock.model.errors import NoSolution, UsageError
from imagelock.resolve.apt.index import Index, Key

_REQUEST: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+?)(?::(?P<architecture>[a-z0-9-]+))?"
    r"(?:=(?P<version>[A-Za-z0-9.+:~*?\[\]-]+)|/(?P<suite>[A-Za-z0-9._/-]+)|(?P<remove>-))?\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One word of ``packages``; ``text`` is the word. ``name`` may still end in a plus sign."""

    text: str
    name: str
    architecture: str = ""
    version: str = ""
    suite: str = ""
    remove: bool = False

    @property
    def specifier(self) -> str:
        """What was asked beside the name, as in the lock's ``required-by``."""
        if self.version:
            return f"= {self.version}"
        return f"/{self.suite}" if self.suite else ""

    def allows(self, version: str) -> bool:
        """Whether a version is one of those asked for; globs are those of apt-get(8)."""
        return not self.version or fnmatch.fnmatchcase(version, self.version)


def parse_request(text: str) -> Request:
    """One word. UsageError for what names no package."""
    match = _REQUEST.match(text)
    if match is None:
        raise UsageError(
            f"expected a package such as 'git', 'curl=7.88.*', 'nvtop/bookworm-backports' "
            f"or 'libc6:arm64', got '{text}'",
            where="apt.packages",
        )
    return Request(
        text=text,
        name=match["name"],
        architecture=match["architecture"] or "",
        version=match["version"] or "",
        suite=match["suite"] or "",
        remove=bool(match["remove"]),
    )


def request_key(request: Request, index: Index) -> Key:
    """The package a request means; NoSolution for an architecture that has no index."""
    architecture = request.architecture or index.architecture
    if architecture in {"native", "any", "all"}:
        architecture = index.architecture
    if architecture not in index.architectures:
        raise NoSolution(
            f"there is no index for the architecture '{architecture}'",
            where=f"apt.packages '{request.text}'",
            hint=f"the sources have {', '.join(index.architectures)}",
        )
    return request.name, architecture
