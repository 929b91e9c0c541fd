# ruff: noqa: E501 (messages stand here as people see them)
"""Every kind of wrong base, with its exact place."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from support.specs import problems_of


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (
            "{}",
            snapshot("""\
train.toml:1:8: base: expected one of 'image', 'distribution', 'layout', 'spec', got none
  hint: add distribution = "debian:bookworm"\
"""),
        ),
        ("'debian'", snapshot("train.toml:1:8: base: expected a table, got a string")),
        (
            "{distributon = 'debian:bookworm'}",
            snapshot("""\
train.toml:1:8: base: expected one of 'image', 'distribution', 'layout', 'spec', got none
  hint: did you mean 'distribution'?\
"""),
        ),
        (
            "{image = 'a', layout = 'oci:b'}",
            snapshot(
                "train.toml:1:22: base.layout: expected one of 'image', 'distribution', 'layout', 'spec', got another beside 'image'"
            ),
        ),
        (
            "{image = 'Python:3'}",
            snapshot("""\
train.toml:1:17: base.image: expected an image reference like 'python:3.12-slim-bookworm', got 'Python:3'
  hint: repository names are lower-case\
"""),
        ),
        (
            "{image = 'https://h/a'}",
            snapshot("""\
train.toml:1:17: base.image: expected an image reference like 'python:3.12-slim-bookworm', got 'https://h/a'
  hint: write it like 'registry.example/team/image:tag', without 'https://'\
"""),
        ),
        (
            "{image = 'a@sha256:00'}",
            snapshot("train.toml:1:17: base.image: expected 64 hex digits, got 2 characters"),
        ),
        (
            "{image = 'a@md5:0123'}",
            snapshot(
                "train.toml:1:17: base.image: expected a digest like 'sha256:…', got 'md5:0123'"
            ),
        ),
        (
            "{distribution = 'debian:bookwrm'}",
            snapshot("""\
train.toml:1:24: base.distribution: expected a distribution by its code name, got 'debian:bookwrm'
  hint: did you mean 'debian:bookworm'?\
"""),
        ),
        (
            "{distribution = 'debian:stable'}",
            snapshot("""\
train.toml:1:24: base.distribution: expected a distribution by its code name, got 'debian:stable'
  hint: known are debian:bookworm, debian:bullseye, debian:forky, debian:sid, debian:trixie, ubuntu:focal, ubuntu:jammy, ubuntu:noble, ubuntu:questing, ubuntu:resolute\
"""),
        ),
        (
            "{distribution = 'alpine'}",
            snapshot("""\
train.toml:1:24: base.distribution: expected a distribution like 'debian:bookworm', got 'alpine'
  hint: write it like 'debian:bookworm' or 'ubuntu:noble'\
"""),
        ),
        (
            "{distribution = 'debian:sid', variant = 'big'}",
            snapshot(
                "train.toml:1:48: base.variant: expected one of 'minbase', 'essential', got 'big'"
            ),
        ),
        (
            "{layout = 'dir'}",
            snapshot(
                "train.toml:1:18: base.layout: expected an OCI layout as 'oci:DIR', got 'dir'"
            ),
        ),
        (
            "{layout = 'oci:/dir'}",
            snapshot("""\
train.toml:1:18: base.layout: expected a path relative to the spec's folder, got '/dir'
  hint: a lock holds for any machine, so it names no absolute path\
"""),
        ),
        (
            f"{{image = '{'a' * 256}:1'}}",
            snapshot(
                "train.toml:1:17: base.image: expected a name of at most 255 characters, got 256"
            ),
        ),
    ],
)
def test_a_wrong_base(base: str, expected: str) -> None:
    assert problems_of(f"base = {base}\n") == expected
