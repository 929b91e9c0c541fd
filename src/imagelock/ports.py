"""What the core asks of the outside, as Protocols that promise behaviour.

Every method may raise :class:`~imagelock.model.errors.NetworkError` once its retries are used
up, and :class:`~imagelock.model.errors.IntegrityError` when bytes are not the promised ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from imagelock.model.image import BaseImage, Descriptor
from imagelock.model.names import Digest, Sha256
from imagelock.model.platform import Platform


class ArtifactStore(Protocol):
    """Bytes by their sha256; what is in it never changes."""

    def find(self, sha256: Sha256) -> Path | None:
        """The file that holds these bytes, or None. It is not read: see :meth:`read`."""
        ...

    def read(self, sha256: Sha256) -> bytes:
        """The bytes, checked again. For small things: indexes, manifests, metadata."""
        ...

    def add(self, chunks: Iterable[bytes], *, expected: Sha256 | None, where: str) -> Sha256:
        """Keep a stream; whole or not at all. ``where`` names its origin in an error."""
        ...


class ImageSource(Protocol):
    """Where base images are read from: a registry or an OCI layout."""

    def digest(self, reference: str, platform: Platform) -> Digest:
        """The manifest digest of a tag for a platform; NotFound when there is none."""
        ...

    def image(self, reference: str, digest: Digest, platform: Platform) -> BaseImage:
        """The manifest and config by digest, checked against it."""
        ...

    def layer(self, reference: str, descriptor: Descriptor) -> Path:
        """A file with the layer's compressed bytes, checked against the descriptor."""
        ...


class Task(Protocol):
    """One line of progress."""

    def advance(self, amount: int) -> None:
        """Say that ``amount`` more (bytes, packages) is done; callable from any thread."""
        ...


class Progress(Protocol):
    """Where progress goes: a terminal, or nowhere."""

    def task(self, title: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A line that is shown while the context is open."""
        ...


class _NoTask:
    def advance(self, amount: int) -> None:
        """Say nothing."""


class NoProgress:
    """Progress that nobody watches."""

    def task(self, title: str, total: int | None = None) -> AbstractContextManager[Task]:  # noqa: ARG002
        """Show nothing."""
        return nullcontext(_NoTask())
