"""flytekit's builder ``imagelock``, and our ImageSpec as one of flytekit's.

flytekit loads ``plugin`` by the entry-point group ``flytekit.plugins`` whenever it is imported,
and lets every error through: so that is cheap, and never fails. Two ways lead here:

- flytekit's own ``ImageSpec(builder="imagelock")``;
- ``imagelock.ImageSpec``, which becomes a subclass of flytekit's as soon as both are loaded.

Existence and force are decided where the image is built: only a name that ``build_image`` returns
is recorded by flytekit, and ours has the digest.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from imagelock.app.build import BuildOrder
    from imagelock.app.context import Context
    from imagelock.image_spec.sources import Source
    from imagelock.image_spec.spec import ImageSpec

BUILDER: Final = "imagelock"
_PRIORITY: Final = 0
"""Below flytekit's own: whoever wants ours says so."""

_SOURCE: Final = ("source_root", "source_copy_mode")

_bases: Final[dict[str, tuple[ImageSpec, Any]]] = {}
"""ImageSpecs built in this process, ours and as declared, by the name that flytekit was given."""


class FlytekitBuilder:
    """Builds flytekit's ImageSpecs and ours from their locks. A builder of flytekit's engine."""

    builder_type = BUILDER

    def should_build(self, image_spec: Any) -> bool:  # noqa: ANN401, ARG002 (flytekit's)
        """Yes: :meth:`build_image` knows what is there already, and by which digest."""
        return True

    def build_image(self, image_spec: Any) -> str:  # noqa: ANN401 (flytekit's ImageSpec)
        """``registry/name@digest``; built, and pushed where there is a registry, if need be."""
        import click

        from imagelock.image_spec.building import make_image
        from imagelock.image_spec.engine import ImageBuildEngine

        is_ours = hasattr(image_spec, "to_spec")
        spec = image_spec if is_ours else locked_image_spec(image_spec)
        name = None if spec.builder in (None, BUILDER) else spec.builder
        made = make_image(spec, builder=name, skip_existing=True)
        done = "Built" if made.result else "Found"
        click.secho(f"{done} {made.reference} from {spec.lock_path}", fg="blue", err=True)
        ImageBuildEngine.real_names[made.name] = made.reference
        _bases[made.reference] = (spec, spec if is_ours else declared(image_spec))
        return made.reference


def locked_image_spec(theirs: Any) -> ImageSpec:  # noqa: ANN401 (flytekit's ImageSpec)
    """Flytekit's ImageSpec as ours. Its paths are relative to the working folder, as there.

    Its lock is ``NAME.lock`` in that folder, or where ``builder_options={"lock": …}`` says. The
    image holds flytekit's id, so that its ``is_container()`` is right.
    """
    from imagelock.image_spec.place import Place
    from imagelock.image_spec.spec import ImageSpec
    from imagelock.spec.image_spec import FIELDS

    fields: dict[str, Any] = {name: getattr(theirs, name, None) for name in FIELDS}
    options = dict(fields["builder_options"] or {})
    lock = options.pop("lock", None)
    base = fields["base_image"]
    fields |= {
        "builder": BUILDER,
        "builder_options": options or None,
        "base_image": _bases[base][0] if base in _bases else base,
        "source_root": None,
        "source_copy_mode": None,
    }
    spec = ImageSpec(
        **fields,
        place=Place(Path.cwd(), ""),
        lock_file=lock,
        force=bool(getattr(theirs, "_is_force_push", False)),
    )
    object.__setattr__(spec, "id", declared(theirs).id)
    for name in _SOURCE:
        setattr(spec, name, getattr(theirs, name, None))
    return spec


def declared(theirs: Any) -> Any:  # noqa: ANN401 (flytekit's ImageSpec)
    """The ImageSpec as its module declares it, so with the id it has where the task runs.

    Registration sets an absolute source root, and with it the mode of loaded modules, which no
    module in a container does; the engine puts the name of the base in its place.
    """
    import dataclasses

    changes: dict[str, Any] = {}
    root, mode = theirs.source_root, theirs.source_copy_mode
    if root is not None and Path(root).is_absolute():
        changes["source_root"] = None
        if mode is not None and mode.name == "LOADED_MODULES":
            changes["source_copy_mode"] = None
    if theirs.base_image in _bases:
        changes["base_image"] = _bases[theirs.base_image][1]
    return dataclasses.replace(theirs, **changes)


