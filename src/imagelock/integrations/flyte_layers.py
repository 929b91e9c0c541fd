"""The layers of an Image of Flyte 2 as images of ours, the later ones on top of the earlier.

A lock's image has one order: packages, copied files, commands, source. Packages of all layers are
decided together, and lie at the bottom. What files and commands there are keeps its order: a layer
that this order would move before an earlier one begins another image, on top of the one so far.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from imagelock.image_spec.place import relative
from imagelock.integrations.flyte_packages import PackageLayers
from imagelock.integrations.flyte_words import layer_name, refused

_LABEL: Final = re.compile(r"LABEL (?P<key>[^=\s]+)=(?P<quote>['\"]?)(?P<value>.*)(?P=quote)")
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_OUR_PATH: Final = "/opt/venv/bin:$PATH"
"""What Flyte puts first on PATH is where our packages are, and is first there anyway."""

_MAKES_USER: Final = "useradd --create-home --shell /bin/bash flyte"
_USER: Final = "flyte"
_DEFAULT_FOLDER: Final = "/root"


@dataclass(slots=True)
class Stage:
    """One image, as fields of an ImageSpec and as TOML for its ``more``.

    ``ran`` names the layer of its first commands, ``bundled`` its code bundle.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    ran: str = ""
    bundled: Any = None

    @property
    def image(self) -> dict[str, Any]:
        """The table of the image's settings."""
        table: dict[str, Any] = self.more.setdefault("image", {})
        return table


