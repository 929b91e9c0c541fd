"""Artifact bytes to deterministic tar layers."""
