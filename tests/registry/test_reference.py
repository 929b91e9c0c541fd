"""References as docker reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.model.errors import UsageError
from imagelock.registry.reference import Reference, parse_reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "full", "api_host"),
    [
        ("python", "docker.io/library/python:latest", "registry-1.docker.io"),
        ("python:3.12", "docker.io/library/python:3.12", "registry-1.docker.io"),
        ("team/app", "docker.io/team/app:latest", "registry-1.docker.io"),
        ("docker.io/python:3", "docker.io/library/python:3", "registry-1.docker.io"),
        ("index.docker.io/a/b:3", "docker.io/a/b:3", "registry-1.docker.io"),
        ("ghcr.io/a/b/c:1", "ghcr.io/a/b/c:1", "ghcr.io"),
        ("localhost/app", "localhost/app:latest", "localhost"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000"),
        (f"python@{DIGEST}", f"docker.io/library/python@{DIGEST}", "registry-1.docker.io"),
        (f"r.io/a:1@{DIGEST}", f"r.io/a:1@{DIGEST}", "r.io"),
        ("r.io/a__b/c-d.e:V1.0-x_y", "r.io/a__b/c-d.e:V1.0-x_y", "r.io"),
    ],
)
def test_references(text: str, full: str, api_host: str) -> None:
    parsed = parse_reference(text)
    assert (str(parsed), parsed.api_host) == (full, api_host)
    assert parse_reference(full) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lower-case repository parts"),
        ("Python:3", "got 'Python'"),
        ("r.io/a//b", "lower-case repository parts"),
        ("r.io/a:", "expected a tag"),
        ("r.io/a:" + "x" * 129, "expected a tag"),
        ("r.io/a@sha256:12", "expected 64 hex digits"),
        ("r.io/a@md5:12", "a digest like 'sha256:"),
        ("r.io/" + "a" * 256, "at most 255 characters"),
        ("user:secret@r.io/a", "a digest like"),
        ("-r.io/a", "registry's host"),
        ("https://r.io/a", "lower-case|registry's host"),
    ],
)
def test_what_is_no_reference(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_reference(text)


@given(text=st.text("aA0.:/@-_[]é\n", max_size=30))
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    try:
        parsed = parse_reference(text)
    except UsageError:
        return
    assert isinstance(parsed, Reference)
    assert parse_reference(str(parsed)) == parsed
