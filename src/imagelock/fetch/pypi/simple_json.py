"""PEP 691 pages as typed values: only the fields that are used are made.

A page may have thousands of files; msgspec reads it in a third of json's time.
"""

from __future__ import annotations

from typing import Any

import msgspec

from imagelock.model.errors import NetworkError

_HINT = "the index is faulty, or something between changed its answer: try again"


class File(msgspec.Struct, rename="kebab", gc=False):
    """One file of a project (PEP 691, PEP 700, PEP 714); a ``yanked`` text is the reason."""

    filename: str
    url: str
    hashes: dict[str, str]
    size: int | None = None
    requires_python: str | None = None
    yanked: bool | str | None = False
    upload_time: str | None = None
    core_metadata: bool | dict[str, str] | msgspec.UnsetType | None = msgspec.UNSET
    dist_info_metadata: bool | dict[str, str] | None = None

    @property
    def metadata(self) -> bool | dict[str, str] | None:
        """What is advertised; the older name counts where the newer is not given at all."""
        if self.core_metadata is msgspec.UNSET:
            return self.dist_info_metadata
        return self.core_metadata


class _Meta(msgspec.Struct, rename="kebab", gc=False, frozen=True):
    api_version: str = "1.0"


class _Page(msgspec.Struct, gc=False):
    files: list[File]
    meta: _Meta = _Meta()


encode = msgspec.json.Encoder(order="sorted").encode
"""Canonical JSON text of a record."""

decode_frame = msgspec.json.Decoder(list[Any]).decode
"""An answer of the process that reads pages."""

_PAGE = msgspec.json.Decoder(_Page)


def decode(body: bytes, url: str) -> list[File]:
    """The files of a page. NetworkError when it is none, or of another major version."""
    try:
        page = _PAGE.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NetworkError(
            f"the page is not PEP 691 JSON ({error})", where=url, hint=_HINT
        ) from error
    major = page.meta.api_version.partition(".")[0]
    if major != "1":
        raise NetworkError(f"the index speaks version {major} of its API", where=url)
    return page.files
