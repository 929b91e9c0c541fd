"""OCI layouts made by hand: layers from made-up or real trees, written as the OCI specs say."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tar member: a file unless ``link`` (symlink), ``hard`` or ``folder`` is given."""

    path: str
    data: bytes = b""
    link: str = ""
    hard: str = ""
    folder: bool = False
    mode: int = 0o644


def tar_of(entries: Sequence[Entry], *, tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """The entries as one tar, in their order."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tar_format) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mode = entry.mode
            if entry.folder:
                info.type = tarfile.DIRTYPE
            elif entry.link:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            elif entry.hard:
                info.type, info.linkname = tarfile.LNKTYPE, entry.hard
            else:
                info.size = len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data))
    return output.getvalue()


def sha256_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class LayoutWriter:
    """Writes blobs and an index into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, object]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def blob(self, data: bytes, media_type: str) -> dict[str, object]:
        digest = sha256_of(data)
        (self.folder / "blobs" / "sha256" / digest[7:]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def image(
        self,
        tars: Sequence[bytes],
        *,
        platform: str = "linux/amd64",
        environment: Mapping[str, str] | None = None,
        media_type: str = MANIFEST,
        created: str = "2026-11-01T00:00:00Z",
        level: int = 1,
        diff_ids: Sequence[object] | None = None,
        layers: Sequence[Mapping[str, object]] | None = None,
    ) -> dict[str, object]:
        """Write an image's blobs; the descriptor of its manifest, with its platform.

        ``diff_ids`` and ``layers`` (blobs) take the place of what the tars give.
        """
        parts = platform.split("/")
        named: dict[str, str] = {"os": parts[0], "architecture": parts[1]}
        if len(parts) > 2:
            named["variant"] = parts[2]
        config = {
            **named,
            "created": created,
            "config": {"Env": [f"{key}={value}" for key, value in (environment or {}).items()]},
            "rootfs": {
                "type": "layers",
                "diff_ids": diff_ids if diff_ids is not None else [sha256_of(t) for t in tars],
            },
            "history": [{"created_by": f"layer {number}"} for number, _ in enumerate(tars)],
        }
        packed = [gzip.compress(tar, level, mtime=0) for tar in tars]
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self.blob(json.dumps(config).encode(), CONFIG),
            "layers": layers or [self.blob(data, LAYER) for data in packed],
        }
        descriptor = self.blob(json.dumps(manifest).encode(), media_type)
        return {**descriptor, "platform": named}

    def index(self, entries: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """An index over manifests, as a blob."""
        table = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
        return self.blob(json.dumps(table).encode(), INDEX)

    def finish(self, entries: Sequence[Mapping[str, object]]) -> Path:
        """Write ``index.json`` and ``oci-layout``."""
        table = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
        (self.folder / "index.json").write_text(json.dumps(table))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return self.folder
