"""A conda channel of real packages, good and hostile, the same bytes each time.

Formats as conda writes them: ``.conda`` (a zip of metadata.json and two tar.zst) and
``.tar.bz2``; info/index.json, paths.json, link.json, about.json and licences; repodata.json.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from support.archives import DAY, Member, tar_of

PLACEHOLDER = "/home/conda/feedstock_root/build_artifacts/thing/_h_env" + "_placehold" * 20
"""What a build machine's prefix looks like: 255 characters and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaFile:
    """A file of a package. ``prefix`` is ``text`` or ``binary`` where it holds the placeholder."""

    data: bytes = b""
    link: str | None = None
    hard: str | None = None
    executable: bool = False
    prefix: str | None = None
    folder: bool = False
    mtime: int = DAY

    @property
    def path_type(self) -> str:
        if self.folder:
            return "directory"
        return "softlink" if self.link is not None else "hardlink"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPackage:
    """One package file and its entry in repodata.json."""

    filename: str
    data: bytes
    entry: Mapping[str, Any]

    @property
    def subdir(self) -> str:
        return str(self.entry["subdir"])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def text(content: str, *, executable: bool = False) -> CondaFile:
    """A text file with ``@PREFIX@`` where the build prefix was."""
    prefix = "text" if "@PREFIX@" in content else None
    data = content.replace("@PREFIX@", PLACEHOLDER).encode()
    return CondaFile(data=data, prefix=prefix, executable=executable)


def conda_package(
    name: str,
    version: str = "1.0",
    build: str = "0",
    *,
    files: Mapping[str, CondaFile | str | bytes] | None = None,
    subdir: str = "linux-64",
    depends: Sequence[str] = (),
    constrains: Sequence[str] = (),
    noarch: str | None = None,
    entry_points: Sequence[str] = (),
    timestamp: int = DAY,
    form: str = ".conda",
    fields: Mapping[str, Any] | None = None,
    extra: Sequence[Member] = (),
    paths: Sequence[object] | None = None,
    info: Mapping[str, bytes | None] | None = None,
) -> CondaPackage:
    """A package. ``extra`` members are in the archive and in no list; ``paths`` replaces
    paths.json's list; ``info`` replaces files of info/ (None leaves one out)."""
    made = {path: _as_file(value) for path, value in (files or {}).items()}
    index: dict[str, Any] = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": int(build.rpartition("_")[2]) if build[-1:].isdigit() else 0,
        "subdir": "noarch" if noarch else subdir,
        "depends": list(depends),
        "constrains": list(constrains),
        "license": "MIT",
        "timestamp": timestamp * 1000,
        **(fields or {}),
    }
    if noarch:
        index["noarch"] = noarch
    else:
        index |= {"arch": {"linux-64": "x86_64"}.get(subdir, subdir[6:]), "platform": "linux"}
    inside = {
        "info/about.json": _json({"summary": f"the {name}", "license": "MIT"}),
        "info/files": "".join(f"{path}\n" for path in made).encode(),
        "info/index.json": _json(index),
        "info/licenses/LICENSE": b"Do as you like.\n",
        "info/paths.json": _json(
            {"paths": paths if paths is not None else _paths(made), "paths_version": 1}
        ),
    }
    if noarch == "python":
        link = {"noarch": {"type": "python"}, "package_metadata_version": 1}
        if entry_points:
            link["noarch"]["entry_points"] = list(entry_points)  # type: ignore[index]
        inside["info/link.json"] = _json(link)
    described: dict[str, bytes | None] = {**inside, **(info or {})}
    info_members = [
        Member(path=path, data=data, mode=0o644)
        for path, data in sorted(described.items())
        if data is not None
    ]
    members = [_member(path, file) for path, file in made.items()] + list(extra)
    stem = f"{name}-{version}-{build}"
    if form == ".conda":
        data = dot_conda(stem, tar_of(members), tar_of(info_members))
    else:
        data = bz2.compress(tar_of([*info_members, *members]))
    return packed(stem + form, data, index)


def packed(filename: str, data: bytes, index: Mapping[str, Any]) -> CondaPackage:
    """A package file with the entry that repodata has for it."""
    entry = {
        **index,
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    return CondaPackage(filename=filename, data=data, entry=entry)


def dot_conda(stem: str, pkg_tar: bytes, info_tar: bytes) -> bytes:
    """The newer format: a stored zip of two zstd-compressed tars."""
    squeeze = zstandard.ZstdCompressor(level=3).compress
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for member, data in (
            ("metadata.json", _json({"conda_pkg_format_version": 2})),
            (f"pkg-{stem}.tar.zst", squeeze(pkg_tar)),
            (f"info-{stem}.tar.zst", squeeze(info_tar)),
        ):
            archive.writestr(zipfile.ZipInfo(member, (2023, 11, 14, 22, 13, 20)), data)
    return output.getvalue()


def repodata(packages: Iterable[CondaPackage], subdir: str) -> bytes:
    """repodata.json of one subdir."""
    own = sorted((p for p in packages if p.subdir == subdir), key=lambda p: p.filename)
    return _json(
        {
            "info": {"subdir": subdir},
            "packages": {p.filename: p.entry for p in own if p.filename.endswith(".tar.bz2")},
            "packages.conda": {p.filename: p.entry for p in own if p.filename.endswith(".conda")},
            "removed": [],
            "repodata_version": 1,
        }
    )


@dataclass(slots=True)
class Channel:
    """Packages of a channel; written to a folder or served by path."""

    packages: list[CondaPackage] = field(default_factory=list)
    subdirs: tuple[str, ...] = ("linux-64", "linux-aarch64", "noarch")

    def files(self) -> dict[str, bytes]:
        """All files of the channel by their path in it."""
        found = {f"{name}/repodata.json": repodata(self.packages, name) for name in self.subdirs}
        return found | {f"{p.subdir}/{p.filename}": p.data for p in self.packages}

    def write(self, folder: Path) -> Path:
        """The channel as a folder, for ``file://``."""
        for path, data in self.files().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder


def _as_file(value: CondaFile | str | bytes) -> CondaFile:
    if isinstance(value, str):
        return text(value)
    return CondaFile(data=value) if isinstance(value, bytes) else value


def _member(path: str, file: CondaFile) -> Member:
    mode = 0o775 if file.executable or file.folder else 0o664
    if file.folder:
        return Member(path=path, mode=mode, mtime=file.mtime)
    if file.link is not None:
        return Member(path=path, link=file.link, mode=0o777, mtime=file.mtime)
    if file.hard is not None:
        return Member(path=path, hard=file.hard, mode=mode, mtime=file.mtime)
    return Member(path=path, data=file.data, mode=mode, mtime=file.mtime, owner=(1000, 1000))


def _paths(files: Mapping[str, CondaFile]) -> list[dict[str, Any]]:
    listed = []
    for path, file in files.items():
        content = files[file.hard].data if file.hard is not None else file.data
        entry: dict[str, Any] = {"_path": path, "path_type": file.path_type}
        if not file.folder:
            entry |= {
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
        if file.prefix is not None:
            entry |= {"file_mode": file.prefix, "prefix_placeholder": PLACEHOLDER}
        listed.append(entry)
    return listed


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode()
