"""Plan → the text of a Dockerfile and its context, without I/O."""

from __future__ import annotations

from imagelock.render.image import PlatformImage, platform_folder, render_image
from imagelock.render.model import Dialect, Prepared, Rendered, Runtime, Scrubbing

__all__ = [
    "Dialect",
    "PlatformImage",
    "Prepared",
    "Rendered",
    "Runtime",
    "Scrubbing",
    "platform_folder",
    "render_image",
]
