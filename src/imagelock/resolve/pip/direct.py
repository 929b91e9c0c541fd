"""Requirements by URL: a project with one version, the wheel at that URL (PEP 508)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion

from imagelock.model.errors import UsageError
from imagelock.model.names import PipName, pip_name
from imagelock.resolve.pip.ports import IndexFile, PipIndex, Project
from imagelock.resolve.pip.requirements import Parsed, version


@dataclass(frozen=True, slots=True)
class _OnlyRelease:
    version: str
    files: Sequence[IndexFile]


@dataclass(frozen=True, slots=True)
class Direct:
    """A project that is taken from one URL."""

    url: str
    project: Project


def direct_projects(index: PipIndex, requirements: Iterable[Parsed]) -> dict[PipName, Direct]:
    """The projects that any of the requirements takes from a URL. UsageError for two URLs."""
    urls: dict[PipName, str] = {}
    for item in requirements:
        if item.url is not None and urls.setdefault(item.name, item.url) != item.url:
            raise UsageError(
                "is required from two different URLs",
                where=f"requirement '{item.name}'",
                hint="keep one of them, or write an override under [pip]",
            )
    return {name: Direct(url, _project(index, name, url)) for name, url in sorted(urls.items())}


def _project(index: PipIndex, name: PipName, url: str) -> Project:
    where = f"requirement '{name}'"
    if url.startswith(("git+", "hg+", "svn+", "bzr+")):
        raise UsageError(
            "requirements from a version control system are not supported yet",
            where=where,
            hint="build a wheel of that commit and name its URL",
        )
    if not url.startswith(("http://", "https://")):
        raise UsageError("expected an http or https URL of a wheel", where=where)
    path = url.partition("#")[0].partition("?")[0]
    if not path.endswith(".whl"):
        raise UsageError(
            "expected the URL of a wheel (.whl)",
            where=where,
            hint="sdists are taken from an index, for the names in allow-sdist",
        )
    file = index.direct(url)
    parts = file.filename.removesuffix(".whl").split("-")
    try:
        found, text = pip_name(parts[0]), str(version(parts[1]))
    except (ValueError, IndexError, InvalidVersion):
        raise UsageError(f"'{file.filename}' is no wheel's name", where=where) from None
    if found != name:
        raise UsageError(f"the URL is that of a wheel of '{found}'", where=where)
    return Project(name=name, index=file.url, releases=[_OnlyRelease(text, (file,))])
