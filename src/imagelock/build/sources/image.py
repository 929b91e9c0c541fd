"""A wheel built in the image's own sandbox, with exactly the locked wheels and nothing else.

The build environment and the source lie over the base and its apt (and conda) packages, at fixed
paths and without a network. What is kept is the wheel in its normal form.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.build.oci.interpreter import Occupied
from imagelock.build.oci.pure import PureLayers
from imagelock.build.oci.sandbox import PATH, Sandbox, Work
from imagelock.build.oci.secrets import Secrets, open_secrets
from imagelock.build.oci.trees import Trees
from imagelock.build.sources.agree import Agreement
from imagelock.build.sources.history import ARCHIVAL, archival_text, version_variables
from imagelock.build.sources.host import BuildSystem, build_system
from imagelock.build.sources.normal import normal_wheel
from imagelock.build.sources.unpack import source_entries
from imagelock.fetch.pypi.source import project_table_of
from imagelock.fetch.pypi.wheel import NotReadable, read_metadata
from imagelock.fetch.store import Store
from imagelock.layers.entries import EARLIEST, Layer, sort_key, with_parents
from imagelock.layers.scheme import Scheme
from imagelock.layers.untar import read_tar
from imagelock.layers.venv import wheels_layer
from imagelock.layers.wheel import Wheel
from imagelock.model.archives import is_tree
from imagelock.model.errors import BuildError, IntegrityError
from imagelock.model.image import BuiltLayer
from imagelock.model.lock import PipBuildPin, PipPin
from imagelock.model.names import Sha256
from imagelock.model.plan import SourceWheelStep, VenvStep, WheelsStep
from imagelock.plan.keys import step_key
from imagelock.resolve.pip.metadata import parse_metadata

ROOT: Final = "imagelock"
"""The folder that a build has in the sandbox's root, and no image."""

