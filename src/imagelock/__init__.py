"""imagelock: one spec, one lock, the same container image to the byte on any machine."""

TYPE_CHECKING = False  # as `typing` has it, without importing it
if TYPE_CHECKING:
    from imagelock.image_spec import CopyFileDetection as CopyFileDetection
    from imagelock.image_spec import ImageBuildEngine as ImageBuildEngine
    from imagelock.image_spec import ImageSpec as ImageSpec
    from imagelock.image_spec import ImageSpecBuilder as ImageSpecBuilder
    from imagelock.image_spec import (
        validate_container_registry_name as validate_container_registry_name,
    )

__version__ = "0.1.0"

_NAMES = (
    "CopyFileDetection",
    "ImageBuildEngine",
    "ImageSpec",
    "ImageSpecBuilder",
    "validate_container_registry_name",
)


def __getattr__(name: str) -> object:
    """The Python surface, imported when it is used: ``import imagelock`` costs nothing."""
    if name not in _NAMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from imagelock import image_spec

    value = getattr(image_spec, name)
    globals()[name] = value
    return value
