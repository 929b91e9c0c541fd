"""``imagelock add`` and ``imagelock remove``: edits of a spec that keep its style."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from imagelock.app.files import load_spec, read_file, write_whole
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode, ImagelockError
from imagelock.spec.edit import add_packages, remove_packages


def add(options: argparse.Namespace, report: Report) -> int:
    """Add packages, or replace those of the same name."""
    return _edit(options, report, add_packages, "added to")


def remove(options: argparse.Namespace, report: Report) -> int:
    """Remove packages by name."""
    return _edit(options, report, remove_packages, "removed from")


def _edit(options: argparse.Namespace, report: Report, edit: Callable[..., str], did: str) -> int:
    path = Path(options.spec)
    data = read_file(path, "spec", hint="run `imagelock init`, or name it with --spec")
    try:
        before = data.decode()
    except UnicodeDecodeError:
        load_spec(path)  # says where
        raise
    text = edit(before, options.kind, options.packages)
    write_whole(path, text.encode())
    try:
        load_spec(path)
    except ImagelockError:
        write_whole(path, data)
        raise
    report.value({"spec": str(path), "kind": options.kind, "packages": options.packages})
    report.line(f"{did} [{options.kind}] of {path}: {', '.join(options.packages)}")
    report.note(f"next: `imagelock lock {path}`")
    return ExitCode.DONE
