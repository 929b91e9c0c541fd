"""flytekit's own tests of ImageSpec with our builder in place of their mock.

They are not copied here: IMAGELOCK_FLYTEKIT_CHECKOUT names a checkout of flyteorg/flytekit at the
installed version, and without it there is nothing to run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.command import kept_folder

CHECKOUT = os.environ.get("IMAGELOCK_FLYTEKIT_CHECKOUT")

FILES = (
    "core/image_spec",
    "core/test_python_auto_container.py",
    "core/test_python_function_task.py",
    "core/test_node_creation.py",
    "core/test_serialization.py",
    "core/test_container_task.py",
    "cli/pyflyte/test_build.py",
)

LEFT_OUT = {
    "test_local_execution": "runs a container of ghcr.io in the machine's Docker engine",
}
"""By name, with the reason. None asserts flytekit's own tag or text with the mock builder."""

NEEDED = "kubernetes<32"
"""What these tests import and flytekit's wheel does not bring; newer ones refuse their data."""

BUILDS = 8
"""How many images these tests ask the mock builder for."""


def needed_packages() -> Path:
    """A folder with what the tests import, kept between runs."""
    folder = kept_folder() / "flytekit-tests"
    if not (folder / "kubernetes").is_dir():
        subprocess.run(
            [
                *("uv", "pip", "install", "--quiet", "--target", str(folder)),
                *("--python", sys.executable, NEEDED),
            ],
            check=True,
        )
    return folder


if CHECKOUT:

    def test_they_pass_with_our_builder(tmp_path: Path) -> None:
        unit = Path(str(CHECKOUT)) / "tests" / "flytekit" / "unit"
        count = tmp_path / "count"
        paths = (Path(__file__).parents[1], needed_packages())
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "pytest", "-q", "--import-mode=importlib"),
                *("-p", "support.flytekit_swap", "-p", "no:cacheprovider"),
                *("-k", " and ".join(f"not {name}" for name in LEFT_OUT)),
                *(str(unit / name) for name in FILES),
            ],
            cwd=tmp_path,
            env={
                **{name: value for name, value in os.environ.items() if name != "CI"},
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
                "IMAGELOCK_SWAP_COUNT": str(count),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        assert int(count.read_text()) >= BUILDS, "the tests did not go through our builder"
