"""Commands whose modules are imported when they are called."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # argparse gives this type no public name.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

    from imagelock.cli.report import Report

Command = Callable[[argparse.Namespace, "Report"], int]


def lazy(module: str, function: str = "run") -> Command:
    """The function of a module of ``commands``, imported when it is called."""

    def call(options: argparse.Namespace, report: Report) -> int:
        loaded = importlib.import_module(f"imagelock.cli.commands.{module}")
        command: Command = getattr(loaded, function)
        return command(options, report)

    return call
