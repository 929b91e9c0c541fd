"""``imagelock tag``: the name of the image that a lock makes."""

from __future__ import annotations

import argparse

from imagelock.app.files import load_lock, locate
from imagelock.app.tag import image_tag
from imagelock.cli.report import Report
from imagelock.lock import canonical_bytes
from imagelock.model.errors import ExitCode


def run(options: argparse.Namespace, report: Report) -> int:
    """Print the tag, or with --canonical the exact bytes that its digits are the sha256 of."""
    located = locate(options.path, lock=options.lock)
    lock = load_lock(located.lock)
    if options.canonical:
        report.raw(canonical_bytes(lock))
        return ExitCode.DONE
    tag = image_tag(lock, located.lock.parent)
    report.value({"tag": tag})
    report.line(tag)
    return ExitCode.DONE
