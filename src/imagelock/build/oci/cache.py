"""Layers in the store: made once for a key, found by it afterwards.

The record of a layer is small and can be made again; its bytes are an entry of the store under
their own hash. The key covers the recipe, so that no change of rules meets old bytes.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Final, Protocol

from imagelock.fetch.store import Store, disk_errors, file_chunks
from imagelock.layers.entries import Layer
from imagelock.layers.gzip import Compression, compressed, fixed_blocks
from imagelock.layers.tar import tar_chunks
from imagelock.model.image import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, BuiltLayer, Descriptor
from imagelock.model.names import Digest, Sha256, digest, digest_of, hash_of
from imagelock.ports import NoProgress, Progress

PACKER: Final = 7
"""Raised with every change of a produced byte, so that no layer made before it is taken for one
made after it. A change after the first release is a new recipe as well."""

_KIND: Final = "layers"
_BLOCK: Final = 1 << 20
_MEDIA_TYPES: Final = {
    Compression.GZIP: LAYER_GZIP,
    Compression.ZSTD: LAYER_ZSTD,
    Compression.NONE: LAYER_TAR,
}


Tee = Callable[[bytes], None]
"""Takes the bytes of a layer's tar while they are packed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedLayer:
    """A layer in the store.

    ``epoch`` is its newest member's time; ``notes`` are JSON values that later steps need;
    ``empty``: it has no member, so an image leaves it out.
    """

    layer: BuiltLayer
    epoch: int
    empty: bool
    notes: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledTar:
    """A layer's tar in a file, read from its begin, and the digest of its bytes."""

    file: IO[bytes]
    diff_id: Digest


class SharedLayers(Protocol):
    """Layers and their records kept where others find them too."""

    def load(self, key: str) -> bool:
        """Bring a layer and its record into the store; False when there is none."""
        ...

    def save(self, key: str) -> bool:
        """Share a layer of the store; False when it was there."""
        ...


@dataclass(slots=True)
class LayerCache:
    """Finds and makes layers of one compression. ``fresh``: nothing made before is used."""

    store: Store
    compression: Compression
    pool: Executor | None = None
    fresh: bool = False
    shared_from: SharedLayers | None = None
    shared_to: SharedLayers | None = None
    progress: Progress = field(default_factory=NoProgress)

    def key(self, *parts: str) -> str:
        """The key of a record: what the layer depends on, and how it is packed."""
        text = json.dumps([PACKER, self.compression, *parts])
        return hashlib.sha256(text.encode()).hexdigest()

    def find(self, key: str, title: str) -> CachedLayer | None:
        """The layer kept for a key here or where layers are shared; None when it must be made."""
        found = self._find(key, title)
        if found is None and not self.fresh and self.shared_from and self.shared_from.load(key):
            found = self._find(key, title)
        if found is not None and self.shared_to is not None:
            self.shared_to.save(key)
        return found

    def _find(self, key: str, title: str) -> CachedLayer | None:
        """The layer kept in the store, if its bytes are still there in their size."""
        value = None if self.fresh else self.store.record(_KIND, key)
        if not isinstance(value, dict):
            return None
        try:
            layer = BuiltLayer(
                title=title,
                descriptor=Descriptor(
                    media_type=value["media_type"],
                    digest=digest(value["digest"]),
                    size=value["size"],
                ),
                diff_id=digest(value["diff_id"]),
                cached=True,
            )
            path = self.store.find(hash_of(layer.descriptor.digest))
            if path is None or path.stat().st_size != layer.descriptor.size:
                return None
            return CachedLayer(
                layer=layer, epoch=value["epoch"], empty=value["empty"], notes=value["notes"]
            )
        except (KeyError, TypeError, ValueError, OSError):
            return None

    def make(
        self,
        key: str,
        title: str,
        layer: Layer,
        *,
        notes: Callable[[], tuple[int, dict[str, object]]] | None = None,
    ) -> CachedLayer:
        """Pack a layer into the store. ``notes`` gives epoch and notes once all is read."""

        def known() -> tuple[int, dict[str, object]]:
            return notes() if notes else (layer.epoch, {})

        return self.make_from_tar(key, title, tar_chunks(layer.entries), known)

    @contextmanager
    def spooled(self, title: str, layer: Layer, tee: Tee) -> Iterator[SpooledTar]:
        """A layer's tar, written to a file without a name, to be packed later.

        ``tee`` is given its bytes as well.
        """
        folder = self.store.root / "tmp"
        state = hashlib.sha256()
        with ExitStack() as stack:
            with disk_errors(str(self.store.root)), self.progress.task(title) as task:
                folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
                for block in fixed_blocks(tar_chunks(layer.entries), _BLOCK):
                    state.update(block)
                    tee(block)
                    file.write(block)
                    task.advance(len(block))
                file.seek(0)
            yield SpooledTar(file=file, diff_id=digest_of(Sha256(state.hexdigest())))

    def make_spooled(self, key: str, title: str, tar: SpooledTar, epoch: int) -> CachedLayer:
        """Pack a tar that was spooled."""
        chunks = file_chunks(tar.file)
        return self.make_from_tar(key, title, chunks, lambda: (epoch, {}), diff_id=tar.diff_id)

    def make_from_tar(
        self,
        key: str,
        title: str,
        tar: Iterable[bytes],
        known: Callable[[], tuple[int, dict[str, object]]],
        *,
        diff_id: Digest | None = None,
    ) -> CachedLayer:
        """Pack the bytes of a tar into the store, and remember them under the key.

        ``diff_id`` is their digest, if it is known.
        """
        plain = hashlib.sha256()
        packed = hashlib.sha256()
        sizes = [0, 0]

        def counted() -> Iterator[bytes]:
            for block in fixed_blocks(tar, _BLOCK, keep=True):
                if diff_id is None:
                    plain.update(block)
                sizes[0] += len(block)
                task.advance(len(block))
                yield block

        with (
            self.progress.task(title) as task,
            self.store.temporary() as pending,
            disk_errors(str(self.store.root)),
        ):
            for chunk in compressed(counted(), self.compression, pool=self.pool):
                packed.update(chunk)
                sizes[1] += len(chunk)
                pending.file.write(chunk)
            epoch, notes = known()
            self.store.add_pending(pending, Sha256(packed.hexdigest()))
        made = CachedLayer(
            layer=BuiltLayer(
                title=title,
                descriptor=Descriptor(
                    media_type=_MEDIA_TYPES[self.compression],
                    digest=digest_of(Sha256(packed.hexdigest())),
                    size=sizes[1],
                ),
                diff_id=diff_id or Digest(f"sha256:{plain.hexdigest()}"),
                cached=False,
            ),
            epoch=epoch,
            empty=sizes[0] <= 1024,
            notes=notes,
        )
        if not self.fresh:
            self._keep(key, made)
            if self.shared_to is not None:
                self.shared_to.save(key)
        return made

    def _keep(self, key: str, made: CachedLayer) -> None:
        self.store.keep_record(
            _KIND,
            key,
            {
                "media_type": made.layer.descriptor.media_type,
                "digest": made.layer.descriptor.digest,
                "size": made.layer.descriptor.size,
                "diff_id": made.layer.diff_id,
                "epoch": made.epoch,
                "empty": made.empty,
                "notes": made.notes,
            },
        )
