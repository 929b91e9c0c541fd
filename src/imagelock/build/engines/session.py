"""What the builders on engines share: render, build, take the image out, write it where asked."""

from __future__ import annotations

import contextlib
import secrets as random
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from imagelock.build.engines.folder import Written, write_context
from imagelock.build.engines.log import StepLog
from imagelock.build.engines.result import BaseLayers, pack
from imagelock.build.oci.builder import with_index
from imagelock.build.oci.cache import LayerCache
from imagelock.build.oci.config import image_index
from imagelock.build.oci.context import BuildContext, MadeImage
from imagelock.build.oci.output import parse_output, write_output
from imagelock.build.oci.secrets import open_secrets
from imagelock.fetch.store import disk_errors
from imagelock.layers.gzip import Compression
from imagelock.model.errors import BuildError
from imagelock.model.image import BuildResult
from imagelock.model.lock import BaseKind, Lock
from imagelock.model.platform import Platform
from imagelock.plan import plan_image
from imagelock.ports import ImageSource
from imagelock.render import Dialect

_THREADS: Final = 2
_LONGEST_BUILD: Final = 2 * 86_400
"""Seconds after which nobody uses a context any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One platform to build. ``name`` is what the image may be called in the engine meanwhile."""

    written: Written
    platform: Platform
    name: str
    log: StepLog
    secrets: Sequence[tuple[str, Path]]
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """An image that an engine gave out."""

    source: ImageSource
    reference: str


class Session(ABC):
    """An engine that was asked what it can do, and can do what is wanted."""

    engine: str
    """Product and version."""

    @abstractmethod
    def refuse(self, platform: Platform) -> None:
        """BuildError when the engine cannot build for a platform."""

    @abstractmethod
    def build(self, work: Work) -> AbstractContextManager[Saved]:
        """Build the context; the image, readable while the context manager is open."""

    @abstractmethod
    def keep(self, packed: Sequence[MadeImage], tag: str, reference: str) -> None:
        """Leave the images in the engine under a reference."""


class EngineBuilder(ABC):
    """A builder that renders a lock and has an engine build it."""

    name: ClassVar[str]
    dialect: ClassVar[Dialect]

    @abstractmethod
    def session(self, lock: Lock) -> AbstractContextManager[Session]:
        """Reach the engine, and ask what it can do. NetworkError or BuildError with what to do."""

    def build(
        self,
        lock: Lock,
        platforms: Sequence[Platform],
        output: str,
        *,
        context: BuildContext,
        tag: str = "",
        reference: str = "",
    ) -> BuildResult:
        """Build each platform and write the images to ``output``, as the embedded builder does.

        ``docker`` leaves them in the engine that built them. BuildError with the step of the plan
        that an engine stopped at.
        """
        kind, path = parse_output(output)
        with self.session(lock) as session:
            chosen = sorted(set(platforms)) or _possible(session, lock)
            for platform in chosen:
                session.refuse(platform)
            packed = [
                self._platform(session, lock, platform, reference or tag, context)
                for platform in chosen
            ]
            blobs, descriptor = with_index(packed, tag)
            if kind == "docker":
                session.keep(packed, tag, reference)
            else:
                write_output(kind, path, blobs, image_index([descriptor], {}))
            return BuildResult(
                tag=tag,
                reference=reference or output,
                index=descriptor,
                images=tuple(item.image for item in packed),
                engine=session.engine,
            )

    def _platform(
        self,
        session: Session,
        lock: Lock,
        platform: Platform,
        reference: str,
        context: BuildContext,
    ) -> MadeImage:
        with _scratch(context) as scratch:
            folder = scratch / "context"
            folder.mkdir()
            written = write_context(
                lock, [platform], folder, dialect=self.dialect, reference=reference, context=context
            )
            held = open_secrets(written.rendered.secrets, context.folder)
            work = Work(
                written=written,
                platform=platform,
                name=f"localhost/imagelock-build:{random.token_hex(8)}",
                log=StepLog(written.rendered, held, context.said, session.engine),
                secrets=[
                    (secret.id, bind.source)
                    for secret, bind in zip(written.rendered.secrets, held.binds, strict=True)
                ],
                scratch=scratch,
            )
            with session.build(work) as saved, ThreadPoolExecutor(_THREADS) as pool:
                packed = pack(
                    saved.source,
                    saved.reference,
                    platform,
                    written=written,
                    cache=LayerCache(context.store, Compression.GZIP, pool),
                    secrets=held,
                    base=_pulled_base(lock, platform, context, self.dialect),
                )
            for layer in packed.image.layers:
                context.step_done(layer)
            return packed


def _possible(session: Session, lock: Lock) -> list[Platform]:
    """The lock's platforms that an engine can build; all of them when it can build none."""
    found = []
    for platform in lock.platforms:
        with contextlib.suppress(BuildError):
            session.refuse(platform)
            found.append(platform)
    return found or list(lock.platforms)


@contextlib.contextmanager
def _scratch(context: BuildContext) -> Iterator[Path]:
    """A folder beside the store's files, so that artifacts can be linked into it."""
    place = context.store.root / "contexts"
    with disk_errors(str(place)):
        place.mkdir(parents=True, exist_ok=True)
        for left in place.iterdir():  # by a build that was killed
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - _LONGEST_BUILD:
                    shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def _pulled_base(
    lock: Lock, platform: Platform, context: BuildContext, dialect: Dialect
) -> BaseLayers | None:
    """The base whose layers are the image's lowest; a flattened image has none of its own."""
    plan = plan_image(lock, platform)
    if (
        plan.bootstrapped
        or plan.base.kind is not BaseKind.IMAGE
        or dialect is not Dialect.BUILDKIT
        or context.source_of is None
    ):
        return None
    source = context.source_of(plan.base)
    image = source.image(plan.base.reference, plan.base.digest, platform)
    return BaseLayers(
        image=image, find=lambda descriptor: source.layer(plan.base.reference, descriptor)
    )
