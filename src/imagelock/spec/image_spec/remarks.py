"""What an ``ImageSpec`` says and no image holds, as lines of a spec's text: ``#: KEY = VALUE``.

They are comments to everyone else, so that a text keeps all of an ImageSpec without loss.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from imagelock.model.toml import inline_text, key_text
from imagelock.spec.image_spec.fields import REMARKS

_MARK: Final = "#: "
_KNOWN: Final = {name.replace("_", "-"): name for name in REMARKS}


def remark_lines(remarks: Mapping[str, Any]) -> str:
    """The lines of remarks, in a named order; empty for none."""
    return "".join(
        f"{_MARK}{key_text(key)} = {inline_text(remarks[key])}\n" for key in sorted(remarks)
    )


def read_remarks(text: str) -> dict[str, Any]:
    """The fields of a text's remarks, by their names. What is no remark of ours is a comment."""
    fields: dict[str, Any] = {}
    for line in text.splitlines():
        if not line.startswith(_MARK):
            continue
        try:
            found = tomllib.loads(line.removeprefix(_MARK))
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        fields |= {_KNOWN[key]: value for key, value in found.items() if key in _KNOWN}
    return fields
