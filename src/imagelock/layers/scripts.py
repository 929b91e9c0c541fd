"""Launchers of entry points, and the shebang of scripts (entry points and binary format specs)."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from typing import Final

from imagelock.layers.entries import unsafe
from imagelock.model.errors import IntegrityError

_SECTIONS: Final = ("console_scripts", "gui_scripts")
_OBJECT: Final = re.compile(
    r"(?P<module>\w+(?:\.\w+)*)\s*:\s*(?P<attribute>\w+(?:\.\w+)*)\s*(?:\[.*\])?\s*"
)
_SCRIPT_NAME: Final = re.compile(r"[\w.@+-][\w.@+ -]*")


def entry_point_scripts(text: str, interpreter: str, *, where: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each launcher that ``entry_points.txt`` asks for, sorted by name."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise IntegrityError(f"entry_points.txt cannot be read: {error}", where=where) from None
    found = {
        name: value
        for section in _SECTIONS
        if parser.has_section(section)
        for name, value in parser.items(section)
    }
    for name in sorted(found):
        yield name, entry_point_script(name, found[name], interpreter, where=where)


def entry_point_script(name: str, value: str, interpreter: str, *, where: str) -> bytes:
    """The launcher of one entry point, ``value`` being like ``module:function``."""
    match = _OBJECT.fullmatch(value.strip())
    if match is None:
        raise IntegrityError(
            f"entry point {name!r}: expected 'module:function', got {value[:80]!r}",
            where=where,
            hint="the package is damaged at its source: do not use it",
        )
    if not _SCRIPT_NAME.fullmatch(name) or name in {".", ".."}:
        raise unsafe(name, "is no name for a script", where=where)
    return _launcher(match["module"], match["attribute"], interpreter)


def fixed_shebang(script: bytes, interpreter: str) -> bytes:
    """The script with ``#!python`` or ``#!pythonw`` replaced by the real interpreter."""
    line, newline, rest = script.partition(b"\n")
    _, _, options = line.partition(b" ")
    arguments = b" " + options.strip() if options.strip() else b""
    return b"#!" + interpreter.encode() + arguments + (newline or b"\n") + rest


def _launcher(module: str, attribute: str, interpreter: str) -> bytes:
    first = attribute.partition(".")[0]
    return (
        f"#!{interpreter}\n"
        "import sys\n"
        "\n"
        f"from {module} import {first}\n"
        "\n"
        'if __name__ == "__main__":\n'
        f"    sys.exit({attribute}())\n"
    ).encode()
