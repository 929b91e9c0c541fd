"""``imagelock render``: a Dockerfile and its context."""

from __future__ import annotations

import argparse
from pathlib import Path

from imagelock.app.build import order_of
from imagelock.app.files import locate
from imagelock.app.render import render
from imagelock.cli.commands.common import make_context, parse_platforms
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode, UsageError


def run(options: argparse.Namespace, report: Report) -> int:
    """Write the folder, and say how it is built."""
    if options.lock is not None and len(options.paths) > 1:
        raise UsageError("--lock goes with one spec", where="--lock")
    orders = [order_of(locate(path, lock=options.lock)) for path in options.paths]
    asked = parse_platforms(options.platform)
    context = make_context(report, offline=options.offline)
    target = Path(options.folder)
    rendered = render(orders, asked, target, dialect=options.dialect, context=context)
    report.value(
        {
            "images": [{"tag": order.tag, "reference": order.reference} for order in orders],
            "folder": str(target),
            "for": options.dialect,
            "source_date_epoch": max(one.epoch for one in rendered),
            "platforms": [str(platform) for one in rendered for platform in one.platforms],
        }
    )
    for one in rendered:
        for line in one.head[3:]:
            report.line(line.strip())
    report.done(f"wrote {target}")
    return ExitCode.DONE
