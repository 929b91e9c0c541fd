"""Other ImageSpecs made of one: flytekit's ``with_*``, and those of the fields it has none for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

from imagelock.image_spec.checks import CopyFileDetection, FieldError


class Variants:
    """What an ImageSpec inherits; each method returns a new one and leaves the old as it is."""

    def _replaced(self, **changes: object) -> Self:
        changed: Self = dataclasses.replace(self, **changes)  # type: ignore[type-var]
        return changed

    def _with(self, name: str, added: str | Sequence[str] | Mapping[str, Any]) -> Self:
        before = getattr(self, name)
        value: object
        if isinstance(added, Mapping):
            value = {**(before or {}), **added}
        elif isinstance(added, str):
            value = (*(before or ()), added)
        elif isinstance(added, list | tuple):
            value = (*(before or ()), *added)
        else:
            raise FieldError(f"{name} must be a list of strings", where=f"ImageSpec: {name}")
        return self._replaced(**{name: value})

    def with_packages(self, packages: str | Sequence[str]) -> Self:
        """With these Python packages too."""
        return self._with("packages", packages)

    def with_apt_packages(self, apt_packages: str | Sequence[str]) -> Self:
        """With these Debian packages too."""
        return self._with("apt_packages", apt_packages)

    def with_conda_packages(self, conda_packages: str | Sequence[str]) -> Self:
        """With these conda packages too."""
        return self._with("conda_packages", conda_packages)

    def with_conda_channels(self, conda_channels: str | Sequence[str]) -> Self:
        """With these channels after those there are."""
        return self._with("conda_channels", conda_channels)

    def with_commands(self, commands: str | Sequence[str]) -> Self:
        """With these commands run after those there are."""
        return self._with("commands", commands)

    def with_copy(self, src: str | Sequence[str]) -> Self:
        """With these files or folders copied too."""
        return self._with("copy", src)

    def with_env(self, env: Mapping[str, str]) -> Self:
        """With these variables; they replace those of the same name."""
        return self._with("env", env)

    def with_source(
        self,
        source_root: str | os.PathLike[str],
        source_copy_mode: CopyFileDetection = CopyFileDetection.LOADED_MODULES,
    ) -> Self:
        """With the source below this folder."""
        return self._replaced(source_root=source_root, source_copy_mode=source_copy_mode)

    def with_runtime_packages(self, runtime_packages: Sequence[str]) -> Self:
        """With packages that pip installs when a task starts; no lock holds them."""
        return self._with("runtime_packages", runtime_packages)

    def with_builder_options(self, builder_options: Mapping[str, Any]) -> Self:
        """With these options of the builder."""
        return self._with("builder_options", builder_options)

    def with_name(self, name: str) -> Self:
        """Under another name, and so with a lock of its own."""
        return self._replaced(name=name)

    def force_push(self) -> Self:
        """Pushed over an image that is there; whatever is changed later, it stays so."""
        return self._replaced(force=True)
