"""The arguments of ``imagelock git``, most of which git itself calls."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagelock.cli.lazy import lazy

if TYPE_CHECKING:
    from imagelock.cli.lazy import Commands


def add_git(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add ``git`` with its actions to the commands."""
    git = commands.add_parser("git", help="git's diff and merge drivers for locks")
    actions = git.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, help_text in (
        ("install", "set up the drivers in this repository"),
        ("uninstall", "take them away"),
    ):
        action = actions.add_parser(name, parents=[common], help=help_text)
        action.set_defaults(command=lazy("git", name))
    merge = actions.add_parser("merge", parents=[common], help="called by git: merge a lock")
    for side in ("base", "ours", "theirs", "path"):
        merge.add_argument(side, metavar=side.upper())
    merge.set_defaults(command=lazy("git", "merge"))
    diff = actions.add_parser("diff", parents=[common], help="called by git: compare two locks")
    diff.add_argument("arguments", nargs="+", metavar="ARG", help="as git gives them")
    diff.set_defaults(command=lazy("git", "diff"))
    textconv = actions.add_parser(
        "textconv", parents=[common], help="called by git: a lock with a line a package"
    )
    textconv.add_argument("file", metavar="FILE")
    textconv.set_defaults(command=lazy("git", "textconv"))
