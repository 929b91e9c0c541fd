"""``imagelock export``: what a lock pins, in the form of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from imagelock.app.files import load_lock, locate, write_whole
from imagelock.cli.commands.common import make_context, parse_platforms
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode, UsageError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform

_BILLS: Final = ("cyclonedx", "spdx")


def run(options: argparse.Namespace, report: Report) -> int:
    """Print the export, or write it to a file."""
    path = locate(options.path, lock=options.lock).lock
    lock = load_lock(path)
    text = _exported(lock, path, options, report)
    if options.output is None:
        report.value({"format": options.format, "text": text})
        report.line(text.rstrip("\n"))
        return ExitCode.DONE
    write_whole(Path(options.output), text.encode())
    report.value({"format": options.format, "file": options.output})
    report.done(f"wrote {options.output}")
    return ExitCode.DONE


def _exported(lock: Lock, path: Path, options: argparse.Namespace, report: Report) -> str:
    if options.licenses and options.format not in _BILLS:
        raise UsageError(
            f"the format {options.format} has no licences",
            where="--licenses",
            hint=f"it is for {' and '.join(_BILLS)}",
        )
    platforms = parse_platforms([options.platform] if options.platform else [])
    platform = platforms[0] if platforms else None
    # Each needs a library that the others do not.
    if options.format == "requirements":
        from imagelock.lock.export.requirements import export_requirements

        return export_requirements(lock, platform)
    if options.format == "conda-explicit":
        from imagelock.lock.export.conda_explicit import export_conda_explicit

        return export_conda_explicit(lock, platform)
    if options.format in _BILLS:
        return _bill(lock, path, platform, options, report)
    if platform is not None:
        raise UsageError(
            "a pylock is for all platforms of its lock",
            where="--platform",
            hint="leave it away: installers choose by the markers",
        )
    from imagelock.lock.export.pylock import export_pylock

    return export_pylock(lock)


def _bill(
    lock: Lock,
    path: Path,
    platform: Platform | None,
    options: argparse.Namespace,
    report: Report,
) -> str:
    from imagelock.lock.export.entries import chosen_platforms
    from imagelock.lock.export.licenses import NO_LICENSES, Licenses

    licenses: Licenses = NO_LICENSES
    if options.licenses:
        from imagelock.app.licenses import declared_licenses

        licenses = declared_licenses(
            lock,
            chosen_platforms(lock, platform),
            context=make_context(report, offline=False),
            folder=path.parent / lock.context,
        )
    if options.format == "cyclonedx":
        from imagelock.lock.export.cyclonedx import export_cyclonedx

        return export_cyclonedx(lock, platform, licenses)
    from imagelock.lock.export.spdx import export_spdx

    return export_spdx(lock, platform, licenses)