def flytekit_kind(ours: type[ImageSpec]) -> type[ImageSpec]:  # noqa: C901 (a class in it)
    """A subclass of our ImageSpec and of flytekit's, one in a process."""
    made: type[ImageSpec] | None = globals().get("FlytekitImageSpec")
    if made is not None:
        return made
    from flytekit.image_spec import image_spec as flytekit

    class FlytekitImageSpec(ours, flytekit.ImageSpec):  # type: ignore[misc, valid-type]
        """Immutable as ours; what flytekit writes into its ImageSpecs is kept beside the fields.

        Registration writes the source's root and mode, and the engine the name of the base into a
        copy. None of it changes the id, nor the lock.
        """

        def adopted(self) -> None:
            if self.builder is None:
                object.__setattr__(self, "builder", BUILDER)
            elif self.builder not in flytekit.ImageBuildEngine.get_registry():
                flytekit.ImageBuildEngine.register(self.builder, _builder(), priority=-1)

        def __setattr__(self, name: str, value: object) -> None:
            if name in _SOURCE:
                object.__setattr__(self, f"_registered_{name}", value)
            elif name == "base_image" and isinstance(value, str):
                return  # the lock names the base
            else:
                super().__setattr__(name, value)

        def registered_source(self) -> Source | None:
            """What registration copies; None where the ImageSpec says it, or nothing is copied."""
            from imagelock.image_spec.checks import CopyFileDetection, copy_mode
            from imagelock.image_spec.sources import Source

            root = getattr(self, "_registered_source_root", None)
            mode = getattr(self, "_registered_source_copy_mode", None) or self.source_copy_mode
            if self.source_root is not None or root is None or mode is None:
                return None
            chosen = copy_mode(mode)
            if chosen is CopyFileDetection.NO_COPY:
                return None
            return Source(Path(root).resolve(), chosen)

        def build_order(self, context: Context | None = None) -> BuildOrder:
            from imagelock.image_spec.locking import order_for

            source = self.registered_source()
            return order_for(self, for_flytekit=True, source=source, context=context)

        @property
        def _is_force_push(self) -> bool:
            from imagelock.image_spec.building import force_asked

            return force_asked(self)

        @property
        def _fast_fail(self) -> bool:
            from imagelock.app.context import flag

            return flag("FLYTE_IMG_FAST_FAIL")

    FlytekitImageSpec.__module__ = __name__
    FlytekitImageSpec.__qualname__ = "FlytekitImageSpec"
    globals()["FlytekitImageSpec"] = FlytekitImageSpec
    kind: type[ImageSpec] = FlytekitImageSpec
    return kind


def _builder() -> Any:  # noqa: ANN401 (a builder of flytekit's engine)
    from flytekit.image_spec.image_spec import ImageSpecBuilder

    class Builder(FlytekitBuilder, ImageSpecBuilder):  # type: ignore[misc]
        """As flytekit's engine has them."""

    return Builder()


def _adopt(ours: type[ImageSpec]) -> None:
    with contextlib.suppress(Exception):  # another flytekit: our ImageSpec stays ours alone
        ours.adopt(flytekit_kind(ours))


def register() -> None:
    """Add the builder to flytekit's engine, and our ImageSpec to flytekit's kinds.

    Does nothing where flytekit is absent, or has no such engine any more.
    """
    with contextlib.suppress(Exception):  # flytekit lets no plugin fail
        from flytekit.image_spec.image_spec import ImageBuildEngine

        ImageBuildEngine.register(BUILDER, _builder(), priority=_PRIORITY)
    loaded = sys.modules.get("imagelock.image_spec.spec")
    if loaded is not None and hasattr(loaded, "ImageSpec"):
        _adopt(loaded.ImageSpec)
        return
    from imagelock.image_spec import WHEN_LOADED

    if _adopt not in WHEN_LOADED:
        WHEN_LOADED.append(_adopt)


def __getattr__(name: str) -> object:
    """``plugin`` is what flytekit loads: also when this module was imported before flytekit."""
    if name != "plugin":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    register()
    return register
