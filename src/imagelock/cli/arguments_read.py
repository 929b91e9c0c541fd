"""The arguments of what reads locks: compared, shown, explained, in the words of others."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from imagelock.cli.arguments_common import lock_arguments, platform_argument
from imagelock.cli.lazy import lazy
from imagelock.cli.numbers import levels

if TYPE_CHECKING:
    from imagelock.cli.lazy import Commands

EXPORTS: Final = ("requirements", "pylock", "conda-explicit", "cyclonedx", "spdx")


def add_diff(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``diff``."""
    diff = commands.add_parser(
        "diff", parents=[common], help="what changed between two locks, and why"
    )
    diff.add_argument("old", metavar="OLD", help="a lock file, or REV:PATH in git")
    diff.add_argument("new", metavar="NEW", help="a lock file, or REV:PATH in git")
    diff.add_argument("--format", choices=("text", "markdown", "json", "html"), default="text")
    diff.add_argument("--exit-code", action="store_true", help="exit with 1 when the locks differ")
    diff.set_defaults(command=lazy("diff"))


def add_tag(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``tag``."""
    tag = commands.add_parser("tag", parents=[common], help="the tag of a lock")
    lock_arguments(tag)
    tag.add_argument(
        "--canonical",
        action="store_true",
        help="print the canonical JSON that the tag is the sha256 of",
    )
    tag.set_defaults(command=lazy("tag"))


def add_show(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``show``."""
    show = commands.add_parser("show", parents=[common], help="what a lock holds")
    lock_arguments(show)
    show.set_defaults(command=lazy("show"))


def add_outdated(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``outdated``."""
    outdated = commands.add_parser(
        "outdated", parents=[common], help="the locked packages that have newer versions"
    )
    lock_arguments(outdated)
    platform_argument(outdated)
    outdated.set_defaults(command=lazy("outdated"))


def add_graph(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``why`` and ``tree``."""
    why = commands.add_parser("why", parents=[common], help="why a package is in a lock")
    why.add_argument("path", metavar="SPEC|LOCK")
    why.add_argument("name", metavar="NAME")
    why.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    why.set_defaults(command=lazy("graph", "run_why"))
    tree = commands.add_parser("tree", parents=[common], help="what requires what")
    lock_arguments(tree)
    tree.add_argument("--kind", choices=("apt", "conda", "pip", "pip-build"), help="one kind alone")
    tree.add_argument("--depth", type=levels, default=99, metavar="N", help="levels to show")
    tree.add_argument("--base", action="store_true", help="the packages of the base too")
    tree.set_defaults(command=lazy("graph", "run_tree"))


def add_export(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``export``."""
    export = commands.add_parser(
        "export", parents=[common], help="a lock in the words of other tools"
    )
    lock_arguments(export)
    export.add_argument("--format", choices=EXPORTS, required=True)
    export.add_argument(
        "--platform", metavar="P", help="one of the lock's platforms; not for pylock"
    )
    export.add_argument(
        "--licenses", action="store_true", help="read them in the packages, which are fetched"
    )
    export.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    export.set_defaults(command=lazy("export"))
