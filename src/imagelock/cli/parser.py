"""The arguments of every command, as argparse sees them.

Each subcommand names its module of ``commands``; the module is imported when it is called, so
that ``imagelock tag`` does not pay for what ``imagelock build`` needs.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from typing import NoReturn

from imagelock import __version__
from imagelock.cli.report import Report
from imagelock.model.errors import ExitCode

Command = Callable[[argparse.Namespace, Report], int]

_EXIT_CODES = """exit codes: 0 done, 1 a check said no, 2 the call or the spec is wrong, 3 no
solution, 4 network or registry, 5 integrity, 6 the build failed, 130 interrupted"""


class _Parser(argparse.ArgumentParser):
    """argparse whose errors name the next step."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            int(ExitCode.USAGE),
            f"error: {message}\nhint: run `{self.prog} --help`\n",
        )


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed call; ``command`` is the function to call with it and a report."""
    return build_parser().parse_args(arguments)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; also what shell completion is generated from."""
    parser = _Parser(
        prog="imagelock",
        description="One spec, one lock, the same container image to the byte on any machine.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"imagelock {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    common = _common()
    for add in (_init, _edits, _lock, _build, _run, _diff, _tag, _show, _completion):
        add(commands, common)
    return parser


_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name


def _lazy(module: str, function: str = "run") -> Command:
    def call(options: argparse.Namespace, report: Report) -> int:
        loaded = importlib.import_module(f"imagelock.cli.commands.{module}")
        command: Command = getattr(loaded, function)
        return command(options, report)

    return call


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print one JSON value for machines")
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours: when on a terminal (default), always or never; NO_COLOR turns them off",
    )
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, no notes")
    return common


def _init(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    init = commands.add_parser("init", parents=[common], help="write a new spec")
    init.add_argument("spec", nargs="?", default="image.toml", help="the file (%(default)s)")
    init.add_argument("--name", help="the image's name; default: the file's")
    init.add_argument("--base", default="debian:bookworm", help="a distribution (%(default)s)")
    init.add_argument("--python", help="a version or specifier")
    init.set_defaults(command=_lazy("init"))


def _edits(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
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
        edit.set_defaults(command=_lazy("edit", name), kind="pip")


def _lock(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    lock = commands.add_parser(
        "lock", parents=[common], help="resolve specs into locks", epilog=_EXIT_CODES
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
    lock.set_defaults(command=_lazy("lock"))


def _build(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    build = commands.add_parser(
        "build", parents=[common], help="build the image of a lock", epilog=_EXIT_CODES
    )
    build.add_argument("path", metavar="SPEC|LOCK")
    build.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    build.add_argument("--builder", metavar="NAME", help="the builder; default: the spec's")
    build.add_argument(
        "--output",
        metavar="oci:DIR|oci-archive:FILE",
        help="where the image goes; default: the store",
    )
    build.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="P",
        help="one of the lock's platforms; may be repeated; default: all of them",
    )
    build.add_argument("--offline", action="store_true", help="use the store alone")
    build.add_argument("--dry-run", action="store_true", help="show the plan, build nothing")
    build.set_defaults(command=_lazy("build"))


def _run(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    run = commands.add_parser(
        "run", parents=[common], help="run a command in a built image, without a daemon"
    )
    run.add_argument("image", metavar="SPEC|LOCK|oci:DIR")
    run.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    run.add_argument("--platform", metavar="P", help="default: this machine's")
    run.add_argument("--offline", action="store_true", help="use the store alone")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="[--] CMD…")
    run.set_defaults(command=_lazy("run"))


def _diff(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    diff = commands.add_parser(
        "diff", parents=[common], help="what changed between two locks, and why"
    )
    diff.add_argument("old", metavar="OLD", help="a lock file, or REV:PATH in git")
    diff.add_argument("new", metavar="NEW", help="a lock file, or REV:PATH in git")
    diff.add_argument("--format", choices=("text", "markdown", "json", "html"), default="text")
    diff.add_argument("--exit-code", action="store_true", help="exit with 1 when the locks differ")
    diff.set_defaults(command=_lazy("diff"))


def _tag(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    tag = commands.add_parser("tag", parents=[common], help="the tag of a lock")
    tag.add_argument("path", metavar="SPEC|LOCK")
    tag.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    tag.add_argument(
        "--canonical",
        action="store_true",
        help="print the canonical JSON that the tag is the sha256 of",
    )
    tag.set_defaults(command=_lazy("tag"))


def _show(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    show = commands.add_parser("show", parents=[common], help="what a lock holds")
    show.add_argument("path", metavar="SPEC|LOCK")
    show.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    show.set_defaults(command=_lazy("show"))


def _completion(commands: _Commands[_Parser], common: argparse.ArgumentParser) -> None:
    completion = commands.add_parser(
        "completion", parents=[common], help="print a shell completion script"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(command=_lazy("completion"))