class Layers:
    """Takes layers one by one; :attr:`stages` are the images that they make, lowest first.

    UsageError names a layer that no lock can hold, or not at its place.
    """

    def __init__(self, folder: Path) -> None:
        self.stages = [Stage()]
        self._folder = folder
        self._packages = PackageLayers(folder)
        self._workdir = _DEFAULT_FOLDER
        self._env: dict[str, str] = {}
        self._makes_user = False
        self._copied: list[Path] = []
        self._ignores: list[Path] = []

    def add(self, layer: Any) -> None:  # noqa: ANN401 (a Layer of Flyte)
        """Take the next layer."""
        if getattr(layer, "secret_mounts", None):
            raise refused(
                f"a secret of the layer {layer_name(layer)}",
                "fetches use ~/.netrc and the keyring of this machine",
            )
        kind = type(layer).__name__
        if self._packages.takes(kind):
            self._packages.add(layer)
        elif kind in _WRITERS:
            _WRITERS[kind](self, layer)
        else:
            raise refused(
                f"the layer {kind}", "see docs/imagespec.md for those that a lock can hold"
            )

    def finish(self, platforms: tuple[str, ...]) -> list[Stage]:
        """The images, when all layers were taken."""
        self._packages.write(self.stages[0].fields, self.stages[0].more, platforms)
        self._check_ignored()
        if self._makes_user:
            self.stages[-1].image["user"] = _USER
        return self.stages

    def _stage(self, layer: Any, *, after_commands: bool) -> Stage:  # noqa: ANN401
        """The image that a layer goes into: the last, or a new one on top of it."""
        last = self.stages[-1]
        if last.bundled is not None and last.bundled.copy_style != "all":
            raise refused(
                f"the layer {layer_name(layer)} above a code bundle of loaded modules",
                "put the code bundle last, or give it copy_style='all'",
            )
        if last.bundled is not None or (after_commands and last.ran):
            self.stages.append(Stage())
        return self.stages[-1]

    def commands(self, layer: Any) -> None:  # noqa: ANN401 (Commands)
        """They see all packages, and the files that are copied before them."""
        stage = self._stage(layer, after_commands=False)
        stage.fields["commands"] = [*stage.fields.get("commands", ()), *layer.commands]
        if all(_MAKES_USER in command for command in layer.commands):
            self._makes_user = True  # which has no place among files: no image is begun for it
        elif layer.commands:
            stage.ran = stage.ran or layer_name(layer)

    def env(self, layer: Any) -> None:  # noqa: ANN401 (Env)
        """Earlier variables in a value are written out, as docker does, a line each."""
        before = dict(self._env)
        values: dict[str, str] = {}
        for key, value in layer.env_vars:
            if (key, value) != ("PATH", _OUR_PATH):
                values[key] = self._env[key] = self._expanded(key, value)
        changes = any(before.get(key, value) != value for key, value in values.items())
        stage = self._stage(layer, after_commands=True) if changes else self.stages[-1]
        stage.fields["env"] = {**stage.fields.get("env", {}), **values}

    def _expanded(self, key: str, value: str) -> str:
        def known(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name not in self._env:
                raise refused(
                    f"the variable {key}, which names '{name}' of the base",
                    "write its value out",
                )
            return self._env[name]

        written = _VARIABLE.sub(known, value)
        if "$" in _VARIABLE.sub("", value):
            raise refused(f"the variable {key}, which docker would expand", "write its value out")
        return written

    def workdir(self, layer: Any) -> None:  # noqa: ANN401 (WorkDir)
        """Relative to the one before it, as in a Dockerfile."""
        folder = posixpath.normpath(posixpath.join(self._workdir, layer.workdir))
        changes = folder != self._workdir
        stage = self._stage(layer, after_commands=True) if changes else self.stages[-1]
        self._workdir = stage.image["workdir"] = folder

    def copy(self, layer: Any) -> None:  # noqa: ANN401 (CopyConfig)
        """Files into the image, after what ran before."""
        stage = self._stage(layer, after_commands=True)
        target = posixpath.join(self._workdir, layer.dst)
        if layer.src.is_dir():
            # docker copies what is in a folder, as we do where the target is no folder's parent.
            target = posixpath.normpath(target)
            self._copied.append(layer.src.absolute())
        else:
            into = layer.dst.endswith(("/", "/.")) or layer.dst == "."
            target = posixpath.normpath(target) + ("/" if into else "")
        rule = {"from": relative(layer.src.absolute(), self._folder), "to": target}
        stage.more.setdefault("copy", []).append(rule)

    def code_bundle(self, layer: Any) -> None:  # noqa: ANN401 (CodeBundleLayer)
        """The source, which lies above everything else of an image."""
        if layer.root_dir is None:
            raise refused("a code bundle without its folder", "run it with copy_style='none'")
        if posixpath.normpath(posixpath.join(self._workdir, layer.dst)) != self._workdir:
            raise refused(
                f"a code bundle to '{layer.dst}'", "source goes to the working folder: dst='.'"
            )
        stage = self._stage(layer, after_commands=False)
        stage.fields["source_root"] = str(layer.root_dir)
        stage.fields["source_copy_mode"] = "ALL" if layer.copy_style == "all" else "LOADED_MODULES"
        stage.bundled = layer
        stage.image.setdefault("workdir", self._workdir)

    def docker_lines(self, layer: Any) -> None:  # noqa: ANN401 (_DockerLines)
        """Labels, which are all that Flyte writes by it."""
        for line in layer.lines:
            match = _LABEL.fullmatch(line.strip())
            if match is None:
                raise refused("lines of a Dockerfile", "use the methods of Image")
            self.stages[-1].image.setdefault("labels", {})[match["key"]] = match["value"]

    def docker_ignore(self, layer: Any) -> None:  # noqa: ANN401 (DockerIgnore)
        """Source honours the ignore files in it; a copied folder is copied whole."""
        self._ignores.append(Path(layer.path))

    def _check_ignored(self) -> None:
        """Refuse a copied folder of which an ignore file leaves something out."""
        from imagelock.fetch.ignore import docker_ignored

        for ignore in self._ignores:
            for folder in self._copied:
                path = next(docker_ignored(ignore, folder), None)
                if path is not None:
                    raise refused(
                        f"the layer DockerIgnore, which leaves '{path}' of the copied folder out",
                        "copy what is wanted, or use with_code_bundle('all')",
                    )


_WRITERS: Final[dict[str, Callable[[Layers, Any], None]]] = {
    "CodeBundleLayer": Layers.code_bundle,
    "Commands": Layers.commands,
    "CopyConfig": Layers.copy,
    "DockerIgnore": Layers.docker_ignore,
    "Env": Layers.env,
    "WorkDir": Layers.workdir,
    "_DockerLines": Layers.docker_lines,
}
"""Flyte's layers by the names of their classes, but for packages."""