_ENVIRONMENT: Final = f"/{ROOT}/environment"
_SOURCE: Final = f"/{ROOT}/source"
_WHEELS: Final = f"/{ROOT}/wheels"
_TAIL: Final = 3000
_NOT_PASSED: Final = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PATH"})
_INSIDE: Final = Path(__file__).with_name("inside.py")
NOTE: Final = "wheel"
"""The key of a cached layer's note that holds the hash of the wheel in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBuilder:
    """Builds the sources of one platform.

    ``env`` is the image's; ``occupied`` is what the base has where wheels go.
    """

    store: Store
    cache: LayerCache
    sandbox: Sandbox
    trees: Trees
    folder: Path
    env: tuple[tuple[str, str], ...]
    agreement: Agreement
    occupied: Occupied = field(default_factory=Occupied)

    def build(
        self, step: SourceWheelStep, below: tuple[BuiltLayer, ...], files: Mapping[str, Path]
    ) -> CachedLayer:
        """The layer with the built wheel. BuildError with the end of the output when it fails."""
        pin = step.pin
        where = f"{pin.name} {pin.version}"
        source = files[pin.artifact.sha256]
        layers, epoch = self._layers(step, files)
        secrets = open_secrets(step.secrets, self.folder)
        with self.sandbox.scratch() as scratch:
            work = self._work(step, _system(source, pin), secrets, (*below, *layers), epoch)
            code, output = self.sandbox.run(work, scratch)
            if code:
                said = secrets.redacted(output)[-_TAIL:].strip()
                raise BuildError(
                    f"the build backend failed (exit status {code}):\n{said}",
                    where=step.title,
                    hint=_hint(output),
                )
            filename, data = self._wheel(work.lower, scratch, epoch, where)
        made = normal_wheel(data, epoch=epoch, where=where)
        b"".join(secrets.checked([made], step.title))
        self._check(filename, made, pin)
        digest = self.store.add_bytes(made, where=where)
        return self._layer(step, below, digest, filename)

    def _layers(
        self, step: SourceWheelStep, files: Mapping[str, Path]
    ) -> tuple[tuple[BuiltLayer, ...], int]:
        """The environment and the source as layers of their own, and the source's newest time."""
        pure = PureLayers(cache=self.cache, folder=self.folder)
        recipe = self.agreement.lock.recipe
        venv = VenvStep(
            title="build environment",
            key=step_key("build-venv", recipe, python=_python(step)),
            python=step.python,
            prefix=_ENVIRONMENT,
        )
        tools = tuple(_as_pip(tool) for tool in step.tools)
        wheels = WheelsStep(
            title="build requirements",
            key=step_key(
                "build-wheels",
                recipe,
                python=_python(step),
                wheels=[[tool.artifact.filename, tool.artifact.sha256] for tool in tools],
            ),
            python=step.python,
            prefix=_ENVIRONMENT,
            wheels=tools,
        )
        made = [item for one in (venv, wheels) for item in pure.find(one) or pure.build(one, files)]
        source = self._source(step, files[step.pin.artifact.sha256])
        return tuple(item.layer for item in (*made, source)), source.epoch

    def _source(self, step: SourceWheelStep, path: Path) -> CachedLayer:
        artifact = step.pin.artifact
        key = self.cache.key("source", artifact.sha256, artifact.path)
        found = self.cache.find(key, "source")
        if found is not None:
            return found
        with source_entries(path, artifact.filename, tree=is_tree(artifact.path)) as entries:
            read = [
                replace(
                    entry,
                    path=f"{_SOURCE.strip('/')}/{entry.path}",
                    content=tuple(entry.content),
                    link=_placed(entry.link) if entry.kind.name == "HARDLINK" else entry.link,
                )
                for entry in entries
            ]
        epoch = max((entry.mtime for entry in read), default=EARLIEST)
        ordered = sorted(read, key=lambda entry: sort_key(entry.path))
        return self.cache.make(key, "source", Layer(entries=with_parents(ordered), epoch=epoch))

    def _work(
        self,
        step: SourceWheelStep,
        system: BuildSystem,
        secrets: Secrets,
        lower: tuple[BuiltLayer, ...],
        epoch: int,
    ) -> Work:
        folder = step.pin.artifact.path.partition("/")[2]
        inner = folder if is_tree(step.pin.artifact.path) else ""
        own = dict(self.env)
        env = {name: text for name, text in own.items() if name not in _NOT_PASSED} | {
            "PATH": f"{_ENVIRONMENT}/bin:{own.get('PATH') or PATH}",
            "HOME": f"/{ROOT}/home",
            "TMPDIR": f"/{ROOT}/tmp",  # noqa: S108 — the sandbox's own
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "PIP_NO_INDEX": "1",
            "SOURCE_DATE_EPOCH": str(epoch),
            **(version_variables(step.pin.version) if step.commit else {}),
        }
        archival = (f"{_SOURCE}/{ARCHIVAL}", 0o644, archival_text(step.commit))
        program = (
            *(f"{_ENVIRONMENT}/bin/python", f"/{ROOT}/inside.py"),
            *(f"{_SOURCE}/{inner}".rstrip("/"), _WHEELS),
            *(system.backend, *system.backend_path, "--", *step.settings),
        )
        return Work(
            lower=self.trees.names(lower),
            commands=(program,),
            env=tuple(sorted(env.items())),
            files=(
                (f"/{ROOT}/inside.py", 0o644, _INSIDE.read_text(encoding="utf-8")),
                *((f"/{ROOT}/{name}/.keep", 0o644, "") for name in ("home", "tmp", "wheels")),
                *((archival,) if step.commit else ()),
            ),
            binds=secrets.binds,
        )

    def _wheel(
        self, lower: tuple[str, ...], scratch: Path, epoch: int, where: str
    ) -> tuple[str, bytes]:
        """The one wheel that the sandbox wrote, by its file name."""
        found: dict[str, bytes] = {}
        folder = f"{_WHEELS.strip('/')}/"
        with self.sandbox.changes(lower, scratch, epoch=epoch) as changes:
            for entry in read_tar(_Stream(changes), where=where):
                if entry.path.startswith(folder) and entry.path.endswith(".whl"):
                    found[entry.path.removeprefix(folder)] = b"".join(entry.content)
        if len(found) != 1:
            raise BuildError(
                f"expected one wheel of the build backend, got {len(found)}", where=where
            )
        return found.popitem()

    def _check(self, filename: str, data: bytes, pin: PipPin) -> None:
        """IntegrityError for a wheel that is not the one the lock speaks of."""
        where = f"{pin.name} {pin.version}, as built"
        distribution = "-".join(filename.split("-")[:2])
        try:
            text = read_metadata(data, len(data), distribution, lambda a, b: data[a:b])
            metadata = parse_metadata(text)
        except (NotReadable, ValueError) as error:
            raise IntegrityError(f"has no readable metadata: {error}", where=where) from error
        self.agreement.check_tags(filename, where=where)
        self.agreement.check(metadata, pin, where=where)

    def _layer(
        self, step: SourceWheelStep, below: tuple[BuiltLayer, ...], digest: Sha256, filename: str
    ) -> CachedLayer:
        scheme = (
            Scheme.of_venv(step.prefix, step.python.version)
            if step.prefix
            else Scheme.of_interpreter(step.python.executable, step.python.version)
        )
        with self.store.path(digest).open("rb") as file:
            size = self.store.path(digest).stat().st_size
            wheel = Wheel(file, name=step.pin.name, where=filename, archive_size=size)
            layer = wheels_layer([(wheel, step.pin.requested)], scheme)
            layer = replace(layer, entries=self.occupied.kept(layer.entries))
            key = source_key(self.cache, step, below, self.env, self.occupied)
            notes: dict[str, object] = {NOTE: digest}
            return self.cache.make(key, step.title, layer, notes=lambda: (layer.epoch, notes))


