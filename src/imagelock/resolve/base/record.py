"""What a base contains as JSON, to be kept by the digest of its manifest."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any

from imagelock.model.base import BaseAptSource, BaseContents, BaseFile, BaseUser, OsRelease
from imagelock.model.python import FoundPython


def contents_to_json(contents: BaseContents) -> bytes:
    """Canonical bytes of all fields."""
    return json.dumps(
        asdict(contents), sort_keys=True, separators=(",", ":"), default=_encoded
    ).encode()


def contents_from_json(data: bytes) -> BaseContents:
    """The inverse of :func:`contents_to_json`. ValueError for anything else."""
    try:
        return _contents(json.loads(data))
    except (KeyError, TypeError, AttributeError) as error:
        msg = "expected the contents of a base as this release writes them"
        raise ValueError(msg) from error


def _contents(table: dict[str, Any]) -> BaseContents:
    release = table["os_release"]
    return BaseContents(
        libc=table["libc"],
        pythons=tuple(_python(python) for python in table["pythons"]),
        os_release=OsRelease(**release) if release else None,
        dpkg_status=_bytes(table["dpkg_status"]),
        dpkg_usable=table["dpkg_usable"],
        extended_states=_bytes(table["extended_states"]),
        apt_sources=tuple(_source(source) for source in table["apt_sources"]),
        apt_preferences=_files(table["apt_preferences"]),
        users=tuple(BaseUser(**user) for user in table["users"]),
        merged_usr=table["merged_usr"],
        has_venv=table["has_venv"],
        has_conda=table["has_conda"],
        venv_packages=tuple(base64.b64decode(item["base64"]) for item in table["venv_packages"]),
    )


def _python(table: dict[str, Any]) -> FoundPython:
    return FoundPython(**{**table, "links": tuple(table["links"])})


def _source(table: dict[str, Any]) -> BaseAptSource:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
    }
    values["keyrings"] = _files(table["keyrings"])
    return BaseAptSource(**values)


def _files(listed: list[dict[str, Any]]) -> tuple[BaseFile, ...]:
    return tuple(
        BaseFile(path=file["path"], data=base64.b64decode(file["data"]["base64"]))
        for file in listed
    )


def _bytes(value: dict[str, str] | None) -> bytes | None:
    return None if value is None else base64.b64decode(value["base64"])


def _encoded(value: object) -> dict[str, str]:
    assert isinstance(value, bytes)
    return {"base64": base64.b64encode(value).decode("ascii")}
