"""The fields of one ImageSpec, read from somewhere, as an imported spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagelock.app.importing.model import Document, Imported, ImportRequest
from imagelock.model.errors import UsageError
from imagelock.spec.image_spec import document_of_fields, remarks_of_fields
from imagelock.spec.image_spec.fields import SOURCE_MODES
from imagelock.spec.rule import RuleBroken

_WARNED = {
    "builder": "builder: the embedded builder of imagelock is used",
    "builder_options": "builder_options: they are another builder's",
    "runtime_packages": "runtime_packages: pip installs them when a task starts, unpinned",
    "registry_config": "registry_config: pushes use the host's docker configuration",
    "builder_config": "builder_config: no image of uv or micromamba is used",
}

_OURS = ("default", "imagelock")
"""Builders that mean no other one: flytekit's default is filled in where none was asked."""


def imported_fields(
    label: str, fields: Mapping[str, Any], request: ImportRequest, *, folder: Path
) -> Imported:
    """``folder`` is the one that the fields' paths are relative to. UsageError for wrong fields."""
    held = {name: value for name, value in fields.items() if value is not None}
    left = [name for name in _WARNED if held.get(name) and held[name] not in _OURS]
    if "builder" in left or "builder_options" in left:
        held = {name: held[name] for name in held if not name.startswith("builder")}
    elif held.get("builder") in _OURS:
        del held["builder"]
    if mode := held.get("source_copy_mode"):
        held["source_copy_mode"] = SOURCE_MODES.get(str(mode).upper().replace("-", "_"), str(mode))
    if held.get("source_copy_mode") and not held.get("source_root"):
        # Registration gives it then: the folder of the code.
        held["source_root"] = str(folder)
    for name in ("requirements", "source_root"):
        if name in held:
            held[name] = request.relative(folder / str(held[name]))
    held["install_project"] = held.get("install_project") and request.relative(folder)
    try:
        document = document_of_fields({**held, "copy": None})
        copies = document_of_fields({"copy": held.get("copy")}).get("copy", [])
    except RuleBroken as error:
        raise UsageError(
            error.message, where=f"{request.path}: {label}: {error.key}", hint=error.hint
        ) from None
    except (AttributeError, TypeError, ValueError):  # a module may put anything into a field
        raise UsageError("a field has a wrong type", where=f"{request.path}: {label}") from None
    if copies:
        document["copy"] = [
            {**rule, "from": request.relative(folder / rule["from"])} for rule in copies
        ]
    return Imported(
        label=label,
        document=_named(document, held),
        remarks=tuple(remarks_of_fields(held).items()),
        left_behind=tuple(_WARNED[name] for name in left),
    )


def _named(document: Document, fields: Mapping[str, Any]) -> Document:
    """Flytekit's default name says nothing: the label is the name then."""
    if fields.get("name"):
        return document
    return {key: value for key, value in document.items() if key != "name"}
