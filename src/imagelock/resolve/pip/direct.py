"""Requirements by URL or path: a project with one version, what is there (PEP 508)."""

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
    file = index.direct(url)
    if not file.is_wheel:
        metadata = index.metadata(file)
        found, written = metadata.name, metadata.version
    else:
        parts = file.filename.removesuffix(".whl").split("-")
        if len(parts) < 5:
            raise UsageError(f"'{file.filename}' is no wheel's name", where=where)
        found, written = parts[0], parts[1]
    try:
        found, text = pip_name(found), str(version(written))
    except (ValueError, InvalidVersion):
        msg = f"'{file.filename}' has no proper name and version: '{found}', '{written}'"
        raise UsageError(msg, where=where) from None
    if found != name:
        raise UsageError(
            f"what is there is '{found}'", where=where, hint=f"write '{found} @ {file.url}'"
        )
    return Project(name=name, index=file.url, releases=[_OnlyRelease(text, (file,))])
