"""The lock's conda section: one solve a platform, over indexes that are opened once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from imagelock.app.context import Context, ResolveOptions
from imagelock.model.archives import (
    WELL_KNOWN_ARCHIVES,
    Archive,
    Artifact,
    archive_url,
    artifact_url,
    is_local,
    local_path,
)
from imagelock.model.conda import CHANNEL_HOST, channel_url, parse_match_spec
from imagelock.model.cutoff import cutoff
from imagelock.model.errors import IntegrityError
from imagelock.model.gpu import conda_bounds
from imagelock.model.lock import PYTHON_ROOT, SPEC_ROOT, BasePin, CondaPin, Lock
from imagelock.model.names import Sha256
from imagelock.model.platform import Platform
from imagelock.model.spec import Spec
from imagelock.resolve.conda.ports import CondaProblem, CondaRecord, CondaSolver
from imagelock.resolve.conda.pythons import conda_python, python_spec
from imagelock.resolve.conda.resolution import ChosenRecord, resolve
from imagelock.resolve.conda.virtual import virtual_packages

__all__ = ["CondaSection", "CondaSections", "conda_python"]

_FILENAME: Final = re.compile(r"[A-Za-z0-9_.+!~-]+\.(?:conda|tar\.bz2)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSection:
    """The pins of one platform, sorted by name, and the archives they name."""

    pins: tuple[CondaPin, ...] = ()
    archives: tuple[Archive, ...] = ()


@dataclass(kw_only=True)
class CondaSections:
    """The conda packages of a spec, platform by platform: a context that ends its solver."""

    spec: Spec
    previous: Lock | None
    context: Context
    options: ResolveOptions
    spec_folder: Path
    _archives: dict[str, str] = field(default_factory=dict)
    _ending: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.close()

    @cached_property
    def solver(self) -> CondaSolver:
        """The solver over the indexes of this run; it lives as long as the context."""
        from imagelock.fetch.conda.solver import RattlerSolver

        return self._ending.enter_context(RattlerSolver(self.context.store, self.context.http))

    def resolve(self, platform: Platform, base: BasePin) -> CondaSection:
        """Solve for a platform. NoSolution with its reason and the versions there are."""
        if not self.spec.has_conda:
            return CondaSection()
        with self.context.progress.task(f"resolving conda packages for {platform}"):
            chosen = resolve(self.roots(platform), self.problem(platform, base), self.solver)
            pins = tuple(self._pin(item, platform) for item in chosen)
        used = {pin.artifact.archive for pin in pins} - WELL_KNOWN_ARCHIVES.keys()
        archives = (Archive(name=name, url=url) for url, name in self._archives.items())
        return CondaSection(
            pins=pins, archives=tuple(sorted(item for item in archives if item.name in used))
        )

    def roots(self, platform: Platform) -> tuple[tuple[str, str], ...]:
        """Who asks for which match spec on a platform."""
        parsed = map(parse_match_spec, self.spec.conda.packages)
        asked = (spec for spec in parsed if spec.platform in {"", str(platform)})
        roots = [(SPEC_ROOT, str(replace(spec, platform=""))) for spec in asked]
        if self.spec.needs_python:
            roots.append((PYTHON_ROOT, python_spec(self.spec.python)))
        return tuple(roots)

    def problem(self, platform: Platform, base: BasePin) -> CondaProblem:
        """What is to be solved on a platform."""
        spec = self.spec.conda
        return CondaProblem(
            platform=platform,
            specs=tuple(sorted({self._located(text) for _, text in self.roots(platform)})),
            constraints=conda_bounds(self.spec.gpu.cuda, self.spec.gpu.cudnn),
            channels=tuple(self._channels),
            virtual_packages=virtual_packages(
                platform, libc=base.libc, cuda=self.spec.gpu.cuda, base=f"'{base.reference}'"
            ),
            priority=spec.channel_priority,
            preferred=tuple(self._preferred(platform)),
            cutoff=self._cutoff,
        )

    @cached_property
    def _channels(self) -> dict[str, str]:
        """The URL the solver knows a channel by, and the one that its archive has in the lock."""
        urls = [channel_url(channel) for channel in self.spec.conda.channels]
        return {self._reachable(url): url for url in urls}

    def _reachable(self, url: str) -> str:
        """A relative folder as a URL of this machine."""
        if not is_local(url):
            return url
        return (self.spec_folder / local_path(url)).resolve().as_uri() + "/"

    def _located(self, text: str) -> str:
        """A match spec whose channel is named by its URL."""
        spec = parse_match_spec(text)
        if not spec.channel:
            return text
        return text.replace(spec.channel, self._reachable(channel_url(spec.channel)).rstrip("/"), 1)

    @property
    def _cutoff(self) -> datetime | None:
        newer, as_of = self.spec.conda.exclude_newer, self.options.as_of
        limits = [as_of] if as_of is not None else []
        if newer is not None:
            limits.append(cutoff(newer, now=self.context.now, where="conda.exclude-newer"))
        return min(limits, default=None)

    def _preferred(self, platform: Platform) -> Iterable[CondaRecord]:
        """The previous pins, but for those that may move or are of channels no longer asked."""
        if self.previous is None:
            return
        known = {url: reachable for reachable, url in self._channels.items()}
        for pin in self.previous.conda:
            channel = pin.channel or archive_url(pin.artifact.archive, self.previous.archives)
            if (
                platform in pin.platforms
                and channel in known
                and not self.options.may_move(pin.name)
            ):
                url = artifact_url(pin.artifact, self.previous.archives)
                if not pin.channel:
                    url = known[channel] + url.removeprefix(channel)
                yield _record(pin, url, known[channel])

    def _pin(self, chosen: ChosenRecord, platform: Platform) -> CondaPin:
        record = chosen.record
        artifact, channel = self._artifact(record, platform)
        return CondaPin(
            name=record.name,
            version=record.version,
            build=record.build,
            build_number=record.build_number,
            subdir=record.subdir,
            noarch=record.noarch,
            artifact=artifact,
            md5=record.md5,
            channel=channel,
            timestamp=record.timestamp,
            license=" ".join(record.license.split()) or None if record.license else None,
            depends=record.depends,
            constrains=record.constrains,
            track_features=record.track_features,
            python_site_packages_path=record.python_site_packages_path,
            platforms=(platform,),
            required_by=chosen.required_by,
        )

    def _artifact(self, record: CondaRecord, platform: Platform) -> tuple[Artifact, str | None]:
        """Where a record's file is, and its channel if that is elsewhere."""
        filename = unquote(urlsplit(record.url).path.rpartition("/")[2])
        path = f"{record.subdir}/{filename}"
        where = f"{record.channel}{path}" if not record.channel.startswith("file:") else path
        folders = {platform.conda_subdir, "noarch"}
        tail = f"{record.subdir}/{record.url.rpartition('/')[2]}"
        if (
            record.subdir not in folders
            or not _FILENAME.fullmatch(filename)
            or not record.url.endswith(f"/{tail}")
        ):
            raise IntegrityError(
                f"expected a package in one of {', '.join(sorted(folders))}, "
                f"the index puts it at '{record.subdir}/{filename}'",
                where=where,
                hint="the channel's index is faulty: do not use it before you know why",
            )
        if record.sha256 is None or record.size is None:
            missing = "sha256" if record.sha256 is None else "size"
            raise IntegrityError(
                f"the channel's index gives no {missing} for this package, so it cannot be locked",
                where=where,
                hint="index the channel again with a current conda-index",
            )
        root = record.url.removesuffix(tail)
        home = self._channels.get(record.channel, record.channel)
        url = self._channels.get(root, root)
        if urlsplit(url).scheme not in {"http", "https", ""}:
            raise IntegrityError(
                "the channel's index puts this package outside of its folder", where=where
            )
        artifact = Artifact(
            archive=self._archive_name(url),
            path=path,
            sha256=Sha256(record.sha256),
            size=record.size,
        )
        return artifact, None if url == home else home

    def _archive_name(self, url: str) -> str:
        """The name of an archive in this lock: the previous one's, else one made of the URL."""
        known = {home: name for name, home in WELL_KNOWN_ARCHIVES.items()}
        if url in known:
            return known[url]
        if url not in self._archives:
            previous = {a.url: a.name for a in (self.previous.archives if self.previous else ())}
            taken = {*WELL_KNOWN_ARCHIVES, *previous.values(), *self._archives.values()}
            self._archives[url] = previous.get(url) or _fresh_name(url, taken)
        return self._archives[url]


def _fresh_name(url: str, taken: set[str]) -> str:
    parts = urlsplit(url)
    text = url.removeprefix(CHANNEL_HOST)
    text = text if text != url else parts.netloc + parts.path
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "channel"
    chosen, number = name, 2
    while chosen in taken:
        chosen, number = f"{name}-{number}", number + 1
    return chosen


def _record(pin: CondaPin, url: str, channel: str) -> CondaRecord:
    """A pin as the solver takes it back."""
    return CondaRecord(
        name=pin.name,
        version=pin.version,
        build=pin.build,
        build_number=pin.build_number,
        subdir=pin.subdir,
        noarch=pin.noarch,
        url=url,
        channel=channel,
        sha256=pin.artifact.sha256,
        size=pin.artifact.size,
        md5=pin.md5,
        depends=pin.depends,
        constrains=pin.constrains,
        track_features=pin.track_features,
        python_site_packages_path=pin.python_site_packages_path,
        timestamp=pin.timestamp,
        license=pin.license,
    )
