"""An ImageSpec as a spec's text and the way back; and its id."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from imagelock.image_spec.checks import FieldError, copy_mode
from imagelock.image_spec.frozen import thawed
from imagelock.image_spec.place import Place, relative
from imagelock.model.spec import DistributionBase, ImageBase, LayoutBase, Spec, SpecBase
from imagelock.spec import spec_of_document
from imagelock.spec.document import decode_text, parse_document
from imagelock.spec.image_spec import (
    document_of_fields,
    fields_of_document,
    read_remarks,
    remark_lines,
    remarks_of_fields,
)
from imagelock.spec.image_spec.fields import SOURCE_MODES
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_direct import local_text
from imagelock.spec.rules_pip import REQUIREMENT
from imagelock.spec.write import base_document, spec_document, spec_text

if TYPE_CHECKING:
    from imagelock.image_spec.spec import ImageSpec

Document = dict[str, Any]

_OWN: Final = frozenset({"lock_file", "force", "place"})
_NOT_IN_ID: Final = ("name", "registry", "tag-format", "builder", "source", "secret")
_LOCAL: Final = re.compile(r"((?:[^@]* @ )?(?:git\+)?)(\.\.?(?=/|$)[^\s\[#]*)")
"""A requirement in its normal form that names a path: what stands before it, and the path."""
_WORDS: Final = {word: mode for mode, word in SOURCE_MODES.items()}


def text_of(spec: ImageSpec) -> str:
    """The canonical TOML of an ImageSpec, the fields that no image holds as remarks above it."""
    parsed = parsed_spec(spec, document_of(spec))
    return remark_lines(thawed(remarks_of_fields(_fields(spec)))) + spec_text(parsed)


def parsed_spec(spec: ImageSpec, document: Document, *, read: bool = False) -> Spec:
    """The document as a Spec, the files it names read or only named.

    SpecError names the ImageSpec and the keys.
    """
    if not read:
        return spec_of_document(document, source=where(spec))
    from imagelock.app.files import SpecFiles

    folder = spec.folder
    return spec_of_document(
        document,
        source=where(spec),
        read_file=lambda path: (folder / path).read_bytes(),
        files=SpecFiles(folder),
    )


def where(spec: ImageSpec) -> str:
    """How messages call an ImageSpec."""
    return f"ImageSpec '{spec.name}'"


def document_of(spec: ImageSpec, *, folder: Path | None = None) -> Document:
    """TOML data, its paths relative to ``folder`` (default: the ImageSpec's).

    FieldError for what no spec can say.
    """
    assert spec.place is not None
    home = folder or spec.folder
    fields = _fields(spec)
    for name in ("requirements", "source_root"):
        if fields.get(name) is not None:
            fields[name] = relative(_absolute(spec.place.folder / fields[name]), home)
    if spec.packages and home != spec.place.folder:
        fields["packages"] = [_package(line, spec.place.folder, home) for line in spec.packages]
    if spec.install_project:
        fields["install_project"] = relative(spec.place.folder, home)
    if spec.source_copy_mode is not None:
        fields["source_copy_mode"] = SOURCE_MODES[spec.source_copy_mode.name]
    if spec.base_image is not None:
        fields["base_image"] = _base(spec.base_image, spec.place.folder, home)
    try:
        document = document_of_fields(fields)
    except RuleBroken as error:
        raise FieldError(
            error.message, where=f"{where(spec)}: {error.key}", hint=error.hint
        ) from None
    if spec.copy and home != spec.place.folder:
        for rule in document["copy"][: len(spec.copy)]:
            rule["from"] = relative(_absolute(spec.place.folder / rule["from"]), home)
    return document


def identity_of(spec: ImageSpec) -> str:
    """The id: a hash over the meaning, from the fields alone, without any file."""
    assert spec.place is not None
    requirements = spec.requirements
    if requirements is not None and os.path.isabs(requirements):  # noqa: PTH117
        # Written as an absolute path it differs between the host and the container.
        requirements = os.path.basename(requirements)  # noqa: PTH119
    plain = dataclasses.replace(
        spec, source_root=None, source_copy_mode=None, requirements=requirements
    )
    document = document_of(plain, folder=spec.place.folder)
    document.pop("source", None)
    if spec.requirements is not None:
        document["pip"]["requirements"] = [os.path.basename(spec.requirements)]  # noqa: PTH119
    base: object = spec.base_image
    if is_image_spec(base):
        document["base"] = {"spec": base.id}  # type: ignore[attr-defined]
    meant = spec_document(parsed_spec(spec, document))
    meant = {key: value for key, value in meant.items() if key not in _NOT_IN_ID}
    text = json.dumps(meant, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_image_spec(value: object) -> bool:
    """Whether a base is an ImageSpec."""
    from imagelock.image_spec.spec import ImageSpec

    return isinstance(value, ImageSpec)


def spec_of(spec: str | Path, caller: Place, given: Mapping[str, Any]) -> ImageSpec:
    """The ImageSpec of a text made at ``caller``, or of a file."""
    from imagelock.image_spec.spec import ImageSpec

    text, place, more = _read(spec, caller)
    document = parse_document(text, source=str(spec) if isinstance(spec, Path) else "<spec>")
    parsed = spec_of_document({**more, **document}, source=f"{spec}" if more else "<spec>")
    fields = fields_of_document(spec_document(parsed))
    if mode := fields.get("source_copy_mode"):
        fields["source_copy_mode"] = copy_mode(_WORDS[mode])
    if isinstance(fields.get("base_image"), Mapping):
        fields["base_image"] = parsed.base
    if more:
        fields["lock_file"] = Path(spec).with_suffix(".lock").name
    return ImageSpec(**{"place": place, **fields, **read_remarks(text), **given})


def _read(spec: str | Path, caller: Place) -> tuple[str, Place, Document]:
    """A text, where it is, and the name that its file gives it."""
    if isinstance(spec, str) and ("\n" in spec or not spec.endswith(".toml")):
        return spec, caller, {}
    path = caller.folder / spec
    text = decode_text(path.read_bytes(), source=str(spec))
    return text, Place(path.parent, path.stem), {"name": path.stem.lower()}


def _fields(spec: ImageSpec) -> Document:
    """The fields that a spec has a place for, as plain values."""
    names = (item.name for item in dataclasses.fields(spec) if item.name not in _OWN)
    return {
        name: value if name == "base_image" else thawed(value)
        for name in names
        if (value := getattr(spec, name)) is not None
    }


def _base(base: object, folder: Path, home: Path) -> str | Document:
    """The base as TOML data; paths relative to ``folder`` become relative to ``home``."""

    def moved(path: str) -> str:
        return relative(_absolute(folder / path), home)

    if isinstance(base, str):
        return f"oci:{moved(base[4:])}" if base.startswith("oci:") else base
    if isinstance(base, LayoutBase):
        return {"layout": f"oci:{moved(base.layout.removeprefix('oci:'))}"}
    if isinstance(base, SpecBase):
        return {"spec": moved(base.spec)}
    if isinstance(base, ImageBase | DistributionBase):
        return base_document(base)
    if not is_image_spec(base):
        raise FieldError(
            f"base_image must be a string, an ImageSpec or a base, got {type(base).__name__}",
            where="ImageSpec: base_image",
        )
    return {"spec": relative(base.lock_path, home)}  # type: ignore[attr-defined]


def _package(line: str, folder: Path, home: Path) -> str:
    """A requirement, its relative path as seen from ``home``; what is none is the parser's."""
    try:
        text = str(REQUIREMENT.apply(line))
    except RuleBroken:
        return line
    match = _LOCAL.match(text)
    if match is None:
        return line
    moved = local_text(relative(_absolute(folder / unquote(match[2])), home))
    return f"{match[1]}{moved}{text[match.end() :]}"


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (links are kept: as the person named it)
