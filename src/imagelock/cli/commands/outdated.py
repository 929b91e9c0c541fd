"""``imagelock outdated``: what could be newer, and what should."""

from __future__ import annotations

import argparse

from imagelock.app.build import chosen_platforms
from imagelock.app.files import load_lock, locate
from imagelock.app.outdated import OutdatedPackage, outdated_packages
from imagelock.cli.commands.common import make_context, parse_platforms
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode


def run(options: argparse.Namespace, report: Report) -> int:
    """Print a line a package; exit 0 whatever there is, as it is a question of taste."""
    located = locate(options.path, lock=options.lock)
    lock = load_lock(located.lock)
    found = outdated_packages(
        lock,
        chosen_platforms(lock, parse_platforms(options.platform)),
        context=make_context(report, offline=False),
        spec_folder=located.lock.parent / lock.context,
    )
    report.value({"outdated": [_as_json(item) for item in found]})
    for item in found:
        report.line(_as_line(item))
    if not found:
        report.line("everything is the newest there is")
    return ExitCode.DONE


def _as_json(item: OutdatedPackage) -> dict[str, object]:
    return {
        "kind": item.kind,
        "name": item.name,
        "platform": str(item.platform),
        "locked": item.locked,
        "allowed": item.allowed,
        "newest": item.newest,
        "security": item.security,
        "yanked": item.yanked,
    }


def _as_line(item: OutdatedPackage) -> str:
    newest = "" if item.allowed == item.newest else f"  (newest: {item.newest})"
    marks = "  security" * item.security + "  yanked" * item.yanked
    moved = f"{item.locked} → {item.allowed}{newest}{marks}"
    return f"{item.kind}  {item.name}  {moved}  [{item.platform}]"
