"""``imagelock import``: a file of another tool as a spec."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from imagelock.app.importing import ImportRequest, import_file
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode


def run(options: argparse.Namespace, report: Report) -> int:
    """Write the spec or specs, and say what they do not."""
    path = Path(options.file)
    output = Path(options.output) if options.output else None
    request = ImportRequest(
        path=path,
        folder=output.parent if output else path.parent,
        python=options.python or sys.executable,
        seconds=options.timeout,
    )
    written = import_file(request, output=output, label=options.spec, force=options.force)
    report.value(
        {
            "specs": [
                {"spec": str(one.path), "label": one.label, "left_behind": list(one.left_behind)}
                for one in written
            ]
        }
    )
    for one in written:
        report.line(f"wrote {one.path}")
        for left in one.left_behind:
            report.note(f"  not carried over: {left}")
    report.note(f"next: `imagelock lock {written[0].path}`")
    return ExitCode.DONE
