"""From a file to a spec on disk: read, checked as the parser would, written whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagelock.app.files import read_file, write_whole
from imagelock.app.importing.model import Imported, ImportRequest
from imagelock.app.importing.readers import reader_for
from imagelock.model.errors import UsageError
from imagelock.spec import spec_of_document
from imagelock.spec.document import LARGEST_LOCK, decode_text
from imagelock.spec.image_spec import remark_lines
from imagelock.spec.image_spec.fields import DEFAULT_BASE
from imagelock.spec.write import spec_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """One spec that was written, and what of its origin it does not say."""

    path: Path
    label: str
    left_behind: tuple[str, ...]


def import_file(
    request: ImportRequest, *, output: Path | None, label: str | None = None, force: bool = False
) -> tuple[ImportOutcome, ...]:
    """Write the specs of a file. Nothing is written when any of them is wrong.

    ``output`` is for a file that holds one spec, or for the one called ``label``; without it that
    is ``image.toml``, and several specs are called after their labels. UsageError for a file that
    is there already, unless ``force``; SpecError for what no spec may say.
    """
    data = read_file(request.path, "file", hint="check the path")
    text = decode_text(data, source=str(request.path), largest=LARGEST_LOCK)
    found = reader_for(request.path, text).read(request, text)
    chosen = _chosen(found, label, request.path)
    if output is not None and len(chosen) > 1:
        listed = ", ".join(one.label for one in chosen)
        raise UsageError(
            f"the file holds {len(chosen)} specs: {listed}",
            where=str(request.path),
            hint="choose one with --spec, or leave --output away",
        )
    texts = {}
    for one in chosen:
        path = output or request.folder / f"{_stem(one, chosen)}.toml"
        if path.exists() and not force:
            hint = "name another file with --output, or overwrite it with --force"
            raise UsageError("there is a file already", where=str(path), hint=hint)
        texts[path] = (one, _text(one, request.path))
    for path, (_one, written) in texts.items():
        write_whole(path, written.encode())
    return tuple(
        ImportOutcome(path=path, label=one.label, left_behind=one.left_behind)
        for path, (one, _written) in texts.items()
    )


def _chosen(found: tuple[Imported, ...], label: str | None, path: Path) -> tuple[Imported, ...]:
    if label is None:
        return found
    chosen = tuple(one for one in found if one.label == label)
    if not chosen:
        listed = ", ".join(one.label for one in found)
        raise UsageError(f"there is no spec '{label}'; there are: {listed}", where=str(path))
    return chosen


def _stem(one: Imported, chosen: tuple[Imported, ...]) -> str:
    return one.label if len(chosen) > 1 else "image"


def _text(one: Imported, origin: Path) -> str:
    """The spec's text: canonical, with its remarks and what was left behind above it."""
    named = {"name": _name(one, origin), "base": dict(DEFAULT_BASE)}
    document: Mapping[str, object] = {**named, **one.document}
    where = f"{origin} ({one.label})" if one.label else str(origin)
    text = spec_text(spec_of_document(document, source=where))
    notes = "".join(f"# not carried over: {note}\n" for note in one.left_behind)
    return f"{notes}{remark_lines(dict(one.remarks))}{text}"


def _name(one: Imported, origin: Path) -> str:
    """A name that a repository may have, of the label or the file's."""
    candidate = re.sub(r"[^a-z0-9]+", "-", (one.label or origin.stem).lower()).strip("-")
    return candidate or "image"
