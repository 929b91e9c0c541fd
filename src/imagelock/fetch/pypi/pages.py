"""Project pages: PEP 691 JSON or PEP 503 HTML in, releases of what Linux could use out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from imagelock.model.errors import NetworkError
from imagelock.model.names import PipName
from imagelock.resolve.pip.ports import IndexFile

ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)
_SDISTS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
_FOREIGN: Final = ("win", "macosx", "ios_", "android_", "emscripten", "pyodide", "wasi")
Row = list[Any]
"""A file as kept in the store: the fields of IndexFile in their order."""


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """One version of a project; its files are made when they are looked at."""

    version: str
    rows: Sequence[Row]

    @property
    def files(self) -> tuple[IndexFile, ...]:
        """The files of this version, in the index's order."""
        return tuple(
            IndexFile(
                filename=row[0],
                url=row[1],
                sha256=row[2],
                size=row[3],
                requires_python=row[4],
                yanked=row[5],
                uploaded=row[6],
                metadata_sha256=row[7],
            )
            for row in self.rows
        )


def parse_page(body: bytes, content_type: str, url: str, name: PipName) -> list[list[Any]]:
    """The releases of a page, newest first: ``[version, rows]`` each.

    ``url`` is the page's, for relative links. NetworkError when the page is neither format.
    """
    if "json" in content_type:
        rows = _json_rows(body, url)
    elif "html" in content_type or not content_type:
        rows = _html_rows(body, url)
    else:
        raise NetworkError(
            f"expected a page of the Simple API, got '{content_type}'",
            where=url,
            hint="is this the root of an index, like https://pypi.org/simple/ ?",
        )
    return _grouped(rows, name)


def _grouped(rows: Iterable[Row], name: PipName) -> list[list[Any]]:
    known: dict[str, Version | None] = {}
    groups: dict[Version, list[Row]] = {}
    for row in rows:
        text = _version_in(row[0], name)
        if text is None:
            continue
        if text not in known:
            try:
                known[text] = Version(text)
            except InvalidVersion:
                known[text] = None
        version = known[text]
        if version is not None:
            groups.setdefault(version, []).append(row)
    return [[str(version), groups[version]] for version in sorted(groups, reverse=True)]


def _version_in(filename: str, name: PipName) -> str | None:
    """The version a file name holds; None for what is no file of this project for Linux."""
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        if len(parts) not in {5, 6} or str(canonicalize_name(parts[0])) != name:
            return None
        platforms = parts[-1].split(".")
        if all(platform.startswith(_FOREIGN) for platform in platforms):
            return None
        return parts[1]
    stem = next((filename[: -len(end)] for end in _SDISTS if filename.endswith(end)), None)
    if stem is None:
        return None
    place = stem.find("-")
    while place != -1:
        if str(canonicalize_name(stem[:place])) == name:
            return stem[place + 1 :]
        place = stem.find("-", place + 1)
    return None


def _json_rows(body: bytes, url: str) -> Iterator[Row]:
    try:
        page = json.loads(body)
        major = str(page.get("meta", {}).get("api-version", "1.0")).split(".")[0]
        if major != "1":
            raise NetworkError(f"the index speaks version {major} of its API", where=url)
        for file in page["files"]:
            yanked = file.get("yanked", False)
            metadata = file.get("core-metadata", file.get("dist-info-metadata", False))
            yield [
                file["filename"],
                urljoin(url, file["url"]) if "://" not in file["url"][:9] else file["url"],
                _lower(file["hashes"].get("sha256")),
                file.get("size"),
                file.get("requires-python"),
                yanked if isinstance(yanked, str) else "" if yanked else None,
                file.get("upload-time"),
                _lower(metadata.get("sha256", ""))
                if isinstance(metadata, dict)
                else ""
                if metadata
                else None,
            ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NetworkError(
            f"the page is not PEP 691 JSON ({type(error).__name__})",
            where=url,
            hint="the index is faulty, or something between changed its answer: try again",
        ) from error


def _lower(text: str | None) -> str | None:
    return text.lower() if text is not None else None


def _html_rows(body: bytes, url: str) -> Iterator[Row]:
    from imagelock.fetch.pypi.html import anchors

    for base, href, attributes in anchors(body.decode("utf-8", "replace"), url):
        target = urljoin(base, href)
        parts = urlsplit(target)
        algorithm, _, digest = parts.fragment.partition("=")
        metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
        yield [
            unquote(parts.path.rpartition("/")[2]),
            parts._replace(fragment="").geturl(),
            digest.partition("&")[0].lower() if algorithm == "sha256" else None,
            None,
            attributes.get("data-requires-python") or None,
            attributes.get("data-yanked"),
            None,
            None
            if metadata is None
            else metadata[7:].lower()
            if metadata.startswith("sha256=")
            else "",
        ]
