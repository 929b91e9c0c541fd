"""``imagelock store``: where it is, whether it is whole, and less of it."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

from imagelock.app.files import load_lock
from imagelock.app.store import DEFAULT_UNUSED, collect_garbage, verify_store
from imagelock.cli.commands.common import make_context
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode

_MEGABYTE = 1_000_000


def path(_options: argparse.Namespace, report: Report) -> int:
    """Print the store's folder."""
    root = str(make_context(report, offline=True).store.root)
    report.value({"path": root})
    report.line(root)
    return ExitCode.DONE


def verify(options: argparse.Namespace, report: Report) -> int:
    """Read every entry; exit 5 when one is damaged and was not repaired."""
    found = verify_store(make_context(report, offline=True), repair=options.repair)
    report.value(
        {
            "entries": found.entries,
            "size": found.size,
            "damaged": list(found.damaged),
            "strays": [str(stray) for stray in found.strays],
            "repaired": found.repaired,
        }
    )
    for sha256 in found.damaged:
        report.line(f"damaged: {sha256}")
    for stray in found.strays:
        report.line(f"no entry: {stray}")
    report.line(f"{found.entries} entries, {found.size / _MEGABYTE:.1f} MB")
    if found.is_whole or found.repaired:
        return ExitCode.DONE
    report.note("next: `imagelock store verify --repair`")
    return ExitCode.INTEGRITY


def gc(options: argparse.Namespace, report: Report) -> int:
    """Remove what was not used for a while, but for what the given locks need."""
    unused = DEFAULT_UNUSED if options.unused is None else timedelta(days=options.unused)
    result = collect_garbage(
        make_context(report, offline=True),
        unused=unused,
        keep=[load_lock(Path(lock)) for lock in options.keep],
        dry_run=options.dry_run,
    )
    report.value(
        {
            "removed": result.removed,
            "freed": result.freed,
            "kept": result.kept,
            "kept_size": result.kept_size,
        }
    )
    did = "would remove" if options.dry_run else "removed"
    report.line(
        f"{did} {result.removed} entries, {result.freed / _MEGABYTE:.1f} MB;"
        f" kept {result.kept}, {result.kept_size / _MEGABYTE:.1f} MB"
    )
    return ExitCode.DONE
