"""TOML bytes to Spec: every problem reported at once, each with its place."""

from imagelock.spec.parser import parse_spec

__all__ = ["parse_spec"]
