"""flytekit's ImageSpec as YAML: the file that ``pyflyte run --image FILE`` takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from imagelock.app.importing.image_spec import imported_fields
from imagelock.app.importing.model import Imported, ImportRequest
from imagelock.app.importing.yaml_text import pairs, texts, yaml_table
from imagelock.model.errors import UsageError
from imagelock.spec.image_spec import FIELDS

_FIELD: Final = re.compile(rf"^({'|'.join(FIELDS)})[ \t]*:", re.MULTILINE)
_LISTS: Final = frozenset(
    {
        *("packages", "conda_packages", "conda_channels", "apt_packages", "pip_extra_index_url"),
        *("entrypoint", "commands", "copy", "runtime_packages"),
    }
)
_TABLES: Final = frozenset({"env", "builder_options"})


class ImageSpecYaml:
    """One ImageSpec by its fields."""

    def takes(self, path: Path, text: str) -> bool:
        """A YAML file with a field of ImageSpec at its top."""
        return path.suffix in {".yml", ".yaml"} and bool(_FIELD.search(text))

    def read(self, request: ImportRequest, text: str) -> tuple[Imported, ...]:
        """The spec; a field that flytekit does not have is an error, as it is there."""
        where = str(request.path)
        fields = {
            name: _value(name, value, where)
            for name, value in yaml_table(text, where=where).items()
        }
        label = fields.get("name") or request.path.stem
        return (imported_fields(str(label), fields, request, folder=request.path.parent),)


def _value(name: str, value: object, where: str) -> Any:  # noqa: ANN401, PLR0911 (a kind each)
    place = f"{where}: {name}"
    if name not in FIELDS:
        raise UsageError(
            "ImageSpec has no such field", where=place, hint="see docs/imagespec.md for them all"
        )
    if value is None:
        return None
    if name in _LISTS:
        return texts(value, where=place)
    if name in _TABLES:
        return pairs(value, where=place)
    if name == "install_project":
        return str(value).lower() in {"true", "yes", "on"}
    if name == "builder_config":
        return value
    if name == "pip_secret_mounts":
        if not isinstance(value, list) or not all(
            len(texts(two, where=place)) == 2 for two in value
        ):
            raise UsageError("expected a list of two paths each", where=place)
        return value
    if not isinstance(value, str):
        raise UsageError("expected a string", where=place)
    return value.removeprefix("CopyFileDetection.") if name == "source_copy_mode" else value
