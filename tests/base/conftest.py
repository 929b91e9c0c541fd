"""A real Debian root, bootstrapped once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.minbase import minbase_tar


@pytest.fixture(scope="session")
def minbase() -> Path:
    """bookworm's minbase with python3-minimal and ca-certificates, as a tar."""
    return minbase_tar()
