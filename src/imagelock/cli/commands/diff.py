"""``imagelock diff``: what changed between two locks, and why each change came."""

from __future__ import annotations

import argparse
import json
import sys

from imagelock.app.diff import diff
from imagelock.cli.report import Report
from imagelock.lock.diff import render_html, render_json, render_markdown, render_text
from imagelock.model.errors import ExitCode


def run(options: argparse.Namespace, report: Report) -> int:
    """Print the difference in the format asked for."""
    difference = diff(options.old, options.new)
    machine = render_json(difference)
    report.value(machine)
    match options.format:
        case "json":
            text = json.dumps(machine, indent=2, ensure_ascii=False)
        case "markdown":
            text = render_markdown(difference)
        case "html":
            text = render_html(difference)
        case _:
            text = render_text(difference, color=report.colored(sys.stdout))
    report.line(text.rstrip("\n"))
    return ExitCode.CHECK_FAILED if options.exit_code and difference else ExitCode.DONE
