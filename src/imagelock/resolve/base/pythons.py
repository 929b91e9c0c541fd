"""The Pythons of an image, with their exact patch; none is ever run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from imagelock.model.python import FoundPython
from imagelock.model.python_packages import upstream_version
from imagelock.resolve.base.tree import Captured, Tree

_EXECUTABLE: Final = re.compile(r"(?P<prefix>.*?)/?bin/python(?P<minor>3\.\d+)\Z")
_PATCHLEVEL: Final = re.compile(rb'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)
_CONDA_META: Final = re.compile(r"conda-meta/python-(3\.\d+\.[0-9a-z]+)-[^/]+\.json\Z")
_NOT_OURS: Final = re.compile(r"(?:root|home|tmp|.*/pkgs)/|.*/\.")
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def found_pythons(
    tree: Tree, *, packages: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[FoundPython, ...]:
    """The CPythons of an image, those on its PATH first and in its order.

    The version is the interpreter's own word, else that of its shared library, header, conda
    record or Debian package; PYTHON_VERSION only decides where nothing else speaks.
    Interpreters in home and cache folders count only when PATH names their folder.
    """
    path = environment.get("PATH") or DEFAULT_PATH
    folders = [tree.resolve(folder) for folder in path.split(":") if folder.startswith("/")]
    order = {folder: number for number, folder in reversed(list(enumerate(folders)))}
    found = []
    for name, file in tree.files():
        match = _EXECUTABLE.match(name)
        folder = name.rpartition("/")[0]
        if match is None or not file.executable:
            continue
        if folder not in order and _NOT_OURS.match(name):
            continue
        candidates = _versions(tree, file, match["prefix"], match["minor"])
        if folder == "usr/bin":
            package = packages.get(f"python{match['minor']}-minimal", "")
            candidates.append(upstream_version(package) or "")
        candidates.append(environment.get("PYTHON_VERSION", ""))
        fitting = (text.rstrip("+") for text in candidates if text.startswith(f"{match['minor']}."))
        version = next(fitting, None)
        if version is not None:
            rank = (order.get(folder, len(order)), folder, _minor_key(match["minor"]))
            python = FoundPython(
                version=version, executable=f"/{name}", links=_links(tree, name, folders)
            )
            found.append((rank, python))
    default = _default_minors(tree, folders)
    found.sort(key=lambda pair: (pair[0][0], pair[1].executable not in default, pair[0]))
    pythons = tuple(python for _rank, python in found)
    return (*pythons, *_venvs(tree, pythons))


def _links(tree: Tree, name: str, folders: list[str | None]) -> tuple[str, ...]:
    """The paths in its folder and in those of PATH that lead to an interpreter."""
    places = dict.fromkeys((name.rpartition("/")[0], *(folder for folder in folders if folder)))
    paths = (f"{place}/{link}" for place in places for link in ("python", "python3"))
    return tuple(sorted(f"/{path}" for path in paths if tree.resolve(path) == name))


def _venvs(tree: Tree, pythons: tuple[FoundPython, ...]) -> tuple[FoundPython, ...]:
    """The virtual environments over these interpreters (PEP 405), by the path of their own."""
    by_path = {python.executable: python for python in pythons}
    found = []
    for name, _file in tree.files():
        prefix, _, file = name.rpartition("/")
        if file != "pyvenv.cfg":
            continue
        links = {f"/{prefix}/bin/{link}" for link in ("python", "python3")}
        over = next((by_path.get(f"/{tree.resolve(link[1:])}") for link in sorted(links)), None)
        if over is not None:
            path = f"/{prefix}/bin/python"
            minor = f"/{prefix}/bin/python{'.'.join(over.version.split('.')[:2])}"
            others = tuple(sorted({*links, minor} - {path}))
            found.append(
                FoundPython(version=over.version, executable=path, links=others, venv=True)
            )
    return tuple(found)


def _minor_key(minor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in minor.split("."))


def _default_minors(tree: Tree, folders: list[str | None]) -> set[str]:
    """What ``python3`` means in each folder of PATH: it goes before its neighbours."""
    named = {tree.resolve(f"{folder}/python3") for folder in folders if folder}
    return {f"/{path}" for path in named if path}


def _versions(tree: Tree, file: Captured, prefix: str, minor: str) -> list[str]:
    """What an interpreter and the files beside it say of its version, the surest first."""
    start = f"{prefix}/" if prefix else ""
    candidates = [*file.found, *_library_versions(tree, start, minor)]
    header = tree.file(f"{start}include/python{minor}/patchlevel.h")
    match = _PATCHLEVEL.search(header.data) if header else None
    if match:
        candidates.append(match[1].decode("ascii", "replace"))
    for name, _file in tree.files():
        record = _CONDA_META.search(name)
        if record and name == f"{start}{record[0]}":
            candidates.append(record[1])
    return candidates


def _library_versions(tree: Tree, start: str, minor: str) -> list[str]:
    ending = f"/libpython{minor}.so.1.0"
    return [
        version
        for name, file in tree.files()
        if name.startswith(f"{start}lib") and name.endswith(ending)
        for version in file.found
    ]
