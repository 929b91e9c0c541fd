"""``imagelock show``: what a lock holds, for a person or a machine."""

from __future__ import annotations

import argparse

from imagelock.app.files import load_lock, locate
from imagelock.app.tag import image_tag
from imagelock.cli.report import Report
from imagelock.lock.show import show_json, show_text
from imagelock.model.errors import ExitCode


def run(options: argparse.Namespace, report: Report) -> int:
    """Print the lock's platforms, base and packages with why each is there."""
    located = locate(options.path, lock=options.lock)
    lock = load_lock(located.lock)
    tag = image_tag(lock, located.lock.parent)
    report.value(show_json(lock, tag=tag))
    report.line(show_text(lock, tag=tag).rstrip("\n"))
    return ExitCode.DONE
