"""The embedded builder: an OCI image from a lock, without a daemon.

``OciBuilder`` is loaded on first use: the program in :mod:`imagelock.build.oci.inside` starts
several times a build, and would load the whole builder each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagelock.build.oci.builder import OciBuilder

__all__ = ["OciBuilder"]


def __getattr__(name: str) -> object:
    if name == "OciBuilder":
        from imagelock.build.oci.builder import OciBuilder

        return OciBuilder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
