"""The metadata of sources, where it can be read without running anything (PEP 621, 643)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from imagelock.fetch.pypi.sdist import read_member
from imagelock.fetch.store import Store
from imagelock.model.archives import is_tree, located
from imagelock.model.errors import IntegrityError, NotFound
from imagelock.model.names import Sha256
from imagelock.resolve.pip.metadata import is_static, parse_metadata
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile

_DECIDING: Final = {"version", "dependencies", "optional-dependencies", "requires-python"}
"""What of a project's table must not be dynamic (PEP 621)."""


def static_metadata_of(store: Store) -> Callable[[IndexFile], CoreMetadata]:
    """Reads the static metadata of sources in a store; NotFound where a build must tell it."""

    def read(file: IndexFile) -> CoreMetadata:
        found = static_metadata(store, file)
        if found is None:
            raise NotFound(
                "has only an sdist whose metadata is known after a build (PEP 643)", where=file.url
            )
        return found

    return read


def static_metadata(store: Store, file: IndexFile) -> CoreMetadata | None:
    """What a source in the store says of every wheel built from it; None where it does not.

    PKG-INFO counts where it promises so (PEP 643), else pyproject.toml where nothing that decides
    is dynamic. IntegrityError for a source that cannot be read.
    """
    assert file.sha256 is not None
    path = store.path(Sha256(file.sha256))
    try:
        if is_sdist(file):
            info = read_member(path, file.filename, "PKG-INFO")
            if info is not None:
                found = parse_metadata(info)
                if is_static(found):
                    return found
        return _of_project(project_table(path, file))
    except ValueError as error:
        raise IntegrityError(f"cannot be read: {error}", where=file.url) from error


def is_sdist(file: IndexFile) -> bool:
    """Whether a source is an sdist; else it is a tree."""
    return not is_tree(located(file.url)[1])


def subfolder(file: IndexFile) -> str:
    """The folder of the project in its tree; empty for the top."""
    return located(file.url)[1].partition("/")[2] if not is_sdist(file) else ""


def project_table(path: Path, file: IndexFile) -> Mapping[str, Any]:
    """The pyproject.toml of a source, empty where it has none. ValueError for one that is none."""
    return project_table_of(path, located(file.url)[1])


def project_table_of(path: Path, name: str) -> Mapping[str, Any]:
    """The same by the path that an artifact has in its archive."""
    import tomllib

    if not is_tree(name):
        data = read_member(path, name, "pyproject.toml")
    else:
        folder = name.partition("/")[2]
        name = f"{folder}/pyproject.toml" if folder else "pyproject.toml"
        data = read_member(path, "tree.tar", name, top=False)
    return tomllib.loads(data.decode("utf-8")) if data is not None else {}


def _of_project(document: Mapping[str, Any]) -> CoreMetadata | None:
    project = document.get("project")
    if not isinstance(project, dict) or not isinstance(project.get("version"), str):
        return None
    if not isinstance(project.get("name"), str) or _DECIDING & set(project.get("dynamic", ())):
        return None
    required = [*project.get("dependencies", ())]
    extras = project.get("optional-dependencies", {})
    for extra, lines in extras.items():
        required += [_with_extra(line, extra) for line in lines]
    return CoreMetadata(
        name=project["name"],
        version=project["version"],
        requires_python=project.get("requires-python"),
        requires_dist=tuple(required),
        provides_extra=tuple(extras),
        metadata_version="2.2",
    )


def _with_extra(line: str, extra: str) -> str:
    """A requirement of an extra as METADATA has it."""
    body, separator, marker = line.partition(";")
    condition = f'extra == "{extra}"'
    if separator and marker.strip():
        return f"{body.strip()} ; ({marker.strip()}) and {condition}"
    return f"{body.strip()} ; {condition}"
