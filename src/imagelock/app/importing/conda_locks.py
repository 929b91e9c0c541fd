"""Locks of conda's tools, taken over as pinned: pixi.lock (formats 4 to 6) and conda-lock.yml (1).

What all platforms have in one version is pinned to it, and to the build where that is one as well;
what only some platforms have follows from the others when the spec is locked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from imagelock.app.importing.model import Document, Imported, ImportRequest
from imagelock.app.importing.yaml_text import yaml_table
from imagelock.model.errors import UsageError
from imagelock.model.platform import KNOWN_PLATFORMS

_PIXI: Final = re.compile(r"^environments[ \t]*:", re.MULTILINE)
_CONDA_LOCK: Final = re.compile(r"^package[ \t]*:", re.MULTILINE)
_TOKEN: Final = re.compile(r"/t/[^/]+(?:/|\Z)")
_CHANNEL_HOST: Final = "https://conda.anaconda.org/"
_PLATFORMS: Final = {platform.conda_subdir: str(platform) for platform in KNOWN_PLATFORMS}
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class _Conda:
    name: str
    version: str
    build: str
    channel: str


@dataclass(frozen=True, slots=True)
class _Environment:
    """Packages by conda's name of their platform; ``pip`` are requirements."""

    channels: list[str]
    conda: dict[str, set[_Conda]]
    pip: dict[str, set[str]]


class PixiLock:
    """One spec an environment."""

    def takes(self, path: Path, text: str) -> bool:
        """``pixi.lock``, by its name or its tables."""
        return path.name == "pixi.lock" or (
            path.suffix == ".lock" and bool(_PIXI.search(text)) and text.startswith("version:")
        )

    def read(self, request: ImportRequest, text: str) -> tuple[Imported, ...]:
        """The environments in the order of the file."""
        where = str(request.path)
        table = yaml_table(text, where=where)
        if table.get("version") not in {"4", "5", "6"}:
            raise UsageError(
                f"expected a pixi.lock of version 4, 5 or 6, got {table.get('version')!r}",
                where=where,
                hint="write it anew with a pixi that knows one of these",
            )
        known = _pypi_packages(table, where)
        environments = _mapping(table, "environments", where)
        return tuple(
            _imported(name, _pixi_environment(value, known, f"{where}: {name}"), where)
            for name, value in environments.items()
        )


class CondaLock:
    """One spec, called as the folder is."""

    def takes(self, path: Path, text: str) -> bool:
        """``conda-lock.yml``, by its tables."""
        return path.suffix in {".yml", ".yaml"} and bool(_CONDA_LOCK.search(text))

    def read(self, request: ImportRequest, text: str) -> tuple[Imported, ...]:
        """All packages of the main category; others are named."""
        where = str(request.path)
        table = yaml_table(text, where=where)
        if table.get("version") != "1":
            raise UsageError(
                f"expected a conda-lock.yml of version 1, got {table.get('version')!r}",
                where=where,
                hint="write it anew with conda-lock 2 or newer",
            )
        metadata = _mapping(table, "metadata", where)
        channels = [
            str(item.get("url")) if isinstance(item, dict) else str(item)
            for item in _list(metadata, "channels", where)
        ]
        environment = _Environment(channels, {}, {})
        other: set[str] = set()
        for item in _list(table, "package", where):
            if not isinstance(item, dict):
                raise UsageError("expected a table for each package", where=f"{where}: package")
            category, platform = item.get("category", "main"), str(item.get("platform"))
            if category != "main":
                other.add(str(category))
            elif item.get("manager") == "pip":
                found = environment.pip.setdefault(platform, set())
                found.add(f"{item.get('name')}=={item.get('version')}")
            else:
                package = _of_url(str(item.get("url")), where)
                environment.conda.setdefault(platform, set()).add(package)
        left = [f"the category '{name}'" for name in sorted(other)]
        return (_imported(request.path.resolve().parent.name, environment, where, left),)


def _pixi_environment(value: object, known: dict[str, str], where: str) -> _Environment:
    if not isinstance(value, dict):
        raise UsageError("expected a table", where=where)
    channels = [
        str(item.get("url")) if isinstance(item, dict) else str(item)
        for item in _list(value, "channels", where)
    ]
    environment = _Environment(channels, {}, {})
    for platform, listed in _mapping(value, "packages", where).items():
        for item in listed if isinstance(listed, list) else ():
            if not isinstance(item, dict):
                continue
            if "conda" in item:
                package = _of_url(str(item["conda"]), where)
                environment.conda.setdefault(platform, set()).add(package)
            elif "pypi" in item:
                url = str(item["pypi"])
                line = known.get(url, url)
                environment.pip.setdefault(platform, set()).add(line)
    return environment


