"""No test file is left out: pytest passes over folders by their names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ELSEWHERE = {"tests/integrations/test_flytekit_own.py"}
"""What runs only where an environment variable names a checkout of another project."""


def test_every_test_file_is_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    collected = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    files = {
        str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "tests").rglob("test_*.py")
    }
    assert len(files) > 50
    if not os.environ.get("IMAGELOCK_FLYTEKIT_CHECKOUT"):
        files -= ELSEWHERE
    assert files == collected
