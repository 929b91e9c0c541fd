"""Builders on engines that people have: Docker, BuildKit, podman."""
