"""What is known of sources before they are built: their metadata, and what builds them.

It is read where it is static (PEP 621, 643), else asked of the build backend on this machine. An
answer is kept by the hash of the source, so that it is asked once.
"""

from __future__ import annotations

import contextlib
import platform as host
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from imagelock.app.context import Context
from imagelock.fetch.git import GitRepository
from imagelock.fetch.pypi.direct import DirectFiles
from imagelock.fetch.pypi.source import is_sdist, project_table, static_metadata, subfolder
from imagelock.model.archives import is_local, is_repository, local_path, repository_parts
from imagelock.model.cutoff import cutoff
from imagelock.model.errors import BuildError, ImagelockError, IntegrityError, UsageError
from imagelock.model.names import PipName
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import KNOWN_PLATFORMS
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.metadata import parse_metadata
from imagelock.resolve.pip.policy import Policy
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile
from imagelock.resolve.pip.requirements import parse
from imagelock.resolve.pip.requirements import version as version_of
from imagelock.resolve.pip.resolution import resolve

if TYPE_CHECKING:
    from imagelock.build.sources.host import BuildSystem, HostBuild, HostWheel

_REQUIREMENTS: Final = "pip-source-requirements-1"
_METADATA: Final = "pip-source-metadata-1"


@contextlib.contextmanager
def build_errors(name: PipName) -> Iterator[None]:
    """Say of errors that they are about what a package is built with."""
    try:
        yield
    except ImagelockError as error:
        error.where = ", ".join(filter(None, (f"to build {name}", error.where)))
        raise


