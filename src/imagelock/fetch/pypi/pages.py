"""Project pages: PEP 691 JSON or PEP 503 HTML in, releases of what Linux could use out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import canonicalize_name
from packaging.version import Version

from imagelock.model.archives import SDIST_ENDINGS
from imagelock.model.errors import NetworkError
from imagelock.model.names import PipName
from imagelock.resolve.pip.ports import IndexFile

if TYPE_CHECKING:
    from imagelock.fetch.pypi.simple_json import File

ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)
_FOREIGN: Final = ("win", "macosx", "ios_", "android_", "emscripten", "pyodide", "wasi")
Row = list[Any]
"""A file as kept in the store: the fields of IndexFile in their order, the URL shortened."""


_HOME: Final = "https://files.pythonhosted.org/packages/"
"""The folder that rows leave out of their URLs."""


_LOCAL: Final = "local:"
"""Before the URL of a row whose file is on disk."""


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
                url=_long(row[1], row[0]),
                sha256=row[2],
                size=row[3],
                requires_python=row[4],
                yanked=row[5],
                uploaded=row[6],
                metadata_sha256=row[7],
            )
            for row in self.rows
        )


def _short(url: str, filename: str) -> str:
    """A URL as rows keep it: without a usual folder, and without the file name at its end."""
    if url.startswith(_HOME) and url.endswith(filename):
        return url[len(_HOME) : -len(filename)]
    return url


def _long(text: str, filename: str) -> str:
    if text.startswith(_LOCAL):
        return text.removeprefix(_LOCAL)
    return text if "://" in text else f"{_HOME}{text}{filename}"


def local_row(filename: str, url: str, sha256: str, size: int) -> Row:
    """The row of a file on disk, whose URL is a relative reference."""
    return [filename, f"{_LOCAL}{url}", sha256, size, None, None, None, None]


def parse_page(
    body: bytes,
    content_type: str,
    url: str,
    name: PipName,
    *,
    canonical: Callable[[str], str] = str,
    fits: Callable[[str], bool] = lambda _wheel: True,
) -> list[list[Any]]:
    """The releases of a page, newest first: ``[version, rows]`` each.

    ``url`` is the page's, for relative links; ``canonical`` turns a file's URL into the one to
    keep. Of the wheels that do not fit one is kept for a version without any that does, so that
    an error can tell. NetworkError when the page is neither format.
    """
    versions = Versions(name, fits)
    if "json" in content_type:
        rows = _json_rows(body, url, versions, canonical)
    elif "html" in content_type or not content_type:
        rows = _html_rows(body, url, versions, canonical)
    else:
        raise NetworkError(
            f"expected a page of the Simple API, got '{content_type}'",
            where=url,
            hint="is this the root of an index, like https://pypi.org/simple/ ?",
        )
    groups: dict[Version, list[Row]] = {}
    for version, row in rows:
        groups.setdefault(version, []).append(row)
    return [[str(version), groups[version]] for version in sorted(groups, reverse=True)]


class Versions:
    """Reads file names of one project; pages have thousands, so every part is looked at once."""

    def __init__(self, name: PipName, fits: Callable[[str], bool]) -> None:
        self._name = name
        self._fits = fits
        self._prefixes: dict[str, bool] = {}
        self._known: dict[str, Version | None] = {}
        self._ends: dict[str, bool | None] = {}
        self._with_wheel: set[Version] = set()

    def of(self, filename: str) -> tuple[Version, bool] | None:
        """The version of a file, and whether it is to be kept; None for another project's.

        A wheel that does not fit is kept if :meth:`needs_example` says so after all others.
        """
        if filename.endswith(".whl"):
            if filename.count("-") not in {4, 5}:
                return None
            prefix, text, end = filename.split("-", 2)
            if end not in self._ends:
                self._ends[end] = self._end_fits(filename, end)
            fits = self._ends[end]
            if fits is None or not self._is_ours(prefix):
                return None
            version = self._version(text)
            if version is None:
                return None
            if fits:
                self._with_wheel.add(version)
            return version, fits
        stem = next((filename[: -len(end)] for end in SDIST_ENDINGS if filename.endswith(end)), "")
        place = stem.find("-")
        while place != -1:
            if self._is_ours(stem[:place]):
                version = self._version(stem[place + 1 :])
                return None if version is None else (version, True)
            place = stem.find("-", place + 1)
        return None

    def _end_fits(self, filename: str, end: str) -> bool | None:
        """Whether the tags fit; None for those of another operating system."""
        platforms = end[end.rfind("-") + 1 : -4].split(".")
        if all(platform.startswith(_FOREIGN) for platform in platforms):
            return None
        return self._fits(filename)

    def needs_example(self, version: Version) -> bool:
        """Whether no wheel of a version fits."""
        return version not in self._with_wheel

    def _is_ours(self, prefix: str) -> bool:
        known = self._prefixes.get(prefix)
        if known is None:
            known = self._prefixes[prefix] = str(canonicalize_name(prefix)) == self._name
        return known

    def _version(self, text: str) -> Version | None:
        if text not in self._known:
            try:
                self._known[text] = Version(text)
            except ValueError:
                self._known[text] = None
        return self._known[text]


def _json_rows(
    body: bytes, url: str, versions: Versions, canonical: Callable[[str], str]
) -> Iterator[tuple[Version, Row]]:
    from imagelock.fetch.pypi.simple_json import decode

    examples: dict[Version, File] = {}
    for file in decode(body, url):
        found = versions.of(file.filename)
        if found is None:
            continue
        version, keep = found
        if keep:
            yield version, _json_row(file, url, canonical)
        else:
            examples.setdefault(version, file)
    for version, file in examples.items():
        if versions.needs_example(version):
            yield version, _json_row(file, url, canonical)


def _json_row(file: File, url: str, canonical: Callable[[str], str]) -> Row:
    yanked = file.yanked
    return [
        file.filename,
        _short(canonical(_absolute(file.url, url)), file.filename),
        _lower(file.hashes.get("sha256")),
        file.size,
        file.requires_python,
        yanked if isinstance(yanked, str) else "" if yanked else None,
        file.upload_time,
        _advertised(file.metadata),
    ]


def _absolute(link: str, url: str) -> str:
    return link if link.startswith(("https://", "http://")) else urljoin(url, link)


def _advertised(metadata: object) -> str | None:
    """PEP 714: false, true, or a table of hashes."""
    if isinstance(metadata, dict):
        return _lower(metadata.get("sha256", ""))
    return "" if metadata else None


def _lower(text: str | None) -> str | None:
    return text.lower() if text is not None else None


def _html_rows(
    body: bytes, url: str, versions: Versions, canonical: Callable[[str], str]
) -> Iterator[tuple[Version, Row]]:
    from imagelock.fetch.pypi.html import anchors

    for base, href, attributes in anchors(body.decode("utf-8", "replace"), url):
        try:
            parts = urlsplit(urljoin(base, href))
        except ValueError:
            continue  # no URL at all, so no file of ours
        filename = unquote(parts.path.rpartition("/")[2])
        known = versions.of(filename)
        if known is None:
            continue
        algorithm, _, digest = parts.fragment.partition("=")
        metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
        found = metadata[7:].lower() if metadata and metadata.startswith("sha256=") else ""
        yield (
            known[0],
            [
                filename,
                _short(canonical(parts._replace(fragment="").geturl()), filename),
                digest.partition("&")[0].lower() if algorithm == "sha256" else None,
                None,
                attributes.get("data-requires-python") or None,
                attributes.get("data-yanked"),
                None,
                None if metadata is None else found,
            ],
        )
