"""The lock's pip section: one resolution a platform over shared fetches, joined to pins."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.pip_taken_over import check_taken_over
from imagelock.fetch.http import Http, redact
from imagelock.fetch.pypi.client import SimpleIndexes
from imagelock.model.archives import (
    WELL_KNOWN_ARCHIVES,
    WELL_KNOWN_INDEXES,
    Archive,
    Artifact,
    artifact_url,
)
from imagelock.model.cutoff import cutoff
from imagelock.model.errors import ImagelockError, IntegrityError, UsageError
from imagelock.model.lock import Lock, PipPin, Requirer
from imagelock.model.names import PipName, Sha256, pip_name, sha256
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.model.spec import PipSpec
from imagelock.resolve.pip.installed import Installed, resolve_beside
from imagelock.resolve.pip.policy import Policy, Preference
from imagelock.resolve.pip.ports import IndexFile
from imagelock.resolve.pip.requirements import parse
from imagelock.resolve.pip.resolution import Chosen, Resolution

_PYPI_FILES: Final = WELL_KNOWN_ARCHIVES["pypi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipSection:
    """The pins, sorted by name, version and file; and the archives they name."""

    pins: tuple[PipPin, ...]
    archives: tuple[Archive, ...] = ()


def index_urls(spec: PipSpec) -> tuple[str, ...]:
    """The indexes in order of priority: as in uv, the extra ones come before the main one."""
    urls = []
    for named in (*spec.extra_indexes, spec.index):
        url = WELL_KNOWN_INDEXES.get(named, named)
        if urlsplit(url).scheme not in {"http", "https"}:
            raise UsageError(
                f"expected a URL or one of {', '.join(sorted(WELL_KNOWN_INDEXES))}, got '{named}'",
                where="pip.index",
            )
        urls.append(url)
    return tuple(dict.fromkeys(urls))


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
) -> PipSection:
    """Resolve the ``[pip]`` table for every target and join what agrees.

    Pins of ``previous`` are preferred unless the options let them move. ``installed`` is what
    the image has without pip; no wheel replaces it. Raise what
    :func:`~imagelock.resolve.pip.resolution.resolve` raises, with the platform in its place.
    """
    if not spec.all_requirements or not targets:
        return PipSection(pins=())
    resolutions: dict[Platform, Resolution] = {}
    ordered = [targets[platform] for platform in sorted(targets)]
    indexes = SimpleIndexes(context.store, context.http, index_urls(spec), targets=ordered)
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
                    overrides=spec.overrides,
                    target=targets[platform],
                    index=index,
                    policy=pip_policy(spec, platform, context.now, options, previous),
                )
                check_taken_over(spec, targets[platform], resolutions[platform])
            except ImagelockError as error:
                error.where = ", ".join(filter(None, (error.where, f"platform {platform}")))
                raise
    return _joined(resolutions, context.http)


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
    archives = previous.archives if previous is not None else ()
    return Policy(
        prerelease=spec.prerelease,
        exclude_newer=min(limits, default=None),
        allow_sdist=frozenset(map(pip_name, spec.allow_sdist)),
        preferences={
            pin.name: Preference(version=pin.version, file=_locked(pin, archives))
            for pin in pins
            if platform in pin.platforms and not options.may_move(pin.name)
        },
        hashes=_hashes(spec),
    )


def _locked(pin: PipPin, archives: tuple[Archive, ...]) -> IndexFile:
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


def _joined(resolutions: Mapping[Platform, Resolution], http: Http) -> PipSection:
    """One pin for every file, over all the platforms that chose it."""
    chosen: dict[tuple[str, str, str], dict[Platform, Chosen]] = {}
    for platform, resolution in resolutions.items():
        for item in resolution.packages:
            key = (item.name, item.version, item.file.url)
            chosen.setdefault(key, {})[platform] = item
    files = {items[min(items)].file.url: items[min(items)].file for items in chosen.values()}
    names = _archive_names(files)
    pins = tuple(_pin(chosen[key], names, http) for key in sorted(chosen))
    used = {pin.artifact.archive for pin in pins}
    archives = {
        Archive(name=name, url=url)
        for url, name in names.items()
        if name in used and name not in WELL_KNOWN_ARCHIVES
    }
    return PipSection(pins=pins, archives=tuple(sorted(archives)))


def _pin(items: Mapping[Platform, Chosen], names: Mapping[str, str], http: Http) -> PipPin:
    first = items[min(items)]
    edges: set[Requirer] = set()
    for item in items.values():
        edges.update(item.required_by)
    return PipPin(
        name=first.name,
        version=first.version,
        artifact=_artifact(first.file, names, http),
        platforms=tuple(sorted(items)),
        required_by=tuple(sorted(edges)),
        extras=tuple(sorted({extra for item in items.values() for extra in item.extras})),
        requested=any(item.requested for item in items.values()),
    )


def _root(url: str) -> str:
    """The archive a file's URL belongs to: a well-known one, else its host."""
    if url.startswith(_PYPI_FILES):
        return _PYPI_FILES
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _archive_names(urls: Iterable[str]) -> dict[str, str]:
    """A name for every archive root: ``pypi``, or the host (numbered if two share a name)."""
    names = {_PYPI_FILES: "pypi"}
    for root in sorted({_root(url) for url in urls} - {_PYPI_FILES}):
        host = urlsplit(root).netloc.replace(":", "-") or "local"
        name, number = host, 2
        while name in names.values() or name in WELL_KNOWN_ARCHIVES:
            name, number = f"{host}-{number}", number + 1
        names[root] = name
    return names


def _artifact(file: IndexFile, names: Mapping[str, str], http: Http) -> Artifact:
    root = _root(file.url)
    return Artifact(
        archive=names[root],
        path=unquote(file.url[len(root) :]),
        sha256=_hash(file),
        size=file.size if file.size is not None else _size(file, http),
    )


def _hash(file: IndexFile) -> Sha256:
    try:
        return sha256(file.sha256 or "")
    except ValueError as error:
        raise IntegrityError(
            "the index gives no sha256 for this file, so it cannot be locked",
            where=redact(file.url),
            hint="use an index that lists sha256 hashes (PEP 503)",
        ) from error


def _size(file: IndexFile, http: Http) -> int:
    """The size an index without PEP 700 does not tell."""
    length = http.request("HEAD", file.url).headers.get("content-length", "")
    if not length.isdigit():
        raise IntegrityError(
            "neither the index nor the server tells the size of this file", where=redact(file.url)
        )
    return int(length)
