"""Builders of ImageSpecs, and the engine that chooses one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from threading import RLock
from typing import ClassVar, Final

from imagelock.image_spec.building import (
    existing_reference,
    force_asked,
    in_container,
    make_image,
)
from imagelock.image_spec.locking import LOG
from imagelock.image_spec.spec import ImageSpec
from imagelock.model.errors import BuildError, UsageError

ENTRY_POINTS: Final = "imagelock.builders"
DEFAULT_PRIORITY: Final = 5
_EMBEDDED: Final = ("oci", 2)
_INSTALLED_PRIORITY: Final = 1
"""Below what a program registers itself, and below the embedded builder."""


class ImageSpecBuilder(ABC):
    """Makes images of ImageSpecs."""

    @abstractmethod
    def build_image(self, image_spec: ImageSpec) -> str | None:
        """Make the image and push it; its full name, or None for ``image_spec.image_name()``."""
        raise NotImplementedError

    def existing_image(self, image_spec: ImageSpec) -> str | None:  # noqa: ARG002 (for others)
        """The full name of an image that is there; None for ``image_spec.image_name()``."""
        return None

    def should_build(self, image_spec: ImageSpec) -> bool:
        """Whether the image is to be made: forced, not there, or nobody knows.

        Nothing is assumed: what may not be there is built, and the push says what is wrong. Under
        FLYTE_IMG_FAST_FAIL a BuildError says it before.
        """
        from imagelock.app.context import flag

        if force_asked(image_spec):
            return True
        exists = image_spec.exist()
        if exists is None and flag("FLYTE_IMG_FAST_FAIL"):
            raise BuildError(
                "it cannot be said whether the image exists, and FLYTE_IMG_FAST_FAIL is set",
                where=image_spec.image_name(),
                hint="check the network, and `docker login` for this registry",
            )
        return exists is not True


class LockBuilder(ImageSpecBuilder):
    """Builds from the ImageSpec's lock with a builder of the group ``imagelock.builders``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build_image(self, image_spec: ImageSpec) -> str:
        """``registry/name@digest``."""
        return make_image(image_spec, builder=self.name).reference

    def existing_image(self, image_spec: ImageSpec) -> str:
        """``registry/name@digest``, of the registry's image or of the one built here."""
        return existing_reference(image_spec)


class ImageBuildEngine:
    """The builders there are, by name, and the images built in this process."""

    _registered: ClassVar[dict[str, tuple[ImageSpecBuilder, int]]] = {}
    real_names: ClassVar[dict[str, str]] = {}
    """What builders called the images, by ``image_name()``."""
    _building: ClassVar[dict[str, RLock]] = {}
    """Held while an image is made, by the same name; a builder may come back for its own."""

    @classmethod
    def register(
        cls,
        builder_type: str,
        image_spec_builder: ImageSpecBuilder,
        priority: int = DEFAULT_PRIORITY,
    ) -> None:
        """Add a builder, or replace the one of this name. The highest priority is the default."""
        cls._registered[builder_type] = (image_spec_builder, priority)

    @classmethod
    def get_registry(cls) -> dict[str, tuple[ImageSpecBuilder, int]]:
        """All builders by name, with their priorities: those installed and those registered."""
        return {**_installed(), **cls._registered}

    @classmethod
    def build(cls, image_spec: ImageSpec) -> str | None:
        """Make an image, its base first, once in a process; its full name.

        Any number of threads may call it: who asks for an image that is being made waits for it.
        None inside a container, where nothing is built. UsageError for an unknown builder.
        """
        if in_container():
            return None
        if isinstance(image_spec.base_image, ImageSpec):
            cls.build(image_spec.base_image)
        builder = cls.builder_of(image_spec)
        name = image_spec.build_order().reference
        with cls._building.setdefault(name, RLock()):
            if name in cls.real_names:
                return cls.real_names[name]
            if builder.should_build(image_spec):
                made = builder.build_image(image_spec)
            else:
                LOG.info("%s is there already", name)
                made = builder.existing_image(image_spec)
            cls.real_names[name] = made or name
            return cls.real_names[name]

    @classmethod
    def builder_of(cls, image_spec: ImageSpec) -> ImageSpecBuilder:
        """The builder that an ImageSpec names, else the one of the highest priority."""
        registry = cls.get_registry()
        name = image_spec.builder
        if name in (None, "imagelock"):
            name = max(registry, key=lambda one: (registry[one][1], one))
        if name not in registry:
            raise UsageError(
                f"Image builder {name} is not registered; there are: {', '.join(sorted(registry))}",
                where=f"ImageSpec '{image_spec.name}': builder",
                hint="install the package that provides it",
            )
        return registry[name][0]


@cache
def _installed() -> dict[str, tuple[ImageSpecBuilder, int]]:
    from importlib.metadata import entry_points

    names = {point.name for point in entry_points(group=ENTRY_POINTS)} | {_EMBEDDED[0]}
    ranked = {name: (LockBuilder(name), _INSTALLED_PRIORITY) for name in sorted(names)}
    ranked[_EMBEDDED[0]] = (ranked[_EMBEDDED[0]][0], _EMBEDDED[1])
    return dict(ranked)
