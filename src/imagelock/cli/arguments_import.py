"""The arguments of ``imagelock import``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagelock.cli.lazy import lazy
from imagelock.cli.numbers import seconds

if TYPE_CHECKING:
    from imagelock.cli.lazy import Commands


def add_import(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add ``import`` to the commands."""
    imported = commands.add_parser(
        "import", parents=[common], help="write a spec from a file of another tool"
    )
    imported.add_argument(
        "file",
        metavar="FILE",
        help="requirements.txt, a lock of a pip tool, environment.yml, ImageSpec YAML, or a Python "
        "module that holds ImageSpecs: it is run, in a process of its own",
    )
    imported.add_argument("-o", "--output", metavar="SPEC", help="default: image.toml beside it")
    imported.add_argument("--spec", metavar="NAME", help="the one of a module's ImageSpecs")
    imported.add_argument("--force", action="store_true", help="overwrite a spec that is there")
    imported.add_argument(
        "--python", metavar="PATH", help="the interpreter that runs a module; default: this one"
    )
    imported.add_argument(
        "--timeout", type=seconds, default=60, metavar="SECONDS", help="for a module (%(default)s)"
    )
    imported.set_defaults(command=lazy("import_file"))
