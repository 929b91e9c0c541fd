"""``imagelock git``: the drivers that git calls for locks, and their set-up."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from imagelock.app import git
from imagelock.cli.report import Report
from imagelock.model.errors import CheckFailed, ExitCode


def install(_options: argparse.Namespace, report: Report) -> int:
    """Set up the drivers in the repository of the current folder."""
    done = git.install(Path())
    _tell(done, "set up in" if done.changed else "already set up in", report)
    if not done.effective:
        report.note(f"a later line of {done.attributes} gives *.lock to something else")
    return ExitCode.DONE


def uninstall(_options: argparse.Namespace, report: Report) -> int:
    """Take the drivers away again."""
    done = git.uninstall(Path())
    _tell(done, "taken away from" if done.changed else "not set up in", report)
    return ExitCode.DONE


def _tell(done: git.Installed, did: str, report: Report) -> None:
    report.value(
        {
            "repository": str(done.repository),
            "attributes": str(done.attributes),
            "changed": done.changed,
            "effective": done.effective,
        }
    )
    report.line(f"diff and merge drivers for *.lock: {did} {done.repository}")


def merge(options: argparse.Namespace, report: Report) -> int:
    """Merge into OURS. Exit 1 with a conflict, which git then reports as one."""
    conflicts = git.merge_files(
        Path(options.base), Path(options.ours), Path(options.theirs), path=options.path
    )
    if conflicts:
        listed = "".join(f"\n  {conflict}" for conflict in conflicts)
        raise CheckFailed(
            f"the two sides cannot be merged:{listed}",
            where=options.path,
            hint=git.next_step(options.path),
        )
    report.value({"path": options.path, "merged": True})
    report.note(f"{options.path}: merged section by section")
    return ExitCode.DONE


def diff(options: argparse.Namespace, report: Report) -> int:
    """What git shows for a lock: our text, or git's own diff where a side is no lock."""
    # git gives: path old-file old-hex old-mode new-file new-hex new-mode, and for a lock in
    # the middle of a merge its path alone (gitattributes(5), GIT_EXTERNAL_DIFF in git(1)).
    given = options.arguments
    if len(given) < len(("path", "old", "hex", "mode", "new")):
        report.line(f"* Unmerged path {given[0]}")
        return ExitCode.DONE
    path, old, new = given[0], Path(given[1]), Path(given[4])
    before, after = git.readable(old), git.readable(new)
    if before is None or after is None:
        report.flush()
        git.plain_diff(old, new)
        return ExitCode.DONE
    from imagelock.lock.diff import diff_locks, render_text

    color = report.colored(sys.stdout)
    if options.color == "auto" and not os.environ.get("NO_COLOR"):
        color = git.wants_color(terminal=sys.stdout.isatty())
    report.line(f"imagelock diff {path}")
    report.line(render_text(diff_locks(before, after), color=color).rstrip("\n"))
    return ExitCode.DONE


def textconv(options: argparse.Namespace, report: Report) -> int:
    """A lock with a line a pin, for git to compare; anything else as it is."""
    from imagelock.lock.lines import lock_lines

    path = Path(options.file)
    lock = git.readable(path)
    if lock is None:
        report.raw(path.read_bytes() if path.exists() else b"")
    else:
        report.line(lock_lines(lock).rstrip("\n"))
    return ExitCode.DONE
