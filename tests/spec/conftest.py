"""Fixtures of the spec's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagelock.spec import supported


@pytest.fixture(scope="module")
def everything_supported() -> Iterator[None]:
    """Refuse nothing as "not supported yet", so that every field can be tested already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supported, "NOT_YET", ())
        patch.setattr(supported, "ONLY", {})
        yield
