"""TOML bytes to Spec: every problem reported at once, each with its place."""

from imagelock.spec.parser import parse_spec, spec_of_document

__all__ = ["parse_spec", "spec_of_document"]
