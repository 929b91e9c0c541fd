"""What a base contains: read from its layers or its package set, never by running it."""

from __future__ import annotations

from imagelock.resolve.base.contents import contents_of_layers, contents_of_pins

__all__ = ["contents_of_layers", "contents_of_pins"]
