"""Wheels and .debs made by hand, good and hostile, the same bytes each time."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

DAY = 1_700_000_000
"""2023-11-14: when these packages were packed."""


def record_of(files: Mapping[str, bytes], info: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((path, f"sha256={digest}", len(data)))
    writer.writerow((f"{info}/RECORD", "", ""))
    return text.getvalue().encode()


def wheel_of(
    files: Mapping[str, bytes],
    *,
    name: str = "thing",
    version: str = "1.0",
    record: Callable[[bytes], bytes] = lambda record: record,
    modes: Mapping[str, int] | None = None,
    extra: Sequence[tuple[zipfile.ZipInfo, bytes]] = (),
    tags: Sequence[str] = ("py3-none-any",),
) -> bytes:
    """A valid wheel of these files; ``record`` may spoil RECORD, ``extra`` is not listed there."""
    info = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": "".join(
            ["Wheel-Version: 1.0\nRoot-Is-Purelib: true\n", *(f"Tag: {tag}\n" for tag in tags)]
        ).encode(),
    }
    members[f"{info}/RECORD"] = record(record_of(members, info))
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            item = zipfile.ZipInfo(path, (2023, 11, 14, 22, 13, 20))
            item.external_attr = ((modes or {}).get(path, 0o644) | 0o100000) << 16
            archive.writestr(item, data)
        for item, data in extra:
            archive.writestr(item, data)
    return output.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a tar; a folder by default."""

    path: str
    data: bytes | None = None
    link: str | None = None
    hard: str | None = None
    mode: int = 0o755
    kind: bytes | None = None
    owner: tuple[int, int] = (0, 0)
    mtime: int = DAY


def tar_of(members: Sequence[Member]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member in members:
            item = tarfile.TarInfo(member.path)
            item.mode, item.mtime = member.mode, member.mtime
            item.uid, item.gid = member.owner
            item.type = tarfile.DIRTYPE
            if member.link is not None:
                item.type, item.linkname = tarfile.SYMTYPE, member.link
            elif member.hard is not None:
                item.type, item.linkname = tarfile.LNKTYPE, member.hard
            elif member.data is not None:
                item.type, item.size = tarfile.REGTYPE, len(member.data)
            if member.kind is not None:
                item.type = member.kind
            tar.addfile(item, io.BytesIO(member.data or b""))
    return output.getvalue()


def ar_of(parts: Sequence[tuple[str, bytes]], *, mtime: int = DAY) -> bytes:
    data = b"!<arch>\n"
    for name, content in parts:
        data += f"{name:<16}{mtime:<12}{0:<6}{0:<6}{0o100644:<8o}{len(content):<10}`\n".encode()
        data += content + b"\n" * (len(content) % 2)
    return data


def deb_of(
    members: Sequence[Member],
    *,
    name: str = "thing",
    version: str = "1.0-1",
    architecture: str = "all",
    fields: str = "",
    control: Mapping[str, bytes] | None = None,
    squeeze: Callable[[bytes], bytes] = lzma.compress,
    suffix: str = ".xz",
) -> bytes:
    """A .deb of these files, its control file first."""
    text = (
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        f"Maintainer: Nobody <nobody@example.org>\nDescription: a thing\n{fields}"
    )
    files = {"control": text.encode(), **(control or {})}
    control_tar = tar_of(
        [
            Member(path="./"),
            *(Member(path=f"./{path}", data=data, mode=0o644) for path, data in files.items()),
        ]
    )
    return ar_of(
        [
            ("debian-binary", b"2.0\n"),
            ("control.tar" + suffix, squeeze(control_tar)),
            ("data.tar" + suffix, squeeze(tar_of([Member(path="./"), *members]))),
        ]
    )
