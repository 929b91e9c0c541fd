"""What somebody may have meant by a key that a table does not have."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from imagelock.model.spec import Spec
from imagelock.spec.findings import key_path_text
from imagelock.spec.positions import KeyPath
from imagelock.spec.shapes import OneOf, Shape, Table, Tables, table_shape

FLYTEKIT_NAMES: Final = {
    "apt_packages": "apt.packages",
    "base_image": "base.image",
    "builder_options": "builder.options",
    "commands": "run[0].commands",
    "conda_channels": "conda.channels",
    "conda_packages": "conda.packages",
    "cuda": "gpu.cuda",
    "cudnn": "gpu.cudnn",
    "entrypoint": "image.entrypoint",
    "packages": "pip.packages",
    "pip_extra_index_url": "pip.extra-indexes",
    "pip_index": "pip.index",
    "platform": "platforms",
    "python_exec": "pip.python-exec",
    "python_version": "python",
    "requirements": "pip.requirements",
    "source_copy_mode": "source.mode",
    "source_root": "source.root",
    "tag_format": "tag-format",
}
"""Fields of flytekit's ImageSpec, and where a spec has them."""


def unknown_key_hint(name: str, table: KeyPath, known: tuple[str, ...]) -> str:
    """The next step for an unknown key of a table with these known ones; may be empty."""
    if not table and name in FLYTEKIT_NAMES:
        return f"did you mean '{FLYTEKIT_NAMES[name]}'?"
    if close := get_close_matches(name, known, n=1):
        return f"did you mean '{close[0]}'?"
    keys = tuple(part for part in table if isinstance(part, str))
    homes = [(path, leading) for path, leading in _homes(table_shape(Spec)) if path[-1] == name]
    beside = [leading for path, leading in homes if path == (*keys, name)]
    if beside:
        return f"it goes with '{beside[0]}'"
    places = [f"'{key_path_text(path)}'" for path, _ in homes]
    return f"did you mean {' or '.join(places)}?" if places else f"known are {', '.join(known)}"


def _homes(shape: Shape, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every key of the spec, with the leading key of the table it is in."""
    if isinstance(shape, Tables):
        yield from _homes(shape.item, path)
    elif isinstance(shape, OneOf):
        for table in shape.tables:
            yield from _homes(table, path)
    elif isinstance(shape, Table):
        for field in shape.fields:
            yield (*path, field.key.toml), shape.leading
            yield from _homes(field.shape, (*path, field.key.toml))
