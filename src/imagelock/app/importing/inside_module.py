"""Runs in a process of its own: imports a module and writes down its ImageSpecs as JSON.

Called as a script with one argument, JSON of ``module``, ``answer`` (files) and ``fields``. It
imports nothing of imagelock, since the interpreter may be any. The answer is ``{"failed": text}``
or ``{"specs": [{"label", "fields"} or {"label", "text", "folder"}]}``.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

_STOOD_IN = ("flytekit", "flytekitplugins")


class Anything:
    """Stands for what a module takes from flytekit but ImageSpec: called, decorating, a base."""

    def __init__(self, **held: object) -> None:
        self.__dict__.update(held)

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401, D102
        image = named.get("container_image", self.__dict__.get("container_image"))
        if len(arguments) == 1 and callable(arguments[0]) and not named:
            return Anything(container_image=image) if image is not None else arguments[0]
        return Anything(container_image=image)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (it is anything)
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __getitem__(self, _key: object) -> Anything:
        return self

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[type, ...]:
        return ()


def stand_in_image_spec(names: Sequence[str]) -> type:
    """A class that keeps the fields it is made with, and has flytekit's ``with_*``."""

    class ImageSpec:
        def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (of any type)
            self.fields = {**dict(zip(names, arguments, strict=False)), **named}

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (of any type)
            if name.startswith("__"):
                raise AttributeError(name)
            field = {"with_copy": "copy"}.get(name, name.removeprefix("with_"))
            if name.startswith("with_"):
                return lambda value: self.with_field(field, value)
            return self.fields.get(name)

        def with_field(self, name: str, value: Any) -> ImageSpec:  # noqa: ANN401 (of any type)
            before = self.fields.get(name)
            if isinstance(value, dict):
                return ImageSpec(**{**self.fields, name: {**(before or {}), **value}})
            added = [value] if isinstance(value, str) else list(value)
            return ImageSpec(**{**self.fields, name: [*(before or []), *added]})

        def force_push(self) -> ImageSpec:
            return self

        def is_container(self) -> bool:
            return False

        @classmethod
        def from_env(cls, *, pinned_packages: Sequence[str] = (), **named: Any) -> ImageSpec:  # noqa: ANN401
            from importlib.metadata import version

            pinned = [f"{name}=={version(name)}" for name in pinned_packages]
            python = f"{sys.version_info.major}.{sys.version_info.minor}"
            packages = [*(named.pop("packages", None) or []), *pinned]
            return cls(packages=packages, python_version=python, **named)

    return ImageSpec


class CopyFileDetection(Enum):
    """flytekit's."""

    LOADED_MODULES = 1
    ALL = 2
    NO_COPY = 3


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives modules of flytekit where there is none."""

    def __init__(self, image_spec: type) -> None:
        self.image_spec = image_spec

    def find_spec(
        self, fullname: str, _path: object, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A module for what begins with flytekit."""
        if fullname.split(".", maxsplit=1)[0] not in _STOOD_IN:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """A module whose names are all there."""

        class Module(types.ModuleType):
            def __getattr__(_self, name: str) -> Any:  # noqa: ANN401, N805 (it is anything)
                if name.startswith("__"):
                    raise AttributeError(name)
                known = {"ImageSpec": self.image_spec, "CopyFileDetection": CopyFileDetection}
                return known.get(name) or Anything()

        return Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing runs."""


def load(path: Path) -> types.ModuleType:
    """Import a file under the name that its packages give it."""
    parts, folder = [] if path.stem == "__init__" else [path.stem], path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    sys.path[0] = str(folder)
    name = ".".join(parts)
    if name.isidentifier() or all(part.isidentifier() for part in parts):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location("imported", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["imported"] = module
    spec.loader.exec_module(module)
    return module


def image_specs(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """The module's ImageSpecs with their labels: variables first, then images of its tasks."""
    held = list(vars(module).items())
    yield from ((name, value) for name, value in held if is_image_spec(value))
    for name, value in held:
        image = getattr(value, "__dict__", {}).get("container_image")
        image = image or getattr(value, "__dict__", {}).get("_container_image")
        if is_image_spec(image):
            yield name, image


def is_image_spec(value: object) -> bool:
    """Whether it is flytekit's, ours, or the stand-in's."""
    return any(kind.__name__ == "ImageSpec" for kind in type(value).__mro__)


def is_ours(value: object) -> bool:
    """Whether it is imagelock's, which writes itself."""
    return any(
        kind.__name__ == "ImageSpec" and kind.__module__.split(".")[0] == "imagelock"
        for kind in type(value).__mro__
    )


def collected(module: types.ModuleType, names: Sequence[str]) -> list[dict[str, Any]]:
    """All specs as JSON; a base that is a spec is one of them, by number."""
    found: list[tuple[str, Any]] = []

    def number(label: str, spec: Any) -> int:  # noqa: ANN401 (an ImageSpec of any kind)
        for place, (_label, known) in enumerate(found):
            if known is spec:
                return place
        found.append((label, spec))
        base = getattr(spec, "base_image", None)
        if is_image_spec(base) and not is_ours(spec):
            number(f"{label}-base", base)
        return [known is spec for _label, known in found].index(True)

    for label, spec in image_specs(module):
        number(label, spec)
    return [described(label, spec, names, number) for label, spec in list(found)]


def described(
    label: str,
    spec: Any,  # noqa: ANN401 (an ImageSpec of any kind)
    names: Sequence[str],
    number: Callable[[str, Any], int],
) -> dict[str, Any]:
    """One spec as JSON."""
    if is_ours(spec):
        return {"label": label, "text": spec.to_spec(), "folder": str(spec.folder)}
    fields = {}
    for name in names:
        value = getattr(spec, name, None)
        if isinstance(value, Enum):
            value = value.name
        if is_image_spec(value):
            value = {"number": number(label, value)}
        if value is not None:
            fields[name] = value
    return {"label": label, "fields": fields}


def main(job: dict[str, Any]) -> None:
    """Write the answer; whatever the module does is in it."""
    if importlib.util.find_spec("flytekit") is None:
        sys.meta_path.insert(0, StandIn(stand_in_image_spec(job["fields"])))
    answer: dict[str, Any]
    try:
        answer = {"specs": collected(load(Path(job["module"])), job["fields"])}
        text = json.dumps(answer, default=str)
    except BaseException as error:  # noqa: BLE001 (a module may raise anything, SystemExit too)
        text = json.dumps({"failed": f"{type(error).__name__}: {error}"})
    Path(job["answer"]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
