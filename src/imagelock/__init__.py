"""imagelock: one spec, one lock, the same container image to the byte on any machine."""

__version__ = "0.1.0"
