"""`source.mode = "loaded-modules"`: the modules of a source folder that its entries may load.

Decided from the text of the files, since a lock must build alone and nothing of a project is run:
a module is taken when an import statement of a taken module names it, wherever it stands, also
under a condition or in a function. So the answer holds every module that a run loads by statements
(and `import_module("…")` with a constant), and a few that it may not.
"""

from __future__ import annotations

import ast
import posixpath
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from imagelock.model.errors import Problem, SpecError

_IMPORTERS: Final = frozenset({"__import__", "import_module"})
_EXTENSIONS: Final = (".so", ".pyd")


def loaded_modules(
    files: Mapping[str, Callable[[], bytes]], entries: Sequence[str], *, root: str
) -> frozenset[str]:
    """The files, of those in a source folder, that the entries and what they import are made of.

    ``files`` are bytes by path relative to the folder ``root``; an entry is a Python file or a
    folder with some. Without entries it is every Python file directly in the folder. SpecError
    for an entry that is not there and a file that is no Python.
    """
    chosen = list(entries) or [path for path in files if "/" not in path and _is_python(path)]
    if not chosen:
        raise _problem("source.entry", f"there is no Python file in '{root}' to begin with",
                       hint='name what is started: entry = ["flows/train.py"]')  # fmt: skip
    graph = _Graph(files, root)
    for entry in sorted(chosen):
        graph.begin(posixpath.normpath(entry))
    return frozenset(graph.taken)


@dataclass(slots=True)
class _Graph:
    """Modules by path, found along import statements."""

    files: Mapping[str, Callable[[], bytes]]
    root: str
    taken: set[str] = field(default_factory=set)
    search: list[str] = field(default_factory=lambda: [""])

    def begin(self, entry: str) -> None:
        if entry in self.files and _is_python(entry):
            starts = [entry]
        else:
            lead = "" if entry == "." else f"{entry}/"
            starts = [path for path in self.files if path.startswith(lead) and _is_python(path)]
        if not starts:
            raise _problem("source.entry", f"'{entry}' is no Python file of '{self.root}', "
                           "nor a folder with any",
                           hint="is it left out by .gitignore or .dockerignore?")  # fmt: skip
        packages: list[str] = []
        for start in starts:
            folder = posixpath.dirname(start)
            # As Python does for a script: the folder it is in, above any package it is part of.
            while folder and f"{folder}/__init__.py" in self.files:
                packages.append(f"{folder}/__init__.py")
                folder = posixpath.dirname(folder)
            if folder not in self.search:
                self.search.append(folder)
        for start in (*packages, *starts):
            self._take(start)

    def _take(self, start: str) -> None:
        waiting = [start]
        while waiting:
            path = waiting.pop()
            if path in self.taken:
                continue
            self.taken.add(path)
            if _is_python(path):
                for module, names in self._imports(path):
                    waiting += self._found(module, names)

    def _imports(self, path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Pairs of an absolute module name and the names that are taken from it."""
        for node in ast.walk(self._parsed(path)):
            match node:
                case ast.Import(names=names):
                    yield from ((alias.name, ()) for alias in names)
                case ast.ImportFrom(module=module, names=names, level=level):
                    wanted = tuple(alias.name for alias in names)
                    for package in self._packages(path) if level else ("",):
                        parts = package.split(".") if package else []
                        kept = parts[: len(parts) - level + 1] if level else []
                        if not level or len(parts) >= level:
                            yield ".".join([*kept, *([module] if module else [])]), wanted
                case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]):
                    called = func.attr if isinstance(func, ast.Attribute) else func
                    called = called.id if isinstance(called, ast.Name) else called
                    if called in _IMPORTERS:
                        yield name, ()

    def _parsed(self, path: str) -> ast.Module:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.files[path](), filename=path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", 0) or 0
            raise _problem(
                f"{path}:{line}" if line else path,
                f"cannot be read as Python: {getattr(error, 'msg', error)}",
                hint="imagelock reads what the Python that runs it can read; or use mode = 'all'",
            ) from None

    def _packages(self, path: str) -> Iterator[str]:
        """The package that a file is in, as each folder of the search path names it."""
        folder = posixpath.dirname(path)
        for place in self.search:
            if not place:
                yield folder.replace("/", ".")
            elif folder == place or folder.startswith(f"{place}/"):
                yield folder.removeprefix(place).strip("/").replace("/", ".")

    def _found(self, module: str, names: tuple[str, ...]) -> Iterator[str]:
        """The files of a module and of the packages above it; of its submodules those named."""
        for place in self.search:
            where = place
            for part in module.split(".") if module else ():
                where = posixpath.join(where, part)
                yield from self._files_of(where)
            for name in names:
                if name == "*":
                    yield from self._starred(where)
                else:
                    yield from self._files_of(posixpath.join(where, name))

    def _files_of(self, module: str) -> Iterator[str]:
        for path in (f"{module}.py", f"{module}/__init__.py"):
            if path in self.files:
                yield path
        start = f"{module}."
        for path in self.files:
            is_extension = path.startswith(start) and path.endswith(_EXTENSIONS)
            if is_extension and "/" not in path[len(start) :]:
                yield path

    def _starred(self, package: str) -> Iterator[str]:
        """The submodules that a package's ``__all__`` names."""
        path = f"{package}/__init__.py"
        if path not in self.files:
            return
        for node in ast.walk(self._parsed(path)):
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                    | ast.AugAssign(target=ast.Name(id="__all__"), value=value)
                ):
                    for item in ast.walk(value):
                        if isinstance(item, ast.Constant) and isinstance(item.value, str):
                            yield from self._files_of(posixpath.join(package, item.value))


def _is_python(path: str) -> bool:
    return path.endswith(".py")


def _problem(path: str, message: str, *, hint: str = "") -> SpecError:
    problem = Problem(source="spec", line=0, column=0, path=path, message=message, hint=hint)
    return SpecError((problem,))
