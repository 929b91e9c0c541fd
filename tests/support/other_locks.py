"""The locks under tests/spec/data, which other tools wrote: a folder a tool."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parents[1] / "spec/data"
LOCKS: Final = {
    "uv": "uv.lock",
    "pylock": "pylock.toml",
    "poetry-1": "poetry.lock",
    "poetry-2": "poetry.lock",
    "pdm": "pdm.lock",
    "pipenv": "Pipfile.lock",
}
PLACES: Final = {"poetry-places": "poetry.lock", "pylock-places": "pylock.toml"}
"""Those with packages that no index gives."""
