"""``imagelock lock``: resolve specs into locks, or say whether the locks fit."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagelock.app.files import Located, locate
from imagelock.app.lock import LockOutcome, check_lock, lock_spec
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from imagelock.lock.diff import LockDiff


def run(options: argparse.Namespace, report: Report) -> int:
    """Lock or check every spec; the first error ends the command."""
    if options.lock and len(options.specs) > 1:
        raise UsageError("--lock goes with one spec", hint="lock them one by one")
    places = [locate(spec, lock=options.lock) for spec in options.specs]
    if options.check:
        return _check(places, report)
    return _lock(places, options, report)


def _check(places: list[Located], report: Report) -> int:
    results = []
    stale = False
    for place in places:
        reasons = check_lock(place)
        stale = stale or bool(reasons)
        results.append(
            {
                "spec": str(place.spec),
                "lock": str(place.lock),
                "stale": bool(reasons),
                "reasons": [
                    {"section": reason.section.value, "path": reason.path, "reason": str(reason)}
                    for reason in reasons
                ],
            }
        )
        report.line(f"{place.lock}: {'stale' if reasons else 'up to date'}")
        for reason in reasons:
            report.line(f"  {reason}")
        if reasons:
            report.note(f"next: `imagelock lock {place.spec}`")
    report.value({"stale": stale, "locks": results})
    return ExitCode.CHECK_FAILED if stale else ExitCode.DONE


def _lock(places: list[Located], options: argparse.Namespace, report: Report) -> int:
    from imagelock.app.context import ResolveOptions
    from imagelock.cli.commands.common import make_context, parse_moment, parse_platforms

    context = make_context(report, offline=options.offline)
    resolve = ResolveOptions(
        upgrade=options.upgrade,
        upgrade_names=frozenset(options.upgrade_package),
        security=options.security,
        as_of=parse_moment(options.as_of),
    )
    results = []
    for place in places:
        outcome = lock_spec(
            place,
            context=context,
            options=resolve,
            platforms=parse_platforms(options.platform),
            write=not options.dry_run,
        )
        results.append(_result(outcome))
        _tell(outcome, options, report)
    report.value({"locks": results})
    return ExitCode.DONE


def _result(outcome: LockOutcome) -> dict[str, object]:
    from imagelock.lock.diff import render_json

    return {
        "lock": str(outcome.path),
        "changed": outcome.changed,
        "diff": render_json(_difference(outcome)) if outcome.previous else None,
    }


def _tell(outcome: LockOutcome, options: argparse.Namespace, report: Report) -> None:
    lock = outcome.lock
    if not outcome.changed:
        report.line(f"{outcome.path}: unchanged")
        return
    if outcome.previous is not None:
        import sys

        from imagelock.lock.diff import render_text

        report.line(render_text(_difference(outcome), color=report.colored(sys.stdout)).rstrip())
    did = "would write" if options.dry_run else "wrote"
    kinds = (("apt", lock.apt), ("conda", lock.conda), ("pip", lock.pip))
    counted = ", ".join(f"{len(pins)} {kind}" for kind, pins in kinds if pins)
    report.line(f"{did} {outcome.path}" + (f": {counted}" if counted else ""))


def _difference(outcome: LockOutcome) -> LockDiff:
    from imagelock.lock.diff import diff_locks

    assert outcome.previous is not None
    return diff_locks(outcome.previous, outcome.lock)
