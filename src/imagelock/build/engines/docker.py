"""Builder `docker`: any Docker engine through its API, by the classic builder.

It has no mounts and no secrets, so all is done in a first stage, and the image is a copy of it.
"""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, ClassVar, Final

from imagelock.build.engine import Engine, connected
from imagelock.build.engine.save import SavedImage
from imagelock.build.engines.options import options_of
from imagelock.build.engines.session import EngineBuilder, Saved, Session, Work
from imagelock.build.oci.context import MadeImage
from imagelock.model.errors import BuildError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.registry.archive import REFERENCE, archive_source
from imagelock.render import Dialect

_OLDEST: Final = (20, 10)


class DockerBuilder(EngineBuilder):
    """Builds with the engine that `docker` would use: DOCKER_HOST, contexts, ssh."""

    name: ClassVar[str] = "docker"
    dialect: ClassVar[Dialect] = Dialect.DOCKER

    @contextlib.contextmanager
    def session(self, lock: Lock) -> Iterator[Session]:
        """A connection. BuildError for an engine older than 20.10."""
        options_of(lock, self.name)
        with connected() as engine:
            if engine.facts.product == "Docker" and engine.facts.release < _OLDEST:
                raise BuildError(
                    f"expected Docker 20.10 or newer, got {engine.facts.version}",
                    where=str(engine.endpoint),
                    hint="update the engine, or use the embedded builder, `oci`",
                )
            yield _DockerSession(engine)


class _DockerSession(Session):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.engine = str(engine.facts)

    def refuse(self, platform: Platform) -> None:
        """The classic builder runs programs of its own platform alone."""
        if platform != self._engine.facts.platform:
            raise BuildError(
                f"the engine's platform is {self._engine.facts.platform}, not {platform}",
                where=str(self._engine.endpoint),
                hint=f"build with `--platform {self._engine.facts.platform}`, on an engine of that "
                "platform, or with the builder `buildkit` or `oci`",
            )

    @contextlib.contextmanager
    def build(self, work: Work) -> Iterator[Saved]:
        """Send the context, follow the steps, read the image back."""
        with self._engine.errors("building"), _context_tar(work) as context:
            stream = self._engine.client.build(
                fileobj=context,
                custom_context=True,
                network_mode="none",
                tag=work.name,
                platform=str(work.platform),
                rm=True,
                forcerm=True,
                decode=True,
            )
            for message in stream:
                if "errorDetail" in message or "error" in message:
                    detail = message.get("errorDetail") or {}
                    raise work.log.failed(str(detail.get("message") or message["error"]))
                for line in str(message.get("stream", "")).splitlines():
                    work.log.line(line)
        try:
            folder = work.scratch / "saved"
            folder.mkdir()
            source = archive_source(
                SavedImage(self._engine, work.name),
                folder,
                where=self.engine,
            )
            yield Saved(source=source, reference=REFERENCE)
        finally:
            with contextlib.suppress(Exception):
                # Its parents are the engine's cache of steps, and stay.
                self._engine.client.remove_image(work.name, noprune=True)

    def keep(self, packed: Sequence[MadeImage], tag: str, reference: str) -> None:
        """Load what was packed under the reference."""
        from imagelock.build.engines.keep import load_made

        load_made(self._engine, packed, tag, reference)


@contextlib.contextmanager
def _context_tar(work: Work) -> Iterator[IO[bytes]]:
    """The context as a tar with nothing of this machine in it."""
    with tempfile.TemporaryFile(dir=work.scratch) as file:
        # Dereferenced: two links to one file of the store are two files of the context.
        with tarfile.open(
            fileobj=file, mode="w", format=tarfile.PAX_FORMAT, dereference=True
        ) as tar:
            root = work.written.path
            for path in sorted(root.rglob("*")):
                tar.add(path, arcname=str(path.relative_to(root)), recursive=False, filter=_plain)
        file.seek(0)
        yield file


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.isdir() else 0o644
    return member