class PipSources:
    """Describes the sources of one spec; callable from any thread."""

    def __init__(
        self,
        *,
        spec: PipSpec,
        context: Context,
        direct: DirectFiles,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        """``versions`` are the locked ones of sources that stay as they are, by URL."""
        self._spec = spec
        self._context = context
        self._direct = direct
        self._versions = versions or {}
        self._tags: dict[str, str] = {}

    def metadata(self, file: IndexFile) -> CoreMetadata:
        """A source's metadata: static, or what its build backend says it will be.

        BuildError when that fails.
        """
        self._direct.at_hand(file)
        found = static_metadata(self._context.store, file)
        if found is not None:
            return found
        kept = self._context.store.record(_METADATA, self._key(file))
        if isinstance(kept, dict):
            with contextlib.suppress(TypeError):
                return CoreMetadata(**{name: _frozen(item) for name, item in kept.items()})
        self._ask(file, metadata=True)
        return self.metadata(file)

    def build_requirements(self, file: IndexFile) -> tuple[str, ...]:
        """All that is needed to build a wheel of a source: what it says, and what its backend."""
        self._direct.at_hand(file)
        kept = self._context.store.record(_REQUIREMENTS, self._key(file))
        if isinstance(kept, list):
            return tuple(map(str, kept))
        self._ask(file, metadata=False)
        return self.build_requirements(file)

    def _ask(self, file: IndexFile, *, metadata: bool) -> None:
        """Run the hooks, and keep what they say."""
        from imagelock.build.sources.host import build_system, host_build

        path = self._direct.at_hand(file)
        version = self._version(file)
        try:
            system = build_system(project_table(path, file), file.url)
        except ValueError as error:
            raise IntegrityError(f"cannot be read: {error}", where=file.url) from error
        with (
            self._context.progress.task(f"asking {file.filename} what it needs"),
            host_build(
                path,
                file.filename,
                system,
                tree=not is_sdist(file),
                subfolder=subfolder(file),
                where=file.url,
                settings=self._settings(file),
            ) as build,
        ):
            build.install(self._wheels(system, (), file))
            if is_repository(file.url):
                self._place(build, file, version)
            asked = build.requirements()
            store = self._context.store
            if metadata:
                if asked:
                    build.install(self._wheels(system, asked, file))
                found = _metadata(build, file)
                if is_repository(file.url) and not version:
                    found = _repeated(build, file, found)
                store.keep_record(_METADATA, self._key(file), asdict(found))
            needed = sorted({*system.requires, *asked})
            store.keep_record(_REQUIREMENTS, self._key(file), needed)

    def _version(self, file: IndexFile) -> str:
        """The version of a commit's source that is known before its backend is asked."""
        if not is_repository(file.url):
            return ""
        found = static_metadata(self._context.store, file)
        return found.version if found is not None else self._versions.get(file.url, "")

    def _repository(self, file: IndexFile) -> GitRepository:
        return GitRepository(
            repository_parts(file.url)[0],
            store=self._context.store,
            folder=self._direct.folder,
            offline=self._context.http.offline,
        )

    def _place(self, build: HostBuild, file: IndexFile, version: str) -> None:
        """Tell the build a commit's version, or give it the history that it may come from."""
        commit = repository_parts(file.url)[1]
        if version:
            build.pretend(version, commit)
        else:
            repository = self._repository(file)
            build.with_history(lambda folder: repository.write_history(commit, folder))

    def _history(self, file: IndexFile) -> str:
        """What an answer about a source hangs on beside its files: of a repository, its history."""
        if not is_repository(file.url):
            return ""
        version = self._version(file)
        if version:
            return f"\0{version}"
        if file.url not in self._tags:
            self._tags[file.url] = self._repository(file).tags()
        return f"\0{repository_parts(file.url)[1]}\0{self._tags[file.url]}"

    def _settings(self, file: IndexFile) -> tuple[str, ...]:
        """What the spec has the source's backend told."""
        if not self._spec.config_settings:
            return ()
        place = _place_of(file.url)
        named = [parse(line) for line in self._spec.all_requirements + self._spec.all_overrides]
        for item in named:
            if item.url is not None and _place_of(item.url) == place:
                return self._spec.settings_of(item.name)
        # An sdist's name is all that is known of it before its metadata.
        written = re.sub(r"[-_.]+", "-", file.filename).lower()
        for name, told in self._spec.config_settings:
            if re.match(rf"{re.escape(name)}-\d", written):
                return told
        return ()

    def _key(self, file: IndexFile) -> str:
        """What an answer is kept by: the source, who was asked, and what it was told."""
        import hashlib

        python = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
        told = "".join(f"\0{setting}" for setting in self._settings(file))
        text = f"{file.sha256}\0{subfolder(file)}\0{python}{told}{self._history(file)}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def _wheels(self, system: BuildSystem, more: Iterable[str], file: IndexFile) -> list[HostWheel]:
        """The wheels of the build environment for this machine's own Python."""
        from imagelock.app.sections.pip import open_indexes
        from imagelock.build.sources.host import HostWheel

        target = host_target()
        limit = self._spec.exclude_newer
        policy = Policy(
            prerelease=self._spec.prerelease,
            exclude_newer=cutoff(limit, now=self._context.now) if limit else None,
        )
        folder = self._direct.folder
        with open_indexes(self._spec, [target], context=self._context, folder=folder) as index:
            try:
                found = resolve(
                    [*system.requires, *more], target=target, index=index, policy=policy
                )
            except ImagelockError as error:
                place = f"build requirements of {file.filename}"
                error.where = ", ".join(filter(None, (place, error.where)))
                raise
            return [
                HostWheel(
                    name=item.name,
                    filename=item.file.filename,
                    path=self._direct.at_hand(item.file),
                )
                for item in found.packages
            ]


def host_target() -> PythonTarget:
    """This machine's own Python as wheels see it. UsageError where it is not Linux."""
    machine = host.machine()
    known = [item for item in KNOWN_PLATFORMS if item.machine == machine]
    family, version = host.libc_ver()
    if sys.platform != "linux" or not known:
        raise UsageError(
            "sources whose metadata is not static are locked on Linux only",
            where=f"{host.system()} {machine}",
            hint="lock there, or name versions that have wheels",
        )
    return PythonTarget(
        platform=known[0],
        version=host.python_version(),
        libc=f"{family} {version}" if family == "glibc" else "musl 1.2",
        implementation=sys.implementation.name,
    )


def _metadata(build: HostBuild, file: IndexFile) -> CoreMetadata:
    try:
        return parse_metadata(build.metadata())
    except ValueError as error:
        raise IntegrityError(f"has no readable metadata: {error}", where=file.url) from error


def _repeated(build: HostBuild, file: IndexFile, found: CoreMetadata) -> CoreMetadata:
    """The metadata again, as the image's build will make it: without the history.

    BuildError where the backend does not listen to the version that it is told.
    """
    build.pretend(found.version, repository_parts(file.url)[1])
    try:
        again = _metadata(build, file)
        same = version_of(again.version) == version_of(found.version)
        reason = f"without it, it is {again.version}"
    except BuildError as error:
        same, reason = False, error.message
    if not same:
        raise BuildError(
            f"its version, {found.version}, comes from the repository's history, and its build"
            f" backend gives it in no other way: {reason}",
            where=file.url,
            hint="name a release that is on an index, or put a wheel of it there",
        )
    return again


def _place_of(url: str) -> str:
    """Where a source is, whatever commit or hash of it is meant."""
    if is_repository(url):
        root, _ref, folder = repository_parts(url)
        return f"{root}#{folder}"
    plain = url.partition("#")[0]
    return local_path(plain) if is_local(plain) else plain


def _frozen(item: Any) -> Any:  # noqa: ANN401 — JSON of any shape
    return tuple(item) if isinstance(item, list) else item
