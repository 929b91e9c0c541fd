"""The lock's pip section: one resolution a platform over shared fetches, joined to pins."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.pip_pins import PipSection, joined
from imagelock.app.sections.pip_sources import PipSources, build_errors
from imagelock.app.sections.pip_taken_over import check_taken_over
from imagelock.fetch.pypi.client import SimpleIndexes
from imagelock.fetch.pypi.direct import DirectFiles
from imagelock.model.archives import (
    WELL_KNOWN_INDEXES,
    Archive,
    artifact_url,
    is_local,
    is_repository,
    located,
    repository_parts,
)
from imagelock.model.cutoff import cutoff
from imagelock.model.errors import ImagelockError, UsageError
from imagelock.model.lock import Lock, PipBuildPin, PipPin
from imagelock.model.names import PipName, pip_name
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.installed import Installed, resolve_beside
from imagelock.resolve.pip.policy import Policy, Preference
from imagelock.resolve.pip.ports import IndexFile
from imagelock.resolve.pip.requirements import parse
from imagelock.resolve.pip.resolution import Resolution, resolve


def index_urls(spec: PipSpec) -> tuple[str, ...]:
    """The indexes in order of priority: as in uv, the extra ones come before the main one."""
    urls = []
    for named in (*spec.extra_indexes, spec.index):
        url = WELL_KNOWN_INDEXES.get(named, named)
        if urlsplit(url).scheme not in {"http", "https"} and not url.startswith("."):
            raise UsageError(
                f"expected a URL or one of {', '.join(sorted(WELL_KNOWN_INDEXES))}, got '{named}'",
                where="pip.index",
            )
        urls.append(url)
    return tuple(dict.fromkeys(urls))


def open_indexes(
    spec: PipSpec,
    targets: Iterable[PythonTarget],
    *,
    context: Context,
    folder: Path | None,
    kept: Mapping[str, IndexFile] | None = None,
    versions: Mapping[str, str] | None = None,
) -> SimpleIndexes:
    """The indexes of a spec for some targets.

    ``kept`` are the files of URLs that stay, ``versions`` those of such sources, by their file's.
    """
    direct = DirectFiles(store=context.store, http=context.http, folder=folder, kept=kept or {})
    sources = PipSources(spec=spec, context=context, direct=direct, versions=versions)
    return SimpleIndexes(
        context.store,
        context.http,
        index_urls(spec),
        targets=targets,
        find_links=spec.find_links,
        direct=direct,
        described=sources.metadata,
    )


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Leave garbage to reference counts for a while.

    A resolution makes a million small values and hardly a cycle; looking for cycles among them
    takes a sixth of its time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # What was made stays to the end: neither the next collection nor the last looks at it.
        gc.freeze()
        gc.enable()


def pip_section(
    spec: PipSpec,
    targets: Mapping[Platform, PythonTarget],
    *,
    context: Context,
    options: ResolveOptions,
    previous: Lock | None,
    installed: Mapping[Platform, Mapping[PipName, Installed]] | None = None,
    folder: Path | None = None,
) -> PipSection:
    """Resolve the ``[pip]`` table for every target and join what agrees.

    Pins of ``previous`` are preferred unless the options let them move. ``installed`` is what
    the image has without pip; no wheel replaces it. ``folder`` is the spec's. Raise what
    :func:`~imagelock.resolve.pip.resolution.resolve` raises, with the platform in its place.
    """
    if not spec.all_requirements or not targets:
        return PipSection(pins=())
    resolutions: dict[Platform, Resolution] = {}
    ordered = [targets[platform] for platform in sorted(targets)]
    kept = kept_files(spec, previous, options)
    versions = _versions(kept.values(), previous)
    indexes = open_indexes(
        spec, ordered, context=context, folder=folder, kept=kept, versions=versions
    )
    builds: dict[Platform, list[tuple[PipName, Resolution]]] = {}
    with (
        without_collection(),
        indexes as index,
        context.progress.task("resolving pip packages"),
    ):
        for platform in sorted(targets):
            try:
                resolutions[platform] = resolve_beside(
                    (installed or {}).get(platform, {}),
                    spec.all_requirements,
                    constraints=spec.all_constraints,
                    overrides=spec.all_overrides,
                    target=targets[platform],
                    index=index,
                    policy=pip_policy(spec, platform, context.now, options, previous),
                )
                check_taken_over(spec, targets[platform], resolutions[platform])
                builds[platform] = _build_requirements(
                    resolutions[platform],
                    pip_policy(spec, platform, context.now, options, previous),
                    PipSources(
                        spec=spec,
                        context=context,
                        direct=index.direct_files,
                        versions=versions,
                    ),
                    index=index,
                    preferred=partial(_preferred_for_build, previous, platform, options),
                )
            except ImagelockError as error:
                error.where = ", ".join(filter(None, (error.where, f"platform {platform}")))
                raise
    return joined(resolutions, builds, context.http)


def pip_policy(
    spec: PipSpec,
    platform: Platform,
    now: datetime,
    options: ResolveOptions,
    previous: Lock | None,
) -> Policy:
    """What the spec, the options and the previous lock allow on a platform."""
    limits = [cutoff(spec.exclude_newer, now=now)] if spec.exclude_newer else []
    if options.as_of is not None:
        limits.append(options.as_of)
    pins = previous.pip if previous is not None else ()
    return Policy(
        prerelease=spec.prerelease,
        exclude_newer=min(limits, default=None),
        allow_sdist=frozenset(map(pip_name, spec.allow_sdist)),
        no_binary=frozenset(map(pip_name, spec.no_binary)),
        prefer_binary=spec.prefer_binary,
        preferences=_preferences(pins, previous, platform, options),
        hashes=_hashes(spec),
    )


def _preferences(
    pins: Iterable[PipPin | PipBuildPin],
    previous: Lock | None,
    platform: Platform,
    options: ResolveOptions,
) -> dict[PipName, Preference]:
    archives = previous.archives if previous is not None else ()
    return {
        pin.name: Preference(version=pin.version, file=_locked(pin, archives))
        for pin in pins
        if platform in pin.platforms and not options.may_move(pin.name)
    }


def _locked(pin: PipPin | PipBuildPin, archives: tuple[Archive, ...]) -> IndexFile:
    """The file of a pin, as its index would list it."""
    return IndexFile(
        filename=pin.artifact.filename,
        url=artifact_url(pin.artifact, archives),
        sha256=pin.artifact.sha256,
        size=pin.artifact.size,
    )


def _hashes(spec: PipSpec) -> dict[PipName, frozenset[str]]:
    """The hashes that requirements files allow, by project."""
    found: dict[PipName, frozenset[str]] = {}
    for file in spec.requirements:
        for line, hashes in file.hashes:
            name = parse(line).name
            found[name] = found.get(name, frozenset()) | set(hashes)
    return found


def kept_files(
    spec: PipSpec, previous: Lock | None, options: ResolveOptions
) -> dict[str, IndexFile]:
    """The locked files of URLs that the spec names as before: a branch does not move by itself."""
    if previous is None:
        return {}
    before = {*previous.roots.pip.all_requirements, *previous.roots.pip.all_overrides}
    same = before & {*spec.all_requirements, *spec.all_overrides}
    kept: dict[str, IndexFile] = {}
    for item in map(parse, sorted(same)):
        if not item.url or is_local(item.url):
            continue
        found = {
            pin.artifact.sha256: _locked(pin, previous.archives)
            for pin in previous.pip
            if pin.name == item.name and not options.may_move(pin.name)
        }
        # A project may have a URL for each platform, and so several pins.
        files = [file for file in found.values() if _is_of(file.url, item.url)]
        if len(files) == 1:
            kept[item.url] = files[0]
    return kept


def _is_of(locked: str, url: str) -> bool:
    """Whether a locked file is one that a requirement's URL may mean."""
    if is_repository(url):
        root, _ref, folder = repository_parts(url)
        return located(locked)[0] == root and located(locked)[1].partition("/")[2] == folder
    return unquote(locked) == unquote(url.partition("#")[0])


