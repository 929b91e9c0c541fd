"""What the pip resolver asks of an index, and the nouns both sides share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from imagelock.model.names import PipName


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file of a project, as its index lists it (PEP 503, 592, 658, 691, 700).

    ``url`` is absolute, canonical and without credentials; ``size`` in bytes; ``yanked`` the
    reason (maybe empty), None when the file is not yanked; ``uploaded`` ISO 8601;
    ``metadata_sha256`` is empty when metadata is advertised without a hash, None when not at all.
    """

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    uploaded: str | None = None
    metadata_sha256: str | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether this is a wheel; everything else an index lists here is an sdist."""
        return self.filename.endswith(".whl")


class Release(Protocol):
    """One version of a project and its files; made cheaply, since most are never looked at."""

    @property
    def version(self) -> str:
        """As in the file names."""
        ...

    @property
    def files(self) -> Sequence[IndexFile]:
        """The wheels that could fit some Linux, and the sdist."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """All a project's releases, the newest first (PEP 440 order), and the index that has them."""

    name: PipName
    index: str
    releases: Sequence[Release]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """The fields of a METADATA or PKG-INFO file that decide a resolution, as written."""

    name: str
    version: str
    requires_python: str | None = None
    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    metadata_version: str = "2.1"
    dynamic: tuple[str, ...] = ()


class Speculation(Protocol):
    """What the index may ask the core while fetching ahead; called from any thread."""

    def likely(self, project: Project) -> IndexFile | None:
        """The file whose metadata will probably be asked for next."""
        ...

    def follow(self, project: Project, metadata: CoreMetadata) -> Iterable[PipName]:
        """The projects that a likely file's metadata leads to."""
        ...


class PipIndex(Protocol):
    """One or several indexes as one; every answer is the same however often it is asked."""

    def project(self, name: PipName) -> Project:
        """The project of the first index that has it; NotFound when none has."""
        ...

    def direct(self, url: str) -> IndexFile:
        """The wheel at a URL, its hash and size from the fragment or from fetching it."""
        ...

    def metadata(self, file: IndexFile) -> CoreMetadata:
        """A file's metadata. NotFound when an sdist has none that can be relied on."""
        ...

    def expect(self, names: Iterable[PipName], speculation: Speculation) -> None:
        """Start to fetch ahead; returns at once and raises nothing."""
        ...

    def expect_metadata(self, files: Iterable[IndexFile]) -> None:
        """Start to fetch the metadata of files; returns at once and raises nothing."""
        ...
