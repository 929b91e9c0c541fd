"""Arguments in, report out: the only place that prints, and that knows exit codes.

Flow: ``parser`` reads the arguments, ``main`` calls one module of ``commands``, which calls a
use-case of ``imagelock.app`` and hands its result to ``report``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from imagelock.model.errors import ExitCode, ImagelockError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code is that of the contract."""
    from imagelock.cli.parser import parse_arguments
    from imagelock.cli.report import Report
    from imagelock.cli.streams import disk_error, prepare, silence

    given = sys.argv[1:] if arguments is None else list(arguments)
    prepare()
    report = Report(json="--json" in given)
    try:
        options = parse_arguments(given)
        report = Report(json=options.json, color=options.color, quiet=options.quiet)
        code = int(options.command(options, report))
        report.flush()  # here, where its failure has an exit code
    except ImagelockError as error:
        report.error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        report.note("interrupted")
        return int(ExitCode.INTERRUPTED)
    except OSError as error:
        silence(sys.stdout)
        failure = disk_error(error)
        report.error(failure)
        return int(failure.exit_code)
    return code
