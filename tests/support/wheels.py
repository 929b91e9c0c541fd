"""Small real wheels and sdists, made byte by byte the same."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile


def metadata_text(name: str, version: str, requires: tuple[str, ...] = (), **more: str) -> bytes:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    lines += [f"{key.replace('_', '-').title()}: {value}" for key, value in sorted(more.items())]
    lines += [f"Requires-Dist: {item}" for item in requires]
    return ("\n".join(lines) + "\n\nThe description.\n").encode()


def wheel(
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    *,
    padding: int = 0,
    early: bool = False,
    **more: str,
) -> bytes:
    """A wheel; ``padding`` bytes that do not compress, METADATA before them when ``early``."""
    stem = f"{name}-{version}.dist-info"
    members = [
        (f"{stem}/METADATA", metadata_text(name, version, requires, **more)),
        (f"{name}/data.bin", hashlib.shake_128(b"padding").digest(padding)),
    ]
    if not early:
        members.reverse()
    members.append((f"{stem}/WHEEL", b"Wheel-Version: 1.0\nTag: py3-none-any\n"))
    lines = [f"{member},sha256={_digest(content)},{len(content)}\n" for member, content in members]
    members.append((f"{stem}/RECORD", "".join([*lines, f"{stem}/RECORD,,\n"]).encode()))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), content)
    return file.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def sdist(name: str, version: str, pkg_info: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for member, content in (("PKG-INFO", pkg_info), ("setup.py", b"")):
            entry = tarfile.TarInfo(f"{name}-{version}/{member}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
