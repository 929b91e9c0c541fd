"""The embedded builder: an OCI image from a lock, without a daemon."""

from __future__ import annotations

from imagelock.build.oci.builder import OciBuilder

__all__ = ["OciBuilder"]
