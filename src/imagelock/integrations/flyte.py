"""Flyte 2's image builder ``imagelock``, by the entry-point group ``flyte.plugins.image_builders``.

``flyte.init(image_builder="imagelock")``, or ``image: {builder: imagelock}`` in its config, chooses
it. An ``Image`` of Flyte 2 is a base and layers. Each layer becomes fields of our ImageSpec, or is
refused by its name: nothing is left out in silence. Their order is the lock's (docs/build.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imagelock.model.errors import UsageError

if TYPE_CHECKING:
    from imagelock.image_spec.spec import ImageSpec

_LABEL: Final = re.compile(r"LABEL (?P<key>[^=\s]+)=(?P<quote>['\"]?)(?P<value>.*)(?P=quote)")
_OUR_PATH: Final = "/opt/venv/bin:$PATH"
"""What Flyte puts first on PATH is where our packages are, and is first there anyway."""


@dataclass(slots=True)
class _Parts:
    """What layers have said so far, as fields of an ImageSpec and as TOML for its ``more``."""

    fields: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def extend(self, name: str, items: Any) -> None:  # noqa: ANN401 (any iterable of strings)
        """More of a list."""
        self.fields[name] = [*self.fields.get(name, ()), *(items or ())]

    def pip(self, layer: Any) -> None:  # noqa: ANN401 (a PipOption of Flyte)
        """The options of a layer that installs Python packages."""
        if layer.index_url:
            self.fields["pip_index"] = layer.index_url
        self.extend("pip_extra_index_url", layer.extra_index_urls)
        words = [layer.extra_args or "", "--pre" if layer.pre else ""]
        words.insert(0, self.fields.get("pip_extra_args", ""))
        self.fields["pip_extra_args"] = " ".join(word for word in words if word)

    def requirements(self, path: Path) -> None:
        """One more file of requirements, or lock."""
        self.more.setdefault("pip", {}).setdefault("requirements", []).append(str(path))


class NeverThere:
    """Existence is decided where the image is built; Flyte would take unknown for yes."""

    @classmethod
    async def image_exists(
        cls,
        repository: str,  # noqa: ARG003 (Flyte's protocol)
        tag: str,  # noqa: ARG003 (Flyte's protocol)
        arch: tuple[str, ...] = ("linux/amd64",),  # noqa: ARG003 (Flyte's protocol)
    ) -> str | None:
        """None: ask the builder."""
        return None


class ImagelockBuilder:
    """Builds Flyte 2's Images from their locks."""

    async def build_image(
        self,
        image: Any,  # noqa: ANN401 (flyte.Image)
        dry_run: bool = False,  # noqa: FBT001, FBT002 (Flyte's protocol)
        wait: bool = True,  # noqa: ARG002, FBT001, FBT002 (Flyte's protocol)
        force: bool = False,  # noqa: FBT001, FBT002 (Flyte's protocol)
    ) -> Any:  # noqa: ANN401 (flyte's ImageBuild)
        """``registry/name@digest``; what the registry has is not built again, unless forced.

        ``dry_run`` locks, and builds nothing. It is always waited for.
        """
        from flyte._build import ImageBuild

        from imagelock.image_spec.building import make_image

        spec = image_spec_of(image)
        if force:
            spec = _with_id(spec.force_push(), image.uri)
        if dry_run:
            order = await asyncio.to_thread(spec.build_order)
            return ImageBuild(uri=order.reference, remote_run=None)
        made = await asyncio.to_thread(make_image, spec, skip_existing=True)
        return ImageBuild(uri=made.reference, remote_run=None)

    def get_checkers(self) -> list[type[NeverThere]]:
        """One that leaves it to :meth:`build_image`."""
        return [NeverThere]


def image_spec_of(image: Any) -> ImageSpec:  # noqa: ANN401 (flyte.Image)
    """An Image as an ImageSpec whose lock is ``NAME.lock`` in the working folder.

    UsageError names the layer that no lock can hold.
    """
    from imagelock.image_spec.place import Place
    from imagelock.image_spec.spec import ImageSpec

    if image.dockerfile:
        raise _refused("a Dockerfile", "say what it installs by the methods of Image")
    parts = _Parts()
    for layer in image._layers:  # noqa: SLF001 (what every builder of Flyte reads)
        _write_layer(layer, parts)
    place = Place(Path.cwd(), "")
    if "requirements" in parts.more.get("pip", {}):
        files = parts.more["pip"]["requirements"]
        parts.more["pip"]["requirements"] = [_relative(Path(file), place.folder) for file in files]
    spec = ImageSpec(
        name=image.name or "flyte",
        registry=image.registry,
        base_image=image.base_image,
        platform=",".join(image.platform),
        **parts.fields,
        more=parts.more or None,
        place=place,
    )
    return _with_id(spec, image.uri)


