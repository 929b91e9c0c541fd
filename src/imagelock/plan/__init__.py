"""Lock → plan: the ordered steps of an image, without I/O."""

from __future__ import annotations

from imagelock.plan.image import plan_image

__all__ = ["plan_image"]
