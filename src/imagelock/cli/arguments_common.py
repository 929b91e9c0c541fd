"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from typing import Final

EXIT_CODES: Final = """exit codes: 0 done, 1 a check said no, 2 the call or the spec is wrong, 3 no
solution, 4 network or registry, 5 integrity, 6 the build failed, 130 interrupted"""


def lock_arguments(command: argparse.ArgumentParser) -> None:
    """A spec or a lock, and where the lock is."""
    command.add_argument("path", metavar="SPEC|LOCK")
    command.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")


def platform_argument(command: argparse.ArgumentParser) -> None:
    """Which of the lock's platforms."""
    command.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="P",
        help="one of the lock's platforms; may be repeated; default: all of them",
    )
