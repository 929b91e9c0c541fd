"""Built images into a registry: only what it does not have, in an order that shows no half.

Blobs first, several at a time; then the manifests by digest, the index by digest, and last the
tag: a push that is interrupted leaves the tag as it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Final

from imagelock.fetch.store import Store
from imagelock.model.errors import CheckFailed
from imagelock.model.image import Descriptor
from imagelock.model.names import Digest
from imagelock.registry.artifact import put_manifest
from imagelock.registry.client import RegistryClient
from imagelock.registry.homes import known_homes, note_home
from imagelock.registry.reference import Reference
from imagelock.registry.upload import CHUNK, Arrival, BlobUpload, Progress, is_there, mount

_PARALLEL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PushBlob:
    """A blob: its bytes, their file, or what brings the file when no mount is possible.

    ``origins`` are repositories of the target's registry that are thought to have it.
    """

    descriptor: Descriptor
    source: Path | bytes | Callable[[], Path]
    origins: tuple[str, ...] = ()

    def open(self) -> BufferedIOBase:
        """The bytes as a seekable file."""
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        path = self.source if isinstance(self.source, Path) else self.source()
        return path.open("rb")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushImage:
    """What to push. ``manifests`` come before what names them; ``top`` gets the tag."""

    blobs: tuple[PushBlob, ...]
    manifests: tuple[tuple[Descriptor, bytes], ...]
    top: Descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """What a push did. ``reference`` has the digest; ``sent`` counts bytes of blobs."""

    reference: str
    digest: Digest
    uploaded: int
    mounted: int
    there: int
    sent: int


def push_image(
    client: RegistryClient,
    store: Store,
    image: PushImage,
    target: Reference,
    *,
    force: bool = False,
    progress: Progress = lambda _descriptor, _size: None,
    chunk: int = CHUNK,
) -> PushReport:
    """Push an image to a tag. ``progress`` is told from several threads of bytes sent.

    CheckFailed when the tag names another image, unless ``force``: a tag is a lock's hash, and
    one lock means one image. NetworkError, IntegrityError.
    """
    if _is_done(client, image, target, force=force):
        return _report(image, target, (Arrival.THERE,) * len(_unique(image.blobs)), 0)
    blobs = _unique(image.blobs)
    push = _Push(client=client, store=store, target=target, progress=progress, chunk=chunk)
    arrivals = push.all(blobs)
    for descriptor, data in image.manifests:
        put_manifest(client, target.at(descriptor.digest), descriptor.media_type, data)
    if target.tag is not None:
        data = next(data for descriptor, data in image.manifests if descriptor == image.top)
        put_manifest(client, target, image.top.media_type, data)
    uploaded = zip(blobs, arrivals, strict=True)
    sent = sum(b.descriptor.size for b, arrival in uploaded if arrival is Arrival.UPLOADED)
    return _report(image, target, tuple(arrivals), sent)


def _is_done(client: RegistryClient, image: PushImage, target: Reference, *, force: bool) -> bool:
    """Whether the tag names this image already; a registry keeps what a manifest names."""
    if target.tag is None or force:
        return False
    there = client.head(target)
    if there is None or there.digest is None:
        return False
    if there.digest == image.top.digest:
        return True
    raise CheckFailed(
        f"the tag names another image, {there.digest}, not {image.top.digest}",
        where=str(target),
        hint="push with --force to replace it, after finding out why it differs",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Push:
    """One push: where to, and whom to tell."""

    client: RegistryClient
    store: Store
    target: Reference
    progress: Progress
    chunk: int

    def all(self, blobs: tuple[PushBlob, ...]) -> list[Arrival]:
        """Push every blob, a few at a time; the first failure ends the rest."""
        with ThreadPoolExecutor(_PARALLEL) as pool:
            futures = [pool.submit(self.one, blob) for blob in blobs]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        for future in futures:
            if not future.cancelled():
                future.result()
        return [future.result() for future in futures]

    def one(self, blob: PushBlob) -> Arrival:
        """Push a blob, in the cheapest way there is."""
        arrival = self._arrive(blob)
        note_home(self.store, self.target, blob.descriptor.digest)
        return arrival

    def _arrive(self, blob: PushBlob) -> Arrival:
        descriptor = blob.descriptor
        if is_there(self.client, self.target, descriptor):
            self.progress(descriptor, descriptor.size)
            return Arrival.THERE
        url = ""
        homes = (*blob.origins, *known_homes(self.store, self.target, descriptor.digest))
        for origin in dict.fromkeys(home for home in homes if home != self.target.repository):
            begun = mount(self.client, self.target, descriptor, origin)
            if begun is None:
                self.progress(descriptor, descriptor.size)
                return Arrival.MOUNTED
            url = begun or url
        upload = BlobUpload(
            self.client, self.target, descriptor, progress=self.progress, chunk=self.chunk
        )
        with blob.open() as file:
            upload.run(file, url)
        return Arrival.UPLOADED


def _unique(blobs: Iterable[PushBlob]) -> tuple[PushBlob, ...]:
    """One a digest, the large ones first: they take longest."""
    found = {blob.descriptor.digest: blob for blob in blobs}
    return tuple(sorted(found.values(), key=lambda b: (-b.descriptor.size, b.descriptor.digest)))


def _report(
    image: PushImage, target: Reference, arrivals: tuple[Arrival, ...], sent: int
) -> PushReport:
    return PushReport(
        reference=f"{target.name}{f':{target.tag}' if target.tag else ''}@{image.top.digest}",
        digest=image.top.digest,
        uploaded=arrivals.count(Arrival.UPLOADED),
        mounted=arrivals.count(Arrival.MOUNTED),
        there=arrivals.count(Arrival.THERE),
        sent=sent,
    )
