"""One call of the program: its arguments in, its exit code out, every error told."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from imagelock.model.errors import ExitCode, ImagelockError


def call(given: Sequence[str]) -> int:
    """Parse, do, report; the exit code is that of the contract."""
    from imagelock.cli.parser import parse_arguments
    from imagelock.cli.report import Report
    from imagelock.cli.streams import disk_error, prepare, silence

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
