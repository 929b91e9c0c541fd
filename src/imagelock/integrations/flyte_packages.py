"""The layers of an Image of Flyte 2 that install packages, as one set that is decided together.

What a layer says of its own packages alone is kept for these: its pre-releases, its lock's pins.
An index of one layer is asked for all packages, before the one that everybody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from imagelock.image_spec.place import relative
from imagelock.integrations.flyte_words import (
    NO_EFFECT,
    layer_name,
    poetry_words,
    refuse_words,
    refused,
    required_by_project,
    uv_words,
    with_pre,
)
from imagelock.spec.rules_direct import local_text


@dataclass(frozen=True, slots=True)
class _Options:
    """What one layer of Python packages says; ``lines`` are where its packages begin and end."""

    layer: Any
    lines: tuple[int, int]
    index: str | None = None
    extra: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    pre: bool = False


class PackageLayers:
    """Takes layers of packages; paths become relative to ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._apt: list[str] = []
        self._pip: list[str] = []
        self._requirements: list[dict[str, Any]] = []
        self._links: list[str] = []
        self._options: list[_Options] = []
        self._pixi: list[tuple[Any, Path]] = []

    def takes(self, kind: str) -> bool:
        """Whether a class of layers is one of packages."""
        return kind in _WRITERS

    def add(self, layer: Any) -> None:  # noqa: ANN401 (a Layer of Flyte)
        """Take the next layer."""
        _WRITERS[type(layer).__name__](self, layer)

    def write(
        self, fields: dict[str, Any], more: dict[str, Any], platforms: tuple[str, ...]
    ) -> None:
        """Fields of an ImageSpec and TOML for its ``more``, when all layers were taken."""
        for layer, lock in self._pixi:
            self._write_pixi(layer, lock, platforms, more)
        self._write_options(fields)
        pip = {"requirements": self._requirements, "find-links": self._links}
        if held := {key: value for key, value in pip.items() if value}:
            more.setdefault("pip", {}).update(held)
        if self._apt:
            fields["apt_packages"] = self._apt
        if self._pip:
            fields["packages"] = list(dict.fromkeys(self._pip))

    # Layers ------------------------------------------------------------------------------

    def apt(self, layer: Any) -> None:  # noqa: ANN401 (AptPackages)
        """Debian's packages."""
        self._apt += layer.packages

    def packages(self, layer: Any) -> None:  # noqa: ANN401 (PipPackages)
        """Requirements by name."""
        before = len(self._pip)
        self._pip += layer.packages or ()
        self._keep(layer, before)

    def requirements(self, layer: Any) -> None:  # noqa: ANN401 (Requirements)
        """A file of requirements."""
        self._lock(layer.file)
        self._keep(layer, len(self._pip))

    def wheels(self, layer: Any) -> None:  # noqa: ANN401 (PythonWheels)
        """A folder of wheels, asked before all indexes."""
        before = len(self._pip)
        self._links.append(self._local(layer.wheel_dir))
        self._pip.append(layer.package_name)
        self._keep(layer, before)

    def uv_project(self, layer: Any) -> None:  # noqa: ANN401 (UVProject)
        """A project by its uv.lock, or by what it requires; perhaps itself."""
        before = len(self._pip)
        installs = layer.project_install_mode != "dependencies_only"
        chosen, rest = uv_words(layer.extra_args or "")
        if layer.uvlock:
            self._lock(layer.uvlock, **chosen)
        elif "groups" in chosen:
            raise refused("--group of a project without a uv.lock", "lock it with `uv lock`")
        elif not installs:
            self._pip += required_by_project(layer.pyproject, chosen.get("extras", []))
        if installs:
            self._itself(layer.pyproject.parent, chosen)
        self._keep(layer, before, rest)

    def poetry_project(self, layer: Any) -> None:  # noqa: ANN401 (PoetryProject)
        """A project by its poetry.lock; perhaps itself."""
        chosen, rest = poetry_words(layer.extra_args or "")
        refuse_words(rest, layer)
        self._lock(layer.poetry_lock, **chosen)
        if layer.project_install_mode != "dependencies_only":
            self._itself(layer.pyproject.parent, chosen)

    def pixi_project(self, layer: Any) -> None:  # noqa: ANN401 (PixiProject)
        """A project by its pixi.lock."""
        refuse_words((layer.extra_args or "").split(), layer)
        if not layer.pixi_lock:
            raise refused(f"{type(layer).__name__} without a pixi.lock", "lock it with `pixi lock`")
        self._pixi.append((layer, layer.pixi_lock))

    def uv_script(self, layer: Any) -> None:  # noqa: ANN401 (UVScript)
        """What the head of a script requires (PEP 723), and projects that it names by path."""
        from flyte._utils import parse_uv_script_file

        head = parse_uv_script_file(layer.script)
        before = len(self._pip)
        self._pip += head.dependencies or ()
        for place in head.pyprojects or ():
            project = Path(place)
            lock = project / "uv.lock"
            self.uv_project(
                SimpleNamespace(
                    pyproject=project / "pyproject.toml",
                    uvlock=lock if lock.exists() else None,
                    project_install_mode="install_project",
                    extra_args=None, index_url=None, extra_index_urls=None, pre=layer.pre,
                )
            )  # fmt: skip
        self._keep(layer, before)

    # How they become fields --------------------------------------------------------------

    def _local(self, path: Path) -> str:
        return local_text(relative(path.absolute(), self._folder))

    def _itself(self, project: Path, chosen: Mapping[str, list[str]]) -> None:
        extras = f"[{','.join(chosen['extras'])}]" if "extras" in chosen else ""
        self._pip.append(self._local(project) + extras)

    def _lock(self, path: Path, **chosen: list[str]) -> None:
        file = {"path": relative(path.absolute(), self._folder), **chosen}
        if file not in self._requirements:
            self._requirements.append(file)

    def _keep(self, layer: Any, before: int, arguments: list[str] | None = None) -> None:  # noqa: ANN401
        words = (layer.extra_args or "").split() if arguments is None else arguments
        self._options.append(
            _Options(
                layer=layer,
                lines=(before, len(self._pip)),
                index=layer.index_url,
                extra=tuple(layer.extra_index_urls or ()),
                arguments=tuple(word for word in words if word not in {"--pre", *NO_EFFECT}),
                pre=bool(layer.pre) or "--pre" in words,
            )
        )

    def _write_options(self, fields: dict[str, Any]) -> None:
        options = self._options
        own = [item.index for item in options if item.index]
        everybody = own[-1] if own and len(own) == len(options) else None
        extra = [url for item in options for url in (*item.extra, item.index) if url]
        extra = [url for url in dict.fromkeys(extra) if url != everybody]
        if everybody:
            fields["pip_index"] = everybody
        if extra:
            fields["pip_extra_index_url"] = extra
        words = [word for item in options for word in item.arguments]
        if options and all(item.pre for item in options):
            words.append("--pre")
        else:
            for item in options:
                self._allow_pre(item)
        if words:
            fields["pip_extra_args"] = " ".join(words)

    def _allow_pre(self, item: _Options) -> None:
        """Pre-releases for the packages of one layer: each names one as its lower bound."""
        if not item.pre:
            return
        start, end = item.lines
        if start == end:
            raise refused(
                f"pre=True of the layer {layer_name(item.layer)} beside layers without it",
                "name a pre-release in the requirements themselves, or give pre=True to all",
            )
        self._pip[start:end] = map(with_pre, self._pip[start:end])

    def _write_pixi(
        self,
        layer: Any,  # noqa: ANN401 (PixiProject, PixiScript)
        lock: Path,
        platforms: tuple[str, ...],
        more: dict[str, Any],
    ) -> None:
        from imagelock.app.importing.conda_locks import PixiLock
        from imagelock.app.importing.model import ImportRequest

        request = ImportRequest(path=lock.absolute(), folder=self._folder, python="")
        found = PixiLock().read(request, lock.read_text(encoding="utf-8"))
        chosen = [one for one in found if one.label == layer.environment]
        if not chosen:
            listed = ", ".join(one.label for one in found)
            raise refused(f"the environment '{layer.environment}' of {lock}", f"there is {listed}")
        document = chosen[0].document
        if missing := sorted(set(platforms) - set(document["platforms"])):
            raise refused(f"{lock} on {missing[0]}, which it does not lock", "add the platform")
        conda = more.setdefault("conda", {"packages": [], "channels": []})
        for key in conda:
            held = (*conda[key], *document.get("conda", {}).get(key, ()))
            conda[key] = list(dict.fromkeys(held))
        if not conda["packages"]:
            del more["conda"]
        itself = f" @ {self._local(lock.absolute().parent)}"
        only = getattr(layer, "project_install_mode", "dependencies_only") == "dependencies_only"
        self._pip += [
            line
            for line in document.get("pip", {}).get("packages", ())
            if not (only and line.partition(" ;")[0].endswith(itself))
        ]


_WRITERS: Final[dict[str, Callable[[PackageLayers, Any], None]]] = {
    "AptPackages": PackageLayers.apt,
    "PipPackages": PackageLayers.packages,
    "PixiProject": PackageLayers.pixi_project,
    "PixiScript": PackageLayers.pixi_project,
    "PoetryProject": PackageLayers.poetry_project,
    "PythonWheels": PackageLayers.wheels,
    "Requirements": PackageLayers.requirements,
    "UVProject": PackageLayers.uv_project,
    "UVScript": PackageLayers.uv_script,
}
"""Flyte's layers of packages by the names of their classes."""
