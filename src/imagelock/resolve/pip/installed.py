"""Packages that are in the image already: fixed candidates, which no wheel may replace.

What conda brings is not pip's to choose: such a project has one version, whose dependencies are
read from its own metadata, and which is never downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from imagelock.model.errors import NoSolution
from imagelock.model.names import PipName
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.policy import Policy
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile, PipIndex, Project, Speculation
from imagelock.resolve.pip.resolution import Resolution, resolve

_SCHEME: Final = "installed:"
_ALWAYS: Final = "1970-01-01T00:00:00Z"
"""An upload time that no exclude-newer leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A Python distribution in the image; ``package`` says in messages who brings it.

    ``hint`` is what to do where its version is in the way; ``{name}`` stands for the project.
    """

    metadata: CoreMetadata
    package: str
    hint: str = "move the requirement on {name} to [conda], or ask there for another version of it"


@dataclass(frozen=True, slots=True)
class _OnlyRelease:
    version: str
    files: Sequence[IndexFile]


class _Rest:
    """What is fetched ahead, without what is installed."""

    def __init__(self, inner: Speculation, installed: Mapping[PipName, Installed]) -> None:
        self._inner = inner
        self._installed = installed

    def likely(self, project: Project) -> IndexFile | None:
        return self._inner.likely(project)

    def follow(self, project: Project, metadata: CoreMetadata) -> Iterable[PipName]:
        found = self._inner.follow(project, metadata)
        return [name for name in found if name not in self._installed]


class BesideInstalled:
    """An index whose installed projects have the installed version alone."""

    def __init__(self, index: PipIndex, installed: Mapping[PipName, Installed]) -> None:
        self._index = index
        self._installed = installed
        self._speculations: dict[int, tuple[Speculation, _Rest]] = {}

    def project(self, name: PipName) -> Project:
        """The project; of an installed one the version that is there."""
        found = self._installed.get(name)
        if found is None:
            return self._index.project(name)
        version = found.metadata.version
        file = IndexFile(
            filename=f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
            url=f"{_SCHEME}{name}",
            uploaded=_ALWAYS,
        )
        return Project(name=name, index=_SCHEME, releases=[_OnlyRelease(version, (file,))])

    def direct(self, url: str) -> IndexFile:
        """The file at a URL."""
        return self._index.direct(url)

    def metadata(self, file: IndexFile) -> CoreMetadata:
        """A file's metadata; that of an installed project is its own."""
        if not is_installed(file):
            return self._index.metadata(file)
        return self._installed[PipName(file.url.removeprefix(_SCHEME))].metadata

    def expect(self, names: Iterable[PipName], speculation: Speculation) -> None:
        """Fetch ahead what is not installed."""
        _, rest = self._speculations.setdefault(
            id(speculation), (speculation, _Rest(speculation, self._installed))
        )
        self._index.expect([name for name in names if name not in self._installed], rest)

    def expect_metadata(self, files: Iterable[IndexFile]) -> None:
        """Fetch ahead the metadata of what is not installed."""
        self._index.expect_metadata([file for file in files if not is_installed(file)])


def is_installed(file: IndexFile) -> bool:
    """Whether a file stands for something that is in the image already."""
    return file.url.startswith(_SCHEME)


def resolve_beside(
    installed: Mapping[PipName, Installed],
    requirements: Iterable[str],
    *,
    target: PythonTarget,
    index: PipIndex,
    constraints: Iterable[str] = (),
    overrides: Iterable[str] = (),
    policy: Policy,
) -> Resolution:
    """As :func:`~imagelock.resolve.pip.resolution.resolve`, without what is installed.

    NoSolution names the package that brings what is in the way, and refuses a wheel by URL of
    what is installed.
    """
    if installed:
        kept = {name: v for name, v in policy.preferences.items() if name not in installed}
        policy = replace(policy, preferences=kept)
        index = BesideInstalled(index, installed)
    try:
        found = resolve(
            requirements,
            target=target,
            index=index,
            constraints=constraints,
            overrides=overrides,
            policy=policy,
        )
    except NoSolution as error:
        raise _with_names(error, installed) from None
    for package in found.packages:
        if package.name in installed and not is_installed(package.file):
            raise NoSolution(
                f"a wheel of {package.name} would lie over {installed[package.name].package}",
                where="pip.packages",
                hint=f"leave {package.name} out of one of the two",
            )
    wheels = tuple(item for item in found.packages if not is_installed(item.file))
    return replace(found, packages=wheels)


def _with_names(error: NoSolution, installed: Mapping[PipName, Installed]) -> NoSolution:
    """The error, with the installed packages that it speaks of."""
    named = list(_named(error.message, installed))
    if not named:
        return error
    lines = [f"  {name} is {installed[name].package}" for name in named]
    return NoSolution(
        "\n".join([error.message, *lines]),
        where=error.where,
        hint=installed[named[0]].hint.format(name=named[0]),
    )


def _named(message: str, installed: Mapping[PipName, Installed]) -> Iterator[PipName]:
    """The installed projects whose versions a message tells."""
    for name in sorted(installed):
        if re.search(rf"there is {re.escape(name)} |no version of {re.escape(name)} can", message):
            yield name
