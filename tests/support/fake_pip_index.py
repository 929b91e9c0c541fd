"""An index made up by a test: projects, versions, files and what they require."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from imagelock.model.errors import NotFound
from imagelock.model.names import PipName, pip_name
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile, Project, Speculation
from imagelock.resolve.pip.requirements import version as parsed_version


@dataclass(frozen=True, kw_only=True)
class Made:
    """One version: what it requires, and how it is published."""

    requires: tuple[str, ...] = ()
    tags: tuple[str, ...] = ("py3-none-any",)
    sdist: bool = False
    yanked: str | None = None
    requires_python: str | None = None
    metadata_python: str | None = None
    uploaded: str | None = None
    metadata_name: str | None = None
    metadata_version: str | None = None


@dataclass(frozen=True)
class _Release:
    version: str
    files: tuple[IndexFile, ...]


@dataclass
class FakeIndex:
    """``FakeIndex({"a": {"1.0": ["b>=2"], "2.0": Made(yanked="broken")}})``.

    Files are listed in the order of ``shuffle`` applied to them; answers are counted.
    """

    projects: Mapping[str, Mapping[str, Made | Iterable[str]]]
    reverse: bool = False
    asked: list[str] = field(default_factory=list)
    known: dict[str, CoreMetadata] = field(default_factory=dict)

    def project(self, name: PipName) -> Project:
        self.asked.append(name)
        if name not in self.projects:
            raise NotFound(f"no index has a project '{name}'")
        releases = []
        versions = self.projects[name]
        for text in sorted(versions, key=parsed_version, reverse=True):
            made = versions[text]
            item = made if isinstance(made, Made) else Made(requires=tuple(made))
            files = self._files(name, text, item)
            releases.append(_Release(text, tuple(reversed(files) if self.reverse else files)))
        return Project(name=name, index="https://index.invalid/simple/", releases=releases)

    def _files(self, name: str, text: str, made: Made) -> list[IndexFile]:
        stem = f"{name.replace('-', '_')}-{text}"
        names = [f"{stem}-{tag}.whl" for tag in made.tags]
        if made.sdist:
            names.append(f"{stem}.tar.gz")
        files = []
        for filename in names:
            url = f"https://files.pythonhosted.org/packages/{filename}"
            files.append(
                IndexFile(
                    filename=filename,
                    url=url,
                    sha256=hashlib.sha256(filename.encode()).hexdigest(),
                    size=len(filename),
                    requires_python=made.requires_python,
                    yanked=made.yanked,
                    uploaded=made.uploaded,
                )
            )
            self.known[url] = CoreMetadata(
                name=made.metadata_name or name,
                version=made.metadata_version or text,
                requires_python=made.metadata_python or made.requires_python,
                requires_dist=made.requires,
            )
        return files

    def direct(self, url: str) -> IndexFile:
        return IndexFile(filename=url.rpartition("/")[2], url=url, sha256="d" * 64, size=1)

    def metadata(self, file: IndexFile) -> CoreMetadata:
        if file.url not in self.known:
            for name in self.projects:
                self.project(pip_name(name))
        return self.known[file.url]

    def metadata_of(self, name: str) -> CoreMetadata:
        file = self.project(pip_name(name)).releases[0].files[0]
        return self.known[file.url]

    def expect(self, names: Iterable[PipName], speculation: Speculation) -> None:
        """Follow every guess at once, as a very fast network would."""
        for name in names:
            if name not in self.projects or f"expected {name}" in self.asked:
                continue
            self.asked.append(f"expected {name}")
            project = self.project(pip_name(name))
            file = speculation.likely(project)
            if file is not None:
                self.expect(speculation.follow(project, self.metadata(file)), speculation)

    def expect_metadata(self, files: Iterable[IndexFile]) -> None:
        """Nothing is slow here."""