def _with_id(spec: ImageSpec, uri: str) -> ImageSpec:
    """Flyte's name of the image is what its runtime looks for in the container."""
    object.__setattr__(spec, "id", uri)
    return spec


def _write_layer(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (a Layer of Flyte)
    name = type(layer).__name__
    writer = _LAYERS.get(name)
    if writer is None:
        raise _refused(f"the layer {name}", "see docs/imagespec.md for those that a lock can hold")
    if getattr(layer, "secret_mounts", None):
        raise _refused(
            f"a secret of the layer {name}", "fetches use ~/.netrc and the keyring of this machine"
        )
    writer(layer, parts)


def _pip_packages(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (PipPackages)
    parts.extend("packages", layer.packages)
    parts.pip(layer)


def _requirements(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (Requirements)
    parts.requirements(layer.file)
    parts.pip(layer)


def _uv_project(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (UVProject)
    if layer.project_install_mode != "dependencies_only" or not layer.uvlock:
        raise _refused("a project without a uv.lock, or installed itself", "lock it, and copy it")
    parts.requirements(layer.uvlock)
    parts.pip(layer)


def _poetry_project(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (PoetryProject)
    if layer.project_install_mode != "dependencies_only" or layer.extra_args:
        raise _refused("a project that is installed itself, or extra_args", "copy the project")
    parts.requirements(layer.poetry_lock)


def _commands(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (Commands)
    parts.extend("commands", layer.commands)


def _env(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (Env)
    values = {key: value for key, value in layer.env_vars if value != _OUR_PATH}
    if expanded := [key for key, value in values.items() if "$" in value]:
        raise _refused(f"the variable {expanded[0]}, which names another", "write its value out")
    parts.fields["env"] = {**parts.fields.get("env", {}), **values}


def _workdir(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (WorkDir)
    parts.more.setdefault("image", {})["workdir"] = layer.workdir


def _copy(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (CopyConfig)
    target = layer.dst
    if not target.startswith("/"):
        workdir = parts.more.get("image", {}).get("workdir", "/root")
        target = f"{workdir.rstrip('/')}/{target.removeprefix('./').removeprefix('.')}"
    if layer.src.is_dir():
        # docker copies what is in a folder, and so do we where the target is no folder's parent.
        target = target.rstrip("/") or "/"
    rule = {"from": _relative(layer.src, Path.cwd()), "to": target}
    parts.more.setdefault("copy", []).append(rule)


def _docker_lines(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (_DockerLines)
    for line in layer.lines:
        match = _LABEL.fullmatch(line.strip())
        if match is None:
            raise _refused("lines of a Dockerfile", "use the methods of Image")
        labels = parts.more.setdefault("image", {}).setdefault("labels", {})
        labels[match["key"]] = match["value"]


def _code_bundle(layer: Any, parts: _Parts) -> None:  # noqa: ANN401 (CodeBundleLayer)
    if layer.root_dir is None:
        raise _refused("a code bundle without its folder", "run it with copy_style='none'")
    mode = "ALL" if layer.copy_style == "all" else "LOADED_MODULES"
    parts.fields["source_root"] = str(layer.root_dir)
    parts.fields["source_copy_mode"] = mode


_LAYERS: Final[dict[str, Callable[[Any, _Parts], None]]] = {
    "AptPackages": lambda layer, parts: parts.extend("apt_packages", layer.packages),
    "CodeBundleLayer": _code_bundle,
    "Commands": _commands,
    "CopyConfig": _copy,
    "DockerIgnore": lambda _layer, _parts: None,  # ignore files of the folder are honoured
    "Env": _env,
    "PipPackages": _pip_packages,
    "PoetryProject": _poetry_project,
    "Requirements": _requirements,
    "UVProject": _uv_project,
    "WorkDir": _workdir,
    "_DockerLines": _docker_lines,
}
"""Flyte's layers by the names of their classes."""


def _relative(path: Path, folder: Path) -> str:
    from imagelock.image_spec.place import relative

    return relative(path.absolute(), folder)


def _refused(what: str, hint: str) -> UsageError:
    return UsageError(f"{what} is not supported by the builder imagelock", where="Image", hint=hint)
