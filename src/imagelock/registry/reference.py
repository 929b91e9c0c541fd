"""Image references: ``[registry/]repository[:tag][@digest]``, by distribution/reference."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from imagelock.model.errors import UsageError
from imagelock.model.names import Digest
from imagelock.model.names import digest as checked_digest

DOCKER_HUB: Final = "docker.io"
_HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z"
)
_PART: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_TAG: Final = re.compile(r"\w[\w.-]{0,127}\Z", re.ASCII)
_LONGEST_REPOSITORY: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A parsed reference. ``registry`` is a host with an optional port, ``docker.io`` for the hub.

    At least one of ``tag`` and ``digest`` is set; the digest decides when both are.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def api_host(self) -> str:
        """The host that answers the registry API."""
        return "registry-1.docker.io" if self.registry == DOCKER_HUB else self.registry

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def selector(self) -> str:
        """What the manifest endpoint is asked for: the digest, else the tag."""
        return self.digest or self.tag or "latest"

    def at(self, digest: Digest) -> Reference:
        """The same repository by digest."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Parse a reference as docker does: the hub and ``latest`` are the defaults. UsageError."""
    rest, at, digest_text = text.partition("@")
    name, tag = _split_tag(rest)
    registry, repository = _split_registry(name)
    digest: Digest | None = None
    if at:
        try:
            digest = checked_digest(digest_text)
        except ValueError as error:
            raise _wrong(text, str(error)) from None
    if not _HOST.match(registry):
        raise _wrong(text, f"expected a registry's host, got '{registry}'")
    parts = repository.split("/")
    bad = next((part for part in parts if not _PART.match(part)), None)
    if bad is not None:
        raise _wrong(text, f"expected lower-case repository parts, got '{bad}'")
    if len(repository) > _LONGEST_REPOSITORY:
        raise _wrong(text, f"expected a repository of at most {_LONGEST_REPOSITORY} characters")
    if tag is not None and not _TAG.match(tag):
        raise _wrong(text, f"expected a tag of letters, digits, '_', '.' and '-', got '{tag}'")
    if tag is None and digest is None:
        tag = "latest"
    return Reference(registry=registry, repository=repository, tag=tag, digest=digest)


def _split_tag(rest: str) -> tuple[str, str | None]:
    slash = rest.rfind("/")
    colon = rest.rfind(":")
    if colon > slash:
        return rest[:colon], rest[colon + 1 :]
    return rest, None


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, remainder = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    if not is_host:
        return DOCKER_HUB, name if slash else f"library/{name}"
    if first not in _HUB_NAMES:
        return first, remainder
    return DOCKER_HUB, remainder if "/" in remainder else f"library/{remainder}"


def _wrong(text: str, message: str) -> UsageError:
    shown = text if len(text) <= 200 else text[:200] + "…"
    return UsageError(
        message,
        where=f"image '{shown}'",
        hint="write it like python:3.12-slim or registry.example/team/image@sha256:…",
    )