def _versions(kept: Iterable[IndexFile], previous: Lock | None) -> dict[str, str]:
    """The locked versions of files that stay, by URL."""
    if previous is None:
        return {}
    urls = {file.url for file in kept}
    locked = ((artifact_url(pin.artifact, previous.archives), pin) for pin in previous.pip)
    return {url: pin.version for url, pin in locked if url in urls}


def _build_requirements(
    resolution: Resolution,
    policy: Policy,
    sources: PipSources,
    *,
    index: SimpleIndexes,
    preferred: Callable[[PipName], Mapping[PipName, Preference]],
) -> list[tuple[PipName, Resolution]]:
    """What each source of a target is built with, every one resolved alone (PEP 517)."""
    made = []
    for item in resolution.packages:
        if item.file.is_wheel:
            continue
        own = Policy(
            prerelease=policy.prerelease,
            exclude_newer=policy.exclude_newer,
            preferences=preferred(item.name),
        )
        with build_errors(item.name):
            needed = sources.build_requirements(item.file)
            found = resolve(needed, target=resolution.target, index=index, policy=own)
            made.append((item.name, found))
    return made


def _preferred_for_build(
    previous: Lock | None, platform: Platform, options: ResolveOptions, name: PipName
) -> Mapping[PipName, Preference]:
    """What a source was built with before."""
    pins = previous.pip_builds if previous is not None else ()
    mine = [pin for pin in pins if name in pin.builds]
    return _preferences(mine, previous, platform, options)
