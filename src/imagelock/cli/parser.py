"""The command line as argparse sees it: the frame around the commands' arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from imagelock import __version__
from imagelock.cli.arguments import ALL
from imagelock.cli.arguments_common import EXIT_CODES
from imagelock.model.errors import UsageError


class _Parser(argparse.ArgumentParser):
    """argparse whose errors name the next step."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"run `{self.prog} --help`")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed call; ``command`` is the function to call. UsageError for a wrong one."""
    return build_parser().parse_args(arguments)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; also what shell completion is generated from."""
    parser: argparse.ArgumentParser = _Parser(
        prog="imagelock",
        description="One spec, one lock, the same container image to the byte on any machine.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"imagelock {__version__}")
    commands: argparse._SubParsersAction[argparse.ArgumentParser] = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True
    )
    common = _common()
    for add in ALL:
        add(commands, common)
    return parser


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
