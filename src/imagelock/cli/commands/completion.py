"""``imagelock completion``: a script for the shell, generated from the parser."""

from __future__ import annotations

import argparse

from imagelock.cli.parser import build_parser
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode


def run(options: argparse.Namespace, report: Report) -> int:
    """Print the script."""
    import shtab

    script = shtab.complete(build_parser(), shell=options.shell)
    report.raw(f"{script}\n".encode())
    return ExitCode.DONE
