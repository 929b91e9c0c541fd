"""Builder `podman`: no daemon; as the classic engine's, with secrets."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

from imagelock.build.engines.options import options_of
from imagelock.build.engines.program import asked, asked_json, heard
from imagelock.build.engines.session import EngineBuilder, Saved, Session, Work
from imagelock.build.oci.config import image_index
from imagelock.build.oci.context import MadeImage
from imagelock.build.oci.output import write_output
from imagelock.model.errors import BuildError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform, host_platform
from imagelock.registry.archive import REFERENCE, archive_source
from imagelock.render import Dialect

_INSTALL: Final = "install podman (Debian: podman), or use the embedded builder, `oci`"
_OLDEST: Final = (4,)


class PodmanBuilder(EngineBuilder):
    """Builds with `podman build`, as root or not; two builds give the same digest."""

    name: ClassVar[str] = "podman"
    dialect: ClassVar[Dialect] = Dialect.PODMAN

    @contextlib.contextmanager
    def session(self, lock: Lock) -> Iterator[Session]:
        """What podman is there. BuildError for one older than 4."""
        options_of(lock, self.name)
        said = asked_json("podman", "version", "--format", "json", hint=_INSTALL)
        client = said.get("Client") or {}
        version = str(client.get("Version", ""))
        if tuple(int(part) for part in version.split(".")[:1] if part.isdigit()) < _OLDEST:
            raise BuildError(
                f"expected podman 4 or newer, got {version or 'none'}",
                where="podman",
                hint=_INSTALL,
            )
        architecture = str(client.get("OsArch", "linux/amd64")).partition("/")[2]
        yield _PodmanSession(f"podman {version}", host_platform(architecture.partition("/")[0]))


class _PodmanSession(Session):
    def __init__(self, engine: str, platform: Platform) -> None:
        self.engine = engine
        self._platform = platform

    def refuse(self, platform: Platform) -> None:
        """Programs of another platform run only where the kernel knows an emulator for them."""
        from imagelock.build.oci.foreign import refuse_unrunnable

        if platform != self._platform:
            refuse_unrunnable(platform, self.engine)

    @contextlib.contextmanager
    def build(self, work: Work) -> Iterator[Saved]:
        """Build, and save the image with its layers uncompressed."""
        command = [
            # No label with a release of buildah, which would be another image's by the next one.
            *("podman", "build", "--network=none", "--format=oci", "--identity-label=false"),
            f"--platform={work.platform}",
            f"--tag={work.name}",
            *(f"--secret=id={name},src={path}" for name, path in work.secrets),
            ".",
        ]
        if heard(command, work.log.line, folder=work.written.path):
            raise work.log.failed()
        archive, folder = work.scratch / "image.tar", work.scratch / "saved"
        folder.mkdir()
        try:
            asked(
                *("podman", "save", "--quiet", "--format=docker-archive"),
                f"--output={archive}",
                work.name,
                hint="see `podman images`",
            )
            with archive.open("rb") as stream:
                source = archive_source(stream, folder, where=self.engine)
            archive.unlink()
            yield Saved(source=source, reference=REFERENCE)
        finally:
            with contextlib.suppress(BuildError):
                asked("podman", "rmi", "--no-prune", work.name, hint="")

    def keep(self, packed: Sequence[MadeImage], tag: str, reference: str) -> None:
        """Load the image into podman's own storage. BuildError for more than one platform."""
        del tag
        if len(packed) != 1:
            raise BuildError(
                "podman keeps one platform under a name",
                where="--output",
                hint="name one with --platform",
            )
        one = packed[0]
        with tempfile.TemporaryDirectory() as folder:
            layout = Path(folder) / "image"
            index = image_index([one.image.manifest], {})
            write_output("oci", layout, one.blobs, index)
            name = asked("podman", "pull", "--quiet", f"oci:{layout}", hint="").strip()
            asked("podman", "tag", name, reference, hint="")
