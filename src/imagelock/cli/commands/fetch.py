"""``imagelock fetch``: the artifacts of a lock, ahead of a build without a network."""

from __future__ import annotations

import argparse

from imagelock.app.build import chosen_platforms
from imagelock.app.fetch import fetch_lock
from imagelock.app.files import load_lock, locate
from imagelock.cli.commands.common import make_context, parse_platforms
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode


def run(options: argparse.Namespace, report: Report) -> int:
    """Fill the store, and say how much it now holds of the lock."""
    path = locate(options.path, lock=options.lock).lock
    lock = load_lock(path)
    platforms = chosen_platforms(lock, parse_platforms(options.platform))
    context = make_context(report, offline=False)
    count, size = fetch_lock(lock, platforms, context=context, folder=path.parent / lock.context)
    report.value({"artifacts": count, "size": size, "store": str(context.store.root)})
    report.line(f"{count} artifacts, {size / 1_000_000:.1f} MB, in {context.store.root}")
    return ExitCode.DONE
