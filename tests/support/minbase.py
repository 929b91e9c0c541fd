"""A real Debian minbase as a tar, made by mmdebstrap and kept between runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.layouts import LayoutWriter
from support.registry import needs

_INCLUDED = "python3-minimal,ca-certificates"


def test_cache() -> Path:
    """The folder for what tests download: IMAGELOCK_TEST_CACHE, or one in the home's cache."""
    named = os.environ.get("IMAGELOCK_TEST_CACHE")
    folder = Path(named) if named else Path.home() / ".cache" / "imagelock-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def minbase_tar(name: str = "python", included: str = _INCLUDED) -> Path:
    """bookworm's minbase with some packages. Needs root and the archive the first time."""
    made = test_cache() / f"minbase-bookworm-{name}.tar"
    if made.exists():
        return made
    needs("mmdebstrap")
    if os.geteuid() != 0 and os.environ.get("CI") != "true":
        pytest.skip("mmdebstrap is run as root here")
    part = made.with_name(f"{os.getpid()}.{made.name}")
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={included}"]
    subprocess.run([*command, "bookworm", str(part)], check=True, capture_output=True)
    part.rename(made)
    return made


def minbase_layout(name: str = "python", included: str = _INCLUDED) -> Path:
    """The same as an OCI layout for linux/amd64, kept beside the tar."""
    tar = minbase_tar(name, included)
    layout = tar.with_suffix(".oci")
    if (layout / "index.json").exists():
        return layout
    part = tar.with_name(f"{os.getpid()}.{layout.name}")
    writer = LayoutWriter(part)
    writer.finish([writer.image([tar.read_bytes()], environment={"PATH": "/usr/bin:/bin"})])
    try:
        part.rename(layout)
    except OSError:  # another process was first, and wrote the same
        shutil.rmtree(part)
    return layout
