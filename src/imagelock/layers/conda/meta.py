"""``conda-meta/NAME-VERSION-BUILD.json``: what conda, mamba and pixi in the image read.

Our own bytes: sorted, without times of the build, host paths or caches. What packages lost to
others is not listed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from imagelock.model.lock import SPEC_ROOT, CondaPin


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One path as it is in the prefix; the hash of its content as packed, and as it is now.

    Of a link, ``in_prefix`` is the hash of its text, as in py-rattler.
    """

    path: str
    path_type: str
    sha256: str = ""
    in_prefix: str = ""
    size: int = 0
    placeholder: str = ""
    binary: bool = False


def meta_json(pin: CondaPin, channel: str, url: str, paths: list[Installed]) -> bytes:
    """The record of an installed package; ``channel`` and ``url`` are where it came from."""
    ordered = sorted(paths, key=lambda path: path.path.encode("utf-8", "surrogateescape"))
    value: dict[str, Any] = {
        "build": pin.build,
        "build_number": pin.build_number,
        "channel": channel,
        "constrains": list(pin.constrains),
        "depends": list(pin.depends),
        "files": [path.path for path in ordered],
        "fn": pin.artifact.filename,
        "name": pin.name,
        "paths_data": {"paths": [_path(path) for path in ordered], "paths_version": 1},
        "sha256": pin.artifact.sha256,
        "size": pin.artifact.size,
        "subdir": pin.subdir,
        "url": url,
        "version": pin.version,
    }
    optional = {
        "license": pin.license,
        "md5": pin.md5,
        "noarch": pin.noarch and str(pin.noarch),
        "python_site_packages_path": pin.python_site_packages_path,
        "requested_spec": pin.name if requested(pin) else None,
        "timestamp": pin.timestamp,
        "track_features": " ".join(pin.track_features) or None,
    }
    value |= {key: text for key, text in optional.items() if text is not None}
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False)
    return f"{text}\n".encode("utf-8", "surrogateescape")


def requested(pin: CondaPin) -> bool:
    """Whether the spec itself named it."""
    return any(requirer.name == SPEC_ROOT for requirer in pin.required_by)


def _path(path: Installed) -> dict[str, Any]:
    value: dict[str, Any] = {"_path": path.path, "path_type": path.path_type}
    if path.path_type != "directory":
        value |= {"sha256_in_prefix": path.in_prefix or path.sha256, "size_in_bytes": path.size}
        value |= {"sha256": path.sha256} if path.sha256 else {}
    if path.placeholder:
        value |= {
            "file_mode": "binary" if path.binary else "text",
            "prefix_placeholder": path.placeholder,
        }
    return value
