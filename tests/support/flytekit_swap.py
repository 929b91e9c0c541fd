"""A pytest plugin for flytekit's own tests: its mock builder becomes ours, and calls are counted.

``python -m pytest -p support.flytekit_swap CHECKOUT/tests/…``. What would lock, build and push is
replaced; all else of our builder runs. At the end the number of images asked for is written to the
file that IMAGELOCK_SWAP_COUNT names.
"""

from __future__ import annotations

import hashlib
import os
import sys
import unittest.mock
from pathlib import Path
from typing import Any

import pytest

from imagelock.image_spec import building
from imagelock.image_spec.building import Made
from imagelock.image_spec.spec import ImageSpec
from imagelock.integrations import flytekit as plugin

sys.modules.setdefault("mock", unittest.mock)  # what flytekit's tests call it

_made: list[ImageSpec] = []


def _make_image(spec: ImageSpec, **_how: object) -> Made:
    _made.append(spec)
    digest = hashlib.sha256(spec.id.encode()).hexdigest()
    registry = f"{spec.registry}/" if spec.registry else ""
    name = f"{registry}{spec.name}"
    return Made(name=f"{name}:tag", reference=f"{name}@sha256:{digest}", result=None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Put our builder where the fixture of flytekit's conftest takes its mock from."""
    building.make_image = _make_image
    found = [
        module
        for module in session.config.pluginmanager.get_plugins()
        if hasattr(module, "MockImageSpecBuilder")
    ]
    assert found, "flytekit's conftest has its mock builder under another name now"
    for module in found:
        conftest: Any = module
        conftest.MockImageSpecBuilder = plugin._builder


def pytest_sessionfinish() -> None:
    Path(os.environ["IMAGELOCK_SWAP_COUNT"]).write_text(str(len(_made)))
