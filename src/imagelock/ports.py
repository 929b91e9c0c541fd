"""What the core asks of the outside, as Protocols that promise behaviour.

Every method may raise :class:`~imagelock.model.errors.NetworkError` once its retries are used
up, and :class:`~imagelock.model.errors.IntegrityError` when bytes are not the promised ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol, TypeVar

from imagelock.model.image import BaseImage, BuildResult, Descriptor
from imagelock.model.lock import Lock
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


ContextT_contra = TypeVar("ContextT_contra", contravariant=True)
"""What builders are given of the outside: `imagelock.build.oci.context.BuildContext`."""


class Builder(Protocol[ContextT_contra]):
    """Makes images of a lock; found by its name in the entry-point group ``imagelock.builders``.

    An entry point names a class that is made without arguments. What ``[builder] options`` mean is
    the builder's own business, and another builder's options are none of it.
    """

    @property
    def name(self) -> str:
        """What ``[builder] name`` and ``--builder`` call it."""
        ...

    def build(
        self,
        lock: Lock,
        platforms: Sequence[Platform],
        output: str,
        *,
        context: ContextT_contra,
        tag: str = "",
        reference: str = "",
    ) -> BuildResult:
        """Build the image of each platform; nothing is resolved, and no index asked.

        ``platforms`` are of the lock; none means all that the output can hold. ``output`` is
        ``oci:DIR`` (which a push reads), ``oci-archive:FILE``, or ``docker`` for the engine itself;
        it is written whole or not at all. ``tag`` names the image in an index, ``reference`` in an
        engine. IntegrityError for wrong bytes, BuildError with the step of the plan that failed,
        and, before any work, for what the machine or engine cannot do, with what to do about it.
        """
        ...
