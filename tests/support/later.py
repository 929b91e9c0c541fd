"""``python -m support.later ARGUMENTS``: imagelock, where dpkg and its scripts live a year later.

libfaketime is preloaded into what runs in the sandbox, which sees nothing of the host's
environment. Each sandbox says its year at the end, and it must be the next one. (ldconfig is
static and so lives now; what it writes by the clock is scrubbed.)
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from imagelock.build.oci.sandbox import Bind, Sandbox, Work
from imagelock.cli import main

AHEAD = timedelta(days=400)
_INSIDE = "/run/imagelock-later.so"


def library() -> Path | None:
    """Debian's libfaketime; None where it is not installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


def later_run(sandbox: Sandbox, work: Work, scratch: Path) -> tuple[int, str]:
    preloaded = library()
    assert preloaded is not None
    changed = replace(
        work,
        commands=(*work.commands, ("/usr/bin/date", "+the year is %Y")),
        env=(
            *work.env,
            ("LD_PRELOAD", _INSIDE),
            ("FAKETIME", f"+{AHEAD.days}d"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            # File times are the kernel's: moved ones would be copied on by update-alternatives.
            ("NO_FAKE_STAT", "1"),
        ),
        binds=(*work.binds, Bind(source=preloaded.resolve(), target=_INSIDE)),
    )
    status, output = RUN(sandbox, changed, scratch)
    year = (datetime.now(UTC) + AHEAD).year
    assert status != 0 or f"the year is {year}" in output, output[-2000:]
    return status, output


RUN = Sandbox.run

if __name__ == "__main__":
    with mock.patch.object(Sandbox, "run", later_run):
        sys.exit(main(sys.argv[1:]))
