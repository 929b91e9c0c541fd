"""flytekit's ``ImageSpec`` and its engine, over specs and locks.

``from imagelock import ImageSpec`` imports this; the names here come when they are first used, so
that a module which only declares images costs little, inside containers too.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from imagelock.image_spec.checks import CopyFileDetection as CopyFileDetection
    from imagelock.image_spec.checks import FieldError as FieldError
    from imagelock.image_spec.checks import (
        validate_container_registry_name as validate_container_registry_name,
    )
    from imagelock.image_spec.engine import ImageBuildEngine as ImageBuildEngine
    from imagelock.image_spec.engine import ImageSpecBuilder as ImageSpecBuilder
    from imagelock.image_spec.spec import ImageSpec as ImageSpec

NAMES: Final = {
    "CopyFileDetection": "checks",
    "FieldError": "checks",
    "ImageBuildEngine": "engine",
    "ImageSpec": "spec",
    "ImageSpecBuilder": "engine",
    "validate_container_registry_name": "checks",
}

WHEN_LOADED: Final[list[Callable[[Any], None]]] = []
"""Called with the class ImageSpec once it is there: plugins need not import it before."""


def __getattr__(name: str) -> object:
    if name not in NAMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{NAMES[name]}"), name)
    globals()[name] = value
    return value
