"""Locks of conda's tools, taken over as pinned: pixi.lock (4 to 6) and conda-lock.yml (1)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from imagelock.app.importing.conda_pins import CondaPackage, Environment, PythonPackage, imported
from imagelock.app.importing.model import Imported, ImportRequest
from imagelock.app.importing.yaml_text import yaml_table
from imagelock.model.errors import UsageError
from imagelock.spec.rules_direct import local_text

_PIXI: Final = re.compile(r"^environments[ \t]*:", re.MULTILINE)
_CONDA_LOCK: Final = re.compile(r"^package[ \t]*:", re.MULTILINE)
_TOKEN: Final = re.compile(r"/t/[^/]+(?:/|\Z)")


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
        known = _pixi_packages(table, where)
        environments = _mapping(table, "environments", where)
        return tuple(
            imported(name, _pixi_environment(value, known, request, f"{where}: {name}"), where)
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
        environment = Environment(_channels(metadata, where))
        other: set[str] = set()
        for item in _list(table, "package", where):
            if not isinstance(item, dict):
                raise UsageError("expected a table for each package", where=f"{where}: package")
            category, platform = item.get("category", "main"), str(item.get("platform"))
            url, hashes = str(item.get("url")), item.get("hash") or {}
            if not isinstance(hashes, dict):
                raise UsageError("expected a table", where=f"{where}: hash")
            if category != "main":
                other.add(str(category))
            elif item.get("manager") == "pip":
                found = _python_package(item, url, _hash(hashes, "sha256", 64, where), request)
                environment.pip.setdefault(platform, set()).add(found)
            else:
                package = _of_url(url, hashes, where)
                environment.conda.setdefault(platform, set()).add(package)
        environment.left += [f"the category '{name}'" for name in sorted(other)]
        return (imported(request.path.resolve().parent.name, environment, where),)


def _channels(table: dict[str, Any], where: str) -> list[str]:
    """The URLs or names of channels, without credentials."""
    found = [
        str(item.get("url")) if isinstance(item, dict) else str(item)
        for item in _list(table, "channels", where)
    ]
    for channel in found:
        _refuse_credentials(channel, where)
    return found


def _pixi_environment(
    value: object, known: dict[str, dict[str, Any]], request: ImportRequest, where: str
) -> Environment:
    if not isinstance(value, dict):
        raise UsageError("expected a table", where=where)
    environment = Environment(_channels(value, where))
    platforms = _mapping(value, "packages", where)
    for platform in platforms:
        for item in _list(platforms, platform, f"{where}: packages"):
            if not isinstance(item, dict):
                raise UsageError("expected a table for each package", where=where)
            if "conda" in item:
                url = str(item["conda"])
                package = _of_url(url, known.get(url, {}), where)
                environment.conda.setdefault(platform, set()).add(package)
            elif "pypi" in item:
                url = str(item["pypi"])
                fields = {**known.get(url, {}), **item}
                digest = _hash(fields, "sha256", 64, where)
                found = _python_package(fields, url, digest, request)
                environment.pip.setdefault(platform, set()).add(found)
    return environment


def _pixi_packages(table: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """What the file says of each URL or path."""
    found: dict[str, dict[str, Any]] = {}
    for item in _list(table, "packages", where):
        if isinstance(item, dict):
            place = item.get("conda") or item.get("pypi") or item.get("url") or item.get("path")
            found[str(place)] = item
    return found


def _python_package(
    item: dict[str, Any], place: str, digest: str, request: ImportRequest
) -> PythonPackage:
    """A package by the place of its file, its repository or its folder."""
    where = str(request.path)
    _refuse_credentials(place.removeprefix("git+"), where)
    name, version = item.get("name"), item.get("version")
    if not isinstance(name, str) or not name:
        raise UsageError(f"a package of '{place.rpartition('/')[2][:80]}' has no name", where=where)
    extras = item.get("extras")
    if isinstance(extras, list) and extras:
        name = f"{name}[{','.join(map(str, extras))}]"
    if place.startswith("git+"):
        # The commit is the fragment, behind the branch or tag that it was found by.
        address, _, commit = place.partition("#")
        plain, _, query = address.partition("?")
        pairs = dict(pair.partition("=")[::2] for pair in query.split("&"))
        folder = f"#subdirectory={pairs['subdirectory']}" if "subdirectory" in pairs else ""
        at = f"@{commit}" if commit else ""
        return PythonPackage(name, place=f"{plain}{at}{folder}")
    if "://" not in place and place not in {"", "None"}:
        return PythonPackage(name, place=local_text(request.beside(unquote(place))))
    if urlsplit(place).scheme in {"http", "https"}:
        plain = place.partition("#")[0]
        return PythonPackage(name, place=f"{plain}#sha256={digest}" if digest else plain)
    return PythonPackage(name, version=str(version))


def _of_url(url: str, hashes: dict[str, Any], where: str) -> CondaPackage:
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
    return CondaPackage(
        name,
        version,
        build,
        channel,
        sha256=_hash(hashes, "sha256", 64, where),
        md5=_hash(hashes, "md5", 32, where),
    )


def _hash(fields: dict[str, Any], key: str, digits: int, where: str) -> str:
    text = str(fields.get(key) or "").lower()
    if text and not re.fullmatch(f"[0-9a-f]{{{digits}}}", text):
        raise UsageError(f"expected {digits} hex digits for {key}", where=where)
    return text


def _refuse_credentials(url: str, where: str) -> None:
    """A spec is no place for secrets; they are not shown either."""
    if "@" in url.partition("://")[2].partition("/")[0] or _TOKEN.search(url):
        raise UsageError(
            "a channel's URL holds credentials",
            where=where,
            hint="put them in ~/.netrc or the keyring, and lock without them",
        )


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
