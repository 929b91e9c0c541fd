"""``imagelock exists`` and ``imagelock verify``: questions about an image that is somewhere."""

from __future__ import annotations

import argparse

from imagelock.app.build import chosen_platforms, order_of
from imagelock.app.files import load_lock, locate
from imagelock.app.images import named_image
from imagelock.app.push import image_exists
from imagelock.app.verify import verify_image
from imagelock.cli.commands.build import NOT_REPRODUCIBLE
from imagelock.cli.commands.common import make_context, parse_platforms
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode


def run_exists(options: argparse.Namespace, report: Report) -> int:
    """Exit 0 when the registry has the image for every platform, 1 when not, 4 when unknown."""
    order = order_of(locate(options.path, lock=options.lock))
    platforms = chosen_platforms(order.lock, parse_platforms(options.platform))
    context = make_context(report, offline=False)
    answer = image_exists(order.reference, platforms, context=context)
    report.value({"reference": order.reference, "exists": answer})
    words = {True: "exists", False: "does not exist", None: "unknown: the registry did not say"}
    report.line(f"{order.reference}: {words[answer]}")
    codes = {True: ExitCode.DONE, False: ExitCode.CHECK_FAILED, None: ExitCode.NETWORK}
    return codes[answer]


def run_verify(options: argparse.Namespace, report: Report) -> int:
    """Name every package, file and setting of the image that is not as locked."""
    lock = load_lock(locate(options.path).lock)
    asked = parse_platforms(options.platform)
    platforms = chosen_platforms(lock, asked)
    context = make_context(report, offline=False)
    with named_image(options.image, context=context) as image:
        if not asked:
            platforms = image.platforms_of(platforms)
        findings = [
            (platform, finding)
            for platform in platforms
            for finding in verify_image(lock, platform, image.source, image.reference)
        ]
    report.value(
        {
            "verified": not findings,
            "reproducible": lock.reproducible,
            "platforms": [str(platform) for platform in platforms],
            "findings": [
                {
                    "platform": str(platform),
                    "kind": finding.kind,
                    "name": finding.name,
                    "expected": finding.expected,
                    "found": finding.found,
                }
                for platform, finding in findings
            ],
        }
    )
    for platform, finding in findings:
        report.line(f"{platform}: {finding}")
    if not lock.reproducible:
        report.note(NOT_REPRODUCIBLE)
    if not findings:
        listed = ", ".join(map(str, platforms))
        report.line(f"{options.image} holds what {options.path} says ({listed})")
    return ExitCode.CHECK_FAILED if findings else ExitCode.DONE
