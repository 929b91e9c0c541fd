"""``imagelock run``: a command in a built image, without a daemon."""

from __future__ import annotations

import argparse
import platform

from imagelock.app.build import build_context, chosen_platforms, order_of
from imagelock.app.files import locate
from imagelock.app.images import IMAGE_PREFIXES, named_image
from imagelock.app.run import run_image, run_lock
from imagelock.cli.commands.common import make_context, parse_platforms
from imagelock.cli.report import Report
from imagelock.model.errors import UsageError
from imagelock.model.platform import Platform, host_platform


def run(options: argparse.Namespace, report: Report) -> int:
    """Run the command; its exit status is ours."""
    # argparse keeps the "--" that ends our own options.
    given = options.arguments
    command = tuple(given[1:] if given[:1] == ["--"] else given)
    wanted = _platform(options.platform)
    context = make_context(report, offline=options.offline)
    if options.image.startswith(IMAGE_PREFIXES):
        with named_image(options.image, context=context) as image:
            return run_image(image.source, image.reference, wanted, command, context=context)
    order = order_of(locate(options.image, lock=options.lock))
    chosen = chosen_platforms(order.lock, (wanted,))[0]
    return run_lock(
        order.lock, chosen, command, build_context=build_context(order, context=context)
    )


def _platform(text: str | None) -> Platform:
    if text is not None:
        return parse_platforms((text,))[0]
    try:
        return host_platform(platform.machine())
    except ValueError as error:
        raise UsageError(str(error), hint="name one with --platform") from None