def source_key(
    cache: LayerCache,
    step: SourceWheelStep,
    below: tuple[BuiltLayer, ...],
    env: tuple[tuple[str, str], ...],
    occupied: Occupied,
) -> str:
    """The key of a built wheel's layer: source, tools, environment and the layers below."""
    pairs = [f"{name}={text}" for name, text in env]
    folders = map(str, occupied.folders)
    ids = (layer.diff_id for layer in below)
    return cache.key("source-wheel", step.key, *pairs, *ids, *folders)


class _Stream:
    """Chunks as a stream to read from."""

    def __init__(self, chunks: object) -> None:
        self._chunks = iter(chunks)  # type: ignore[call-overload]
        self._left = io.BytesIO()

    def read(self, size: int) -> bytes:
        data = self._left.read(size)
        while not data:
            chunk = next(self._chunks, b"")
            if not chunk:
                return b""
            self._left = io.BytesIO(chunk)
            data = self._left.read(size)
        return bytes(data)


def _system(source: Path, pin: PipPin) -> BuildSystem:
    try:
        document = project_table_of(source, pin.artifact.path)
    except ValueError as error:
        raise IntegrityError(f"cannot be read: {error}", where=pin.name) from error
    return build_system(document, pin.name)


def _placed(link: str) -> str:
    return f"{_SOURCE.strip('/')}/{link}"


def _python(step: SourceWheelStep) -> list[str]:
    return [step.python.version, step.python.implementation, step.python.executable]


def _as_pip(tool: PipBuildPin) -> PipPin:
    """A build requirement as the wheels of a step are given."""
    return PipPin(
        name=tool.name,
        version=tool.version,
        artifact=tool.artifact,
        platforms=tool.platforms,
        required_by=tool.required_by,
    )


def _hint(output: str) -> str:
    if "Python.h" in output:
        return "add the headers of Python to [apt] packages, such as python3-dev"
    if any(word in output for word in ("gcc", "cc'", "compiler", "g++", "clang")):
        return "add a compiler to [apt] packages, such as gcc (and g++, make)"
    if "No module named" in output:
        return "what it imports is not among its build requirements: tell its maintainers"
    return "it is built without a network, over the base and the apt packages of the image"
