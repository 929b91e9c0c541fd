"""git as a test calls it: without the settings of this machine, our program on its PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; whatever it exits with."""
    surroundings = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example",
    }
    return subprocess.run(
        ["git", *words], cwd=folder, env=surroundings, capture_output=True, text=True, check=False
    )
