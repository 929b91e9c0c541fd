"""``imagelock add`` and ``imagelock remove``: edits of a spec that keep its style."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from imagelock.app.files import read_file, spec_of, write_whole
from imagelock.app.writers import only_writer
from imagelock.cli.commands.common import make_context
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode
from imagelock.spec.edit import add_packages, remove_packages


def add(options: argparse.Namespace, report: Report) -> int:
    """Add packages, or replace those of the same name."""
    return _edit(options, report, add_packages, "added to")


def remove(options: argparse.Namespace, report: Report) -> int:
    """Remove packages by name."""
    return _edit(options, report, remove_packages, "removed from")


def _edit(options: argparse.Namespace, report: Report, edit: Callable[..., str], did: str) -> int:
    path = Path(options.spec)
    with only_writer(path, make_context(report, offline=True)):
        data = read_file(path, "spec", hint="run `imagelock init`, or name it with --spec")
        try:
            before = data.decode()
        except UnicodeDecodeError:
            spec_of(data, path)  # says where
            raise
        text = edit(before, options.kind, options.packages).encode()
        spec_of(text, path)
        write_whole(path, text)
    report.value({"spec": str(path), "kind": options.kind, "packages": options.packages})
    report.line(f"{did} [{options.kind}] of {path}: {', '.join(options.packages)}")
    report.note(f"next: `imagelock lock {path}`")
    return ExitCode.DONE
