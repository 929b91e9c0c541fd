"""The arguments of what fills, verifies and tidies the store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagelock.cli.arguments_common import lock_arguments, platform_argument
from imagelock.cli.lazy import lazy
from imagelock.cli.numbers import days

if TYPE_CHECKING:
    from imagelock.cli.lazy import Commands


def add_fetch(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``fetch``."""
    fetch = commands.add_parser(
        "fetch", parents=[common], help="fill the store with what a lock needs, to build offline"
    )
    lock_arguments(fetch)
    platform_argument(fetch)
    fetch.set_defaults(command=lazy("fetch"))


def add_store(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``store`` and its actions."""
    store = commands.add_parser("store", help="the store of downloads and layers")
    actions = store.add_subparsers(title="actions", metavar="ACTION", required=True)
    path = actions.add_parser("path", parents=[common], help="print the store's folder")
    path.set_defaults(command=lazy("store", "path"))
    verify = actions.add_parser(
        "verify", parents=[common], help="read every entry against its hash"
    )
    verify.add_argument("--repair", action="store_true", help="remove what is damaged")
    verify.set_defaults(command=lazy("store", "verify"))
    gc = actions.add_parser("gc", parents=[common], help="remove what was not used for a while")
    gc.add_argument(
        "--unused", type=days, metavar="DAYS", help="how long ago it was last used; default: 30"
    )
    gc.add_argument(
        "--keep", action="append", default=[], metavar="LOCK", help="keep its artifacts"
    )
    gc.add_argument("--dry-run", action="store_true", help="say what would be removed")
    gc.set_defaults(command=lazy("store", "gc"))
