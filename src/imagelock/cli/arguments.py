"""The arguments of every command, one function a command.

Each names its module of ``commands``, which is imported when the command is called, so that
``imagelock tag`` does not pay for what ``imagelock build`` needs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from imagelock.cli.arguments_build import add_build, add_image, add_render, add_run
from imagelock.cli.arguments_common import EXIT_CODES
from imagelock.cli.arguments_git import add_git
from imagelock.cli.arguments_import import add_import
from imagelock.cli.arguments_read import (
    add_diff,
    add_export,
    add_graph,
    add_outdated,
    add_show,
    add_tag,
)
from imagelock.cli.arguments_store import add_fetch, add_store
from imagelock.cli.lazy import lazy

if TYPE_CHECKING:
    from imagelock.cli.lazy import Commands


def _init(commands: Commands, common: argparse.ArgumentParser) -> None:
    init = commands.add_parser("init", parents=[common], help="write a new spec")
    init.add_argument("spec", nargs="?", default="image.toml", help="the file (%(default)s)")
    init.add_argument("--name", help="the image's name; default: the file's")
    init.add_argument("--base", default="debian:bookworm", help="a distribution (%(default)s)")
    init.add_argument("--python", help="a version or specifier")
    init.set_defaults(command=lazy("init"))


def _edits(commands: Commands, common: argparse.ArgumentParser) -> None:
    for name, help_text in (
        ("add", "add packages to a spec"),
        ("remove", "remove packages from a spec"),
    ):
        edit = commands.add_parser(name, parents=[common], help=help_text)
        edit.add_argument("packages", nargs="+", metavar="PKG")
        edit.add_argument("--spec", default="image.toml", help="the spec (%(default)s)")
        kind = edit.add_mutually_exclusive_group()
        kind.add_argument("--apt", dest="kind", action="store_const", const="apt")
        kind.add_argument("--conda", dest="kind", action="store_const", const="conda")
        kind.add_argument("--pip", dest="kind", action="store_const", const="pip")
        edit.set_defaults(command=lazy("edit", name), kind="pip")


def _lock(commands: Commands, common: argparse.ArgumentParser) -> None:
    lock = commands.add_parser(
        "lock", parents=[common], help="resolve specs into locks", epilog=EXIT_CODES
    )
    lock.add_argument("specs", nargs="+", metavar="SPEC")
    lock.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    lock.add_argument(
        "--check", action="store_true", help="only say whether the lock fits the spec; no network"
    )
    moves = lock.add_mutually_exclusive_group()
    moves.add_argument("--upgrade", action="store_true", help="let every package move")
    moves.add_argument(
        "-P",
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="let this package move; may be repeated",
    )
    moves.add_argument(
        "--security",
        action="store_true",
        help="let the packages move that a security suite has newer versions of",
    )
    lock.add_argument(
        "--as-of", metavar="DATE", help="resolve as on this day (YYYY-MM-DD or RFC 3339)"
    )
    lock.add_argument("--offline", action="store_true", help="use the store alone")
    lock.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="P",
        help="resolve again for this platform only, keep the pins of the others; may be repeated",
    )
    lock.add_argument("--dry-run", action="store_true", help="show the diff, write nothing")
    lock.set_defaults(command=lazy("lock"))


def _completion(commands: Commands, common: argparse.ArgumentParser) -> None:
    completion = commands.add_parser(
        "completion", parents=[common], help="print a shell completion script"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(command=lazy("completion"))


ALL: Final = (
    _init,
    add_import,
    _edits,
    _lock,
    add_build,
    add_render,
    add_run,
    add_diff,
    add_tag,
    add_show,
    add_graph,
    add_outdated,
    add_image,
    add_export,
    add_fetch,
    add_store,
    add_git,
    _completion,
)
"""In the order of the help text."""
