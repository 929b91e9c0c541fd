"""TOML bytes to Spec: every problem reported at once, each with its place."""