def _pypi_packages(table: dict[str, Any], where: str) -> dict[str, str]:
    """A requirement for the URL of each wheel."""
    found: dict[str, str] = {}
    for item in _list(table, "packages", where):
        if isinstance(item, dict) and item.get("name") and item.get("version"):
            url = item.get("pypi") or (item.get("kind") == "pypi" and item.get("url"))
            if url:
                found[str(url)] = f"{item['name']}=={item['version']}"
    return found


def _of_url(url: str, where: str) -> _Conda:
    _refuse_credentials(url, where)
    parts = urlsplit(url)
    folder, _, filename = unquote(parts.path).rpartition("/")
    stem = filename.removesuffix(".conda").removesuffix(".tar.bz2")
    words = stem.rsplit("-", 2)
    if parts.scheme not in {"http", "https"} or stem == filename or len(words) != 3:
        shown = f"{parts.scheme}://{parts.hostname}/…/{filename}"
        raise UsageError(
            f"expected the URL of a conda package, got {shown[:120]}",
            where=where,
            hint="packages built from source have no file that can be pinned",
        )
    channel = f"{parts.scheme}://{parts.netloc}{folder.rpartition('/')[0]}/"
    name, version, build = words
    return _Conda(name, version, build, channel)


def _refuse_credentials(url: str, where: str) -> None:
    """A spec is no place for secrets; they are not shown either."""
    if "@" in url.partition("://")[2].partition("/")[0] or _TOKEN.search(url):
        raise UsageError(
            "a channel's URL holds credentials",
            where=where,
            hint="put them in ~/.netrc or the keyring, and lock without them",
        )


def _imported(
    label: str, environment: _Environment, where: str, left: Iterable[str] = ()
) -> Imported:
    remarks = list(left)
    subdirs = sorted({*environment.conda, *environment.pip})
    remarks += [f"the platform {subdir}" for subdir in subdirs if subdir not in _PLATFORMS]
    subdirs = [subdir for subdir in subdirs if subdir in _PLATFORMS]
    if not subdirs:
        raise UsageError(
            "expected packages for a Linux platform",
            where=where,
            hint="add linux-64 to its platforms, and lock it again",
        )
    conda = {subdir: environment.conda.get(subdir, set()) for subdir in subdirs}
    packages = sorted(_pins(conda, several=len(environment.channels) > 1))
    remarks += _not_everywhere({s: {p.name for p in found} for s, found in conda.items()})
    document: Document = {"platforms": sorted(_PLATFORMS[subdir] for subdir in subdirs)}
    if packages:
        for channel in environment.channels:
            _refuse_credentials(channel, where)
        channels = [_channel(channel) for channel in environment.channels]
        document["conda"] = {"packages": packages, "channels": list(dict.fromkeys(channels))}
    pip = {subdir: environment.pip.get(subdir, set()) for subdir in subdirs}
    if common := set.intersection(*pip.values()):
        document["pip"] = {"packages": sorted(common)}
    remarks += _not_everywhere(pip)
    return Imported(label=label, document=document, left_behind=tuple(remarks))


def _pins(conda: dict[str, set[_Conda]], *, several: bool) -> Iterator[str]:
    """A match spec for what every platform has in one version."""
    by_name = [{package.name: package for package in found} for found in conda.values()]
    for name in set.intersection(*(set(found) for found in by_name)):
        found = [packages[name] for packages in by_name]
        if len({package.version for package in found}) > 1:
            continue
        exact = {package.build for package in found}
        build = f" {found[0].build}" if len(exact) == 1 else ""
        channel = f"{_channel(found[0].channel)}::" if several else ""
        yield f"{channel}{name} =={found[0].version}{build}"


def _channel(url: str) -> str:
    """A channel of the well-known host by its name."""
    return url.removeprefix(_CHANNEL_HOST).rstrip("/") or url


def _not_everywhere(found: dict[str, set[str]]) -> Iterator[str]:
    """What is not pinned, since platforms differ in it."""
    common = set.intersection(*found.values())
    for subdir, names in sorted(found.items()):
        if own := sorted(names - common):
            shown = ", ".join(own[:_SHOWN]) + (", …" if len(own) > _SHOWN else "")
            yield f"what {subdir} alone has: {shown}"


def _mapping(table: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = table.get(key)
    if not isinstance(value, dict):
        raise UsageError("expected a table", where=f"{where}: {key}")
    return value


def _list(table: dict[str, Any], key: str, where: str) -> list[Any]:
    value = table.get(key)
    if not isinstance(value, list):
        raise UsageError("expected a list", where=f"{where}: {key}")
    return value
