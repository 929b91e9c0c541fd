"""One blob on its way into a registry (OCI distribution-spec, "Pushing blobs").

HEAD first; then a mount from a repository that has it; then chunks, each of which may be asked
for again: an upload that breaks goes on at the byte the registry says it has.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from enum import Enum
from io import BufferedIOBase
from typing import Final
from urllib.parse import urlencode

from imagelock.fetch.http import Response
from imagelock.model.errors import IntegrityError, NetworkError
from imagelock.model.image import Descriptor
from imagelock.model.names import hash_of
from imagelock.registry.client import PUSH, RegistryClient, unexpected
from imagelock.registry.reference import Reference

CHUNK: Final = 8 << 20
_LARGEST_CHUNK: Final = 256 << 20
_MOST_BREAKS: Final = 5
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d+)\Z")
_BROKEN: Final = frozenset({400, 404, 408, 416, 499, 500, 502, 503, 504})
"""Answers after which the session is asked where it stands; docker's says 404 when a chunk broke
in the middle, and cannot go on."""

Progress = Callable[[Descriptor, int], None]


class Arrival(Enum):
    """How a blob came to be in the repository."""

    THERE = "there"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


def is_there(client: RegistryClient, target: Reference, descriptor: Descriptor) -> bool:
    """Whether the repository has the blob."""
    answer = client.request("HEAD", target, f"blobs/{descriptor.digest}", action=PUSH)
    if answer.status in {200, 404}:
        return answer.status == 200
    raise unexpected(answer, target)


def mount(
    client: RegistryClient, target: Reference, descriptor: Descriptor, origin: str
) -> str | None:
    """Mount a blob from another repository of the registry; None when that was done.

    Else the URL of the upload that the registry began instead, empty when it began none.
    """
    query = urlencode({"mount": descriptor.digest, "from": origin})
    try:
        answer = client.request(
            "POST", target, f"blobs/uploads/?{query}", body=b"", action=PUSH, also=(origin,)
        )
    except NetworkError:
        # Who may push here need not be allowed to read there: then the blob is sent.
        return ""
    if answer.status == 201:
        return None
    return _location(answer, client, target) if answer.status == 202 else ""


class BlobUpload:
    """One upload session; ``size`` bytes of ``file`` are sent and hashed on the way."""

    def __init__(
        self,
        client: RegistryClient,
        target: Reference,
        descriptor: Descriptor,
        *,
        progress: Progress,
        chunk: int = CHUNK,
    ) -> None:
        self._client = client
        self._target = target
        self._descriptor = descriptor
        self._progress = progress
        self._chunk = chunk
        self._url = ""
        self._sent = 0
        self._breaks = 0

    def run(self, file: BufferedIOBase, url: str = "") -> None:
        """Send the file; ``url`` is a session that a mount began. NetworkError, IntegrityError."""
        self._check(file)
        self._url = url or self._begin()
        is_small = self._descriptor.size <= self._chunk
        while True:
            file.seek(self._sent)
            data = file.read(min(self._chunk, self._descriptor.size - self._sent))
            if is_small or not data:
                # Small blobs go in one request, large ones end with an empty one.
                if self._finish(data):
                    self._advance(len(data))
                    return
            elif self._send(data):
                self._advance(len(data))

    def _check(self, file: BufferedIOBase) -> None:
        """The file's bytes are those of the descriptor; a registry is told nothing wrong."""
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, os.SEEK_END)
        if found != hash_of(self._descriptor.digest) or size != self._descriptor.size:
            raise IntegrityError(
                f"expected {self._descriptor.digest}, got sha256:{found}",
                where=str(getattr(file, "name", "blob")),
                hint="run `imagelock store verify --repair`, then build again",
            )

    def _begin(self) -> str:
        answer = self._client.request("POST", self._target, "blobs/uploads/", body=b"", action=PUSH)
        if answer.status != 202:
            raise unexpected(answer, self._target)
        smallest = answer.headers.get("oci-chunk-min-length", "")
        if smallest.isdecimal():
            self._chunk = min(max(self._chunk, int(smallest)), _LARGEST_CHUNK)
        return _location(answer, self._client, self._target)

    def _send(self, data: bytes) -> bool:
        """One chunk; False when the session broke and goes on at another byte."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{self._sent}-{self._sent + len(data) - 1}",
        }
        answer = self._request("PATCH", self._url, headers, data)
        if answer is None or answer.status in _BROKEN:
            return self._resume(answer)
        if answer.status != 202:
            raise unexpected(answer, self._target)
        self._url = _location(answer, self._client, self._target)
        return True

    def _finish(self, data: bytes) -> bool:
        """Close the session, with the whole blob if it is small; False when it broke."""
        joint = "&" if "?" in self._url else "?"
        url = f"{self._url}{joint}{urlencode({'digest': self._descriptor.digest})}"
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._request("PUT", url, headers, data)
        if answer is not None and answer.status == 201:
            return True
        if answer is None or answer.status in _BROKEN:
            # The answer may be what was lost: then the blob is there.
            if is_there(self._client, self._target, self._descriptor):
                self._advance(self._descriptor.size - self._sent - len(data))
                return True
            return self._resume(answer)
        raise unexpected(answer, self._target)

    def _request(
        self, method: str, url: str, headers: dict[str, str], data: bytes
    ) -> Response | None:
        try:
            return self._client.request(
                method, self._target, url, headers=headers, body=data, action=PUSH
            )
        except NetworkError:
            if self._breaks >= _MOST_BREAKS:
                raise
            return None

    def _resume(self, answer: Response | None) -> bool:
        """Ask where the session stands and go on there, or begin again. Always False."""
        self._breaks += 1
        if self._breaks > _MOST_BREAKS:
            raise (
                unexpected(answer, self._target)
                if answer
                else NetworkError(
                    "the upload broke too often", where=str(self._target), hint="try again later"
                )
            )
        status = self._client.request("GET", self._target, self._url, action=PUSH)
        match = _RANGE.match(status.headers.get("range", ""))
        if status.status == 204 and match and int(match[1]) < self._descriptor.size:
            # A session without a byte says 0-0 as one with a byte does: then begin anew.
            stands = int(match[1]) + 1 if match[1] != "0" else 0
            if stands:
                self._url = _location(status, self._client, self._target)
                self._advance(stands - self._sent)
                return False
        self._advance(-self._sent)
        self._url = self._begin()
        return False

    def _advance(self, size: int) -> None:
        self._sent += size
        self._progress(self._descriptor, size)


def _location(answer: Response, client: RegistryClient, target: Reference) -> str:
    location = answer.headers.get("location")
    if not location:
        raise NetworkError(
            "the registry began an upload but did not say where",
            where=str(target),
            hint="the registry does not follow the OCI distribution specification",
        )
    return client.url(target, location)
