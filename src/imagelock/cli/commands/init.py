"""``imagelock init``: a first spec."""

from __future__ import annotations

import argparse
from pathlib import Path

from imagelock.app.files import write_whole
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode, UsageError
from imagelock.spec.edit import new_spec


def run(options: argparse.Namespace, report: Report) -> int:
    """Write the spec; never over an existing one."""
    path = Path(options.spec)
    if path.suffix != ".toml":
        raise UsageError("expected a file name that ends in .toml", where=options.spec)
    if path.exists():
        raise UsageError(
            "there is a spec already",
            where=options.spec,
            hint="edit it, or use `imagelock add`, or name another file",
        )
    text = new_spec(options.name or path.stem, base=options.base, python=options.python)
    write_whole(path, text.encode())
    report.value({"spec": str(path)})
    report.line(f"wrote {path}")
    report.note(f"next: `imagelock add --spec {path} numpy`, then `imagelock lock {path}`")
    return ExitCode.DONE
