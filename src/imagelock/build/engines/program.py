"""Engines behind a command line: run it, hear every line as it comes."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from imagelock.model.errors import BuildError

_FIRST: Final = ("error", "docker:", "unknown")
"""How the line begins that says why a command failed."""


def asked(*command: str, hint: str) -> str:
    """What a short question prints. BuildError with its own words when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(
            f"cannot be started: {error.strerror}", where=command[0], hint=hint
        ) from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or str(done.returncode)).splitlines()
        line = next((text for text in said if text.lower().startswith(_FIRST)), said[-1])
        raise BuildError(
            f"`{' '.join(command[:3])}` says: {line.strip()}",
            where=command[0],
            hint=hint,
        )
    return done.stdout


def asked_json(*command: str, hint: str) -> dict[str, Any]:
    """The same where the answer is a JSON object."""
    try:
        value = json.loads(asked(*command, hint=hint))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BuildError(f"`{' '.join(command[:3])}` gave no JSON", where=command[0], hint=hint)
    return value


def heard(command: Sequence[str], line: Callable[[str], None], *, folder: Path) -> int:
    """Run a command and hand over each line of what it says; its exit status.

    However the caller leaves, the command has ended.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            assert process.stdout is not None
            for text in process.stdout:
                line(text)
        except BaseException:
            with contextlib.suppress(OSError):
                process.terminate()
            raise
    return process.returncode
