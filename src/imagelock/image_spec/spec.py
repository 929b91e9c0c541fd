"""``ImageSpec``: flytekit's fields and methods over a spec and its lock."""

from __future__ import annotations

import dataclasses
import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from imagelock.image_spec import WHEN_LOADED
from imagelock.image_spec.checks import (
    CopyFileDetection,
    FieldError,
    checked,
    checked_registry,
    refuse_credentials,
)
from imagelock.image_spec.place import Place, calling_module, folder_above
from imagelock.image_spec.variants import Variants
from imagelock.model.errors import ImagelockError

if TYPE_CHECKING:
    from imagelock.app.build import BuildOrder
    from imagelock.app.context import Context
    from imagelock.model.lock import Lock
    from imagelock.model.spec import Base

IMAGE_ID: Final = "_F_IMG_ID"
"""The variable of an image that holds the id of its ImageSpec; flytekit's name for it."""

_URLS: Final = ("pip_index", "pip_extra_index_url", "pip_extra_args", "conda_channels")


@dataclass(frozen=True, eq=False)
class ImageSpec(Variants):
    """An image by its fields; immutable, and equal to another that says the same.

    The fields are flytekit's, each with its place in a spec (docs/imagespec.md). Paths are
    relative to the folder of the module that makes the ImageSpec. ``base_image`` is a reference,
    ``oci:DIR``, another ImageSpec, or a base as :mod:`imagelock.model.spec` has them.

    Beyond flytekit's: ``more`` is what a spec has and flytekit no field for, as TOML data, such as
    ``{"pip": {"exclude-newer": "2026-11-01"}}``; ``lock_file`` is the lock, by default beside the
    module as ``MODULE.NAME.lock``; ``force`` pushes over an image that is there.

    FieldError, which is a ValueError, for a value of a wrong type and for URLs with credentials.
    """

    name: str = "flytekit"
    python_version: str | None = None
    builder: str | None = None
    source_root: str | os.PathLike[str] | None = None
    env: Mapping[str, str] | None = None
    registry: str | None = None
    packages: Sequence[str] | None = None
    conda_packages: Sequence[str] | None = None
    conda_channels: Sequence[str] | None = None
    requirements: str | os.PathLike[str] | None = None
    apt_packages: Sequence[str] | None = None
    cuda: str | None = None
    cudnn: str | None = None
    base_image: str | ImageSpec | Base | None = None
    platform: str | None = None
    pip_index: str | None = None
    pip_extra_index_url: Sequence[str] | None = None
    pip_secret_mounts: Sequence[tuple[str, str]] | None = None
    pip_extra_args: str | None = None
    registry_config: str | os.PathLike[str] | None = None
    entrypoint: Sequence[str] | None = None
    commands: Sequence[str] | None = None
    tag_format: str | None = None
    source_copy_mode: CopyFileDetection | None = None
    copy: Sequence[str] | None = None
    python_exec: str | None = None
    runtime_packages: Sequence[str] | None = None
    builder_options: Mapping[str, Any] | None = None
    builder_config: Mapping[str, Any] | None = None
    install_project: bool | None = None
    more: Mapping[str, Any] | None = field(default=None, kw_only=True)
    lock_file: str | os.PathLike[str] | None = field(default=None, kw_only=True)
    force: bool = field(default=False, kw_only=True, repr=False)
    place: Place | None = field(default=None, kw_only=True, repr=False)

    _kinds: ClassVar[list[type[ImageSpec]]] = []
    _made: ClassVar[weakref.WeakValueDictionary[int, ImageSpec]] = weakref.WeakValueDictionary()

    def __new__(cls, *_arguments: object, **_fields: object) -> Self:
        """As ``Path()`` makes a PosixPath: a tool that knows ImageSpecs may have its own kind."""
        kind = cls._kinds[-1] if cls is ImageSpec and cls._kinds else cls
        return super().__new__(kind)  # type: ignore[arg-type, type-var, return-value, misc, unused-ignore]

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = checked(item.name, getattr(self, item.name))
            self._keep(item.name, value)
        self._keep("name", (self.name or "flytekit").lower())
        self._keep("registry", checked_registry(self.registry))
        for name in _URLS:
            refuse_credentials(name, getattr(self, name))
        if self.source_root is not None and self.source_copy_mode is None:
            self._keep("source_copy_mode", CopyFileDetection.LOADED_MODULES)
        if self.place is None:
            self._keep("place", calling_module())
        self._made[id(self)] = self
        self.adopted()

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def adopted(self) -> None:
        """What a kind of its own adds to a new ImageSpec, or to one that was there before it."""

    @classmethod
    def adopt(cls, kind: type[ImageSpec]) -> None:
        """Make every ImageSpec of this process one of ``kind``, a subclass without new fields."""
        if kind in cls._kinds:
            return
        cls._kinds.append(kind)
        # values() would fail where another thread makes one meanwhile
        for reference in cls._made.valuerefs():
            spec = reference()
            if type(spec) is ImageSpec:
                object.__setattr__(spec, "__class__", kind)
                spec.adopted()

    # What it says ------------------------------------------------------------------------

    def to_spec(self) -> str:
        """The canonical TOML of the same meaning. FieldError, or SpecError with every problem."""
        return self._text

    @cached_property
    def _text(self) -> str:
        from imagelock.image_spec.document import text_of

        return text_of(self)

    @staticmethod
    def from_spec(spec: str | Path, **fields: Any) -> ImageSpec:  # noqa: ANN401 (fields of any type)
        """The ImageSpec of a TOML text, or of a file; what has no field is in ``more``.

        ``fields`` replace those read. A file's folder is that of its paths, and its lock is
        beside it. SpecError for what is no spec.
        """
        from imagelock.image_spec.document import spec_of

        return spec_of(spec, calling_module(), fields)

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits over what the fields ask for, the same inside its container.

        Neither name, registry, tag format, builder, source, secrets, runtime packages nor the
        order of lists that have none are in it.
        """
        from imagelock.image_spec.document import identity_of

        return identity_of(self)

    @property
    def _key(self) -> tuple[object, ...]:
        try:
            said: object = self.to_spec()
        except ImagelockError:
            said = tuple(repr(getattr(self, item.name)) for item in dataclasses.fields(self))
        return (said, self.folder, self.lock_path, self.force)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, ImageSpec) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    # Where it is -------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """What the paths of :meth:`to_spec` are relative to: the module's, or one above it."""
        assert self.place is not None
        root = self.source_root
        outside = [Path(os.path.abspath(self.place.folder / root))] if root else []  # noqa: PTH100
        return folder_above(self.place.folder, outside)

    @property
    def lock_path(self) -> Path:
        """The file of its lock."""
        assert self.place is not None
        if self.lock_file is not None:
            return self.place.folder / self.lock_file
        return self.place.lock_file(self.name)

    # Its image ---------------------------------------------------------------------------

    def lock(self, *, upgrade: bool = False) -> Lock:
        """Its lock, brought up to date: resolved when it is absent, stale, or to be upgraded.

        In CI, and where IMAGELOCK_FROZEN is set, CheckFailed says why it would have to be.
        """
        from imagelock.image_spec.locking import current_lock

        return current_lock(self, upgrade=upgrade)

    def build_order(self, context: Context | None = None) -> BuildOrder:
        """What a build is made of: the current lock, the tag and the name."""
        from imagelock.image_spec.locking import order_for

        return order_for(self, context=context)

    @property
    def tag(self) -> str:
        """The image's tag: over the lock, and over the files that are copied."""
        return self.build_order().tag

    def image_name(self) -> str:
        """``registry/name:tag``; with a digest once it is built in this process."""
        from imagelock.image_spec.engine import ImageBuildEngine

        name = self.build_order().reference
        return ImageBuildEngine.real_names.get(name, name)

    def is_container(self) -> bool:
        """Whether this process runs in the image of this ImageSpec."""
        return os.environ.get(IMAGE_ID) == self.id

    def exist(self) -> bool | None:
        """Whether the image is in its registry, for all its platforms; None when nobody knows.

        Without a registry: whether it was built on this machine. No daemon is asked.
        """
        from imagelock.image_spec.building import image_is_there

        return image_is_there(self)

    # What is installed -------------------------------------------------------------------

    @classmethod
    def from_env(
        cls,
        *,
        pinned_packages: Sequence[str] | None = None,
        **fields: Any,  # noqa: ANN401 (fields of any type)
    ) -> ImageSpec:
        """With this environment's Python and its packages, each at the version installed.

        ``pinned_packages`` names some, which are pinned with all they require; without it
        everything installed is. Locking finds the hashes of these versions on the index.
        """
        from imagelock.image_spec.installed import installed_pins

        if fields.get("python_version") is not None:
            raise FieldError(
                "python_version can not be used with `from_env`: it is the environment's",
                where="ImageSpec: python_version",
            )
        from sys import version_info

        packages = [*(fields.pop("packages", None) or ()), *installed_pins(pinned_packages)]
        fields["python_version"] = f"{version_info.major}.{version_info.minor}"
        fields.setdefault("place", calling_module())
        return cls(packages=packages, **fields)


for _hook in WHEN_LOADED:
    _hook(ImageSpec)
