"""Builder `buildkit`: `docker buildx`, on any of its builders, by name also remote ones."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final

from imagelock.build.engines.options import options_of
from imagelock.build.engines.program import asked, asked_json, heard
from imagelock.build.engines.session import EngineBuilder, Saved, Session, Work
from imagelock.build.oci.context import MadeImage
from imagelock.model.errors import BuildError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.registry.archive import REFERENCE, archive_source
from imagelock.render import Dialect

_OPTIONS: Final = ("builder", "cache-from", "cache-to")
_OLDEST: Final = (0, 13)
_INSTALL: Final = "install docker and its buildx plugin (Debian: docker-cli, docker-buildx)"
_CONTAINERD: Final = "io.containerd.snapshotter.v1"


class BuildKitBuilder(EngineBuilder):
    """Builds with BuildKit: secrets, one layer a step, the same digest twice.

    Options: ``builder`` is a name of `docker buildx ls`; ``cache-from`` and ``cache-to`` are
    repositories or buildx's own cache descriptions.
    """

    name: ClassVar[str] = "buildkit"
    dialect: ClassVar[Dialect] = Dialect.BUILDKIT

    @contextlib.contextmanager
    def session(self, lock: Lock) -> Iterator[Session]:
        """What buildx and its builder can do. BuildError names what is missing."""
        options = options_of(lock, self.name, known=_OPTIONS)
        buildx = asked("docker", "buildx", "version", hint=_INSTALL).split()
        named = ("--builder", options["builder"]) if "builder" in options else ()
        said = asked(
            *("docker", "buildx", "inspect", "--bootstrap", *named[1:]),
            hint="see `docker buildx ls`; make one with `docker buildx create`",
        )
        fields = _fields(said)
        release = _release(fields.get("Buildkit", fields.get("BuildKit version", "")))
        driver = fields.get("Driver", "")
        if release and release < _OLDEST:
            raise BuildError(
                f"expected BuildKit 0.13 or newer, got {'.'.join(map(str, release))}",
                where=f"buildx builder '{fields.get('Name', '')}'",
                hint="older ones cannot rewrite times: update it, or use the builder `oci`",
            )
        engine = f"BuildKit {'.'.join(map(str, release)) or 'of unknown version'}"
        if driver == "docker":
            engine = f"{engine}, Docker {_check_store()}"
        yield _BuildKitSession(
            engine=f"{engine} (buildx {buildx[1] if len(buildx) > 1 else ''}, driver {driver})",
            arguments=named,
            caches=options,
            platforms=_platforms(said),
        )


class _BuildKitSession(Session):
    def __init__(
        self,
        *,
        engine: str,
        arguments: tuple[str, ...],
        platforms: tuple[str, ...],
        caches: Mapping[str, str],
    ) -> None:
        self.engine = engine
        self._arguments = arguments
        self._caches = caches
        self._platforms = platforms

    def refuse(self, platform: Platform) -> None:
        """A platform is foreign to a builder until its kernel can run its programs."""
        if self._platforms and str(platform) not in self._platforms:
            raise BuildError(
                f"the builder does not run {platform}; it runs {', '.join(self._platforms)}",
                where=self.engine,
                hint="install binfmt support for it on the builder's machine (qemu-user-static)",
            )

    @contextlib.contextmanager
    def build(self, work: Work) -> Iterator[Saved]:
        """Build, and take the layers as plain tars: how they are packed is our own business."""
        archive = work.scratch / "image.tar"
        rendered = work.written.rendered
        output = (
            f"type=oci,dest={archive},rewrite-timestamp=true,"
            "compression=uncompressed,force-compression=true"
        )
        command = [
            *("docker", "buildx", "build", "--progress=plain", "--provenance=false"),
            *self._arguments,
            *cache_arguments(self._caches, work.platform),
            f"--platform={work.platform}",
            f"--build-arg=SOURCE_DATE_EPOCH={rendered.epoch}",
            f"--metadata-file={work.scratch / 'metadata.json'}",
            *(f"--secret=id={name},src={path}" for name, path in work.secrets),
            f"--output={output}",
            ".",
        ]
        if heard(command, work.log.vertex_line, folder=work.written.path):
            raise work.log.failed()
        folder = work.scratch / "saved"
        folder.mkdir()
        with archive.open("rb") as stream:
            source = archive_source(stream, folder, where=self.engine)
        archive.unlink()
        yield Saved(source=source, reference=REFERENCE)

    def keep(self, packed: Sequence[MadeImage], tag: str, reference: str) -> None:
        """Load the images into the engine that `docker` uses."""
        from imagelock.build.engine import connected
        from imagelock.build.engines.keep import load_made

        with connected() as engine:
            load_made(engine, packed, tag, reference)


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, colon, value in reversed(list(pairs)) if colon}


def _release(text: str) -> tuple[int, ...]:
    """The numbers of a version; none for Debian's builds, which do not know their own."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    numbers = tuple(int(part) for part in found.groups(default="0")) if found else ()
    return numbers if any(numbers) else ()


def _platforms(text: str) -> tuple[str, ...]:
    found = re.findall(r"^\s*Platforms:\s*(.+)$", text, re.MULTILINE)
    named = {part.strip().rstrip("*") for line in found for part in line.split(",")}
    return tuple(sorted(named))


def _check_store() -> str:
    """The engine's version. BuildError when its image store can keep no rewritten layers."""
    said = asked_json("docker", "info", "--format", "{{json .}}", hint="start the engine")
    drivers = {str(value) for pair in said.get("DriverStatus") or () for value in pair}
    if _CONTAINERD not in drivers:
        raise BuildError(
            "the engine keeps images in its classic store, which cannot rewrite times",
            where="docker",
            hint='set {"features": {"containerd-snapshotter": true}} in its daemon.json, or make '
            "a builder with `docker buildx create` and name it in [builder] options.builder",
        )
    return str(said.get("ServerVersion", ""))


def cache_arguments(options: Mapping[str, str], platform: Platform) -> list[str]:
    """What ``cache-from`` and ``cache-to`` say to buildx, for the build of a platform.

    A repository alone is a registry's cache under a tag of the platform's own, where no other
    platform's takes its place; to write, all steps are kept. The rest is buildx's own language.
    """
    arguments = []
    if "cache-from" in options:
        text = options["cache-from"]
        source = text if "=" in text else f"type=registry,ref={_cache_tag(text, platform)}"
        arguments.append(f"--cache-from={source}")
    if "cache-to" in options:
        text = options["cache-to"]
        target = f"type=registry,ref={_cache_tag(text, platform)},mode=max"
        arguments.append(f"--cache-to={text if '=' in text else target}")
    return arguments


def _cache_tag(repository: str, platform: Platform) -> str:
    if "@" in repository:
        return repository
    named = repository.rpartition(":")[2]
    tagged = ":" in repository and "/" not in named
    return f"{repository}{'-' if tagged else ':'}{platform.text.replace('/', '-')}"
