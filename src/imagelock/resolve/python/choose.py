"""Which interpreter an image's pip packages are for, and what must be installed to have it.

Order of preference: a fitting Python of the base itself, in the order of its PATH; the suite's
default ``python3``; another ``python3.X`` of the suite. Never the host's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from imagelock.model.base import BaseContents
from imagelock.model.errors import NoSolution
from imagelock.model.lock import AptPin, PythonPin, PythonProvider
from imagelock.model.platform import Platform
from imagelock.model.python import FoundPython
from imagelock.model.python_packages import pythons_of_packages, upstream_version

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

Available = Callable[[str], str | None]
"""The version of a Debian package that could be installed, or None."""

_OF_DEBIAN: Final = re.compile(r"/usr/bin/python3?(\.\d+)?\Z")
_MINORS: Final = tuple(f"3.{minor}" for minor in range(40, 5, -1))


def python_roots(
    wanted: str | None,
    contents: BaseContents,
    available: Available,
    *,
    executable: str | None = None,
) -> tuple[str, ...]:
    """The Debian packages to add so that the image has a fitting interpreter.

    Empty when the base has one (called ``executable``, if that is given); ``python3`` when it is
    the suite's default that fits, else ``python3.X``. NoSolution, with the versions there are,
    when nothing fits.
    """
    specifiers = _specifiers(wanted)
    candidates = _named(contents.pythons, executable)
    if any(_fits(python.version, specifiers) for python in candidates):
        return ()
    if executable is not None and not _OF_DEBIAN.match(executable):
        raise _not_there(executable, wanted, contents.pythons)
    offered: list[str] = []
    for name in ("python3", *(f"python{minor}" for minor in _MINORS)):
        version = _exact(name, available)
        if version is not None and version not in offered:
            offered.append(version)
            if _fits(version, specifiers):
                return (name,)
    raise _nothing_fits(wanted, contents.pythons, offered)


def choose_python(
    wanted: str | None,
    contents: BaseContents,
    packages: Iterable[AptPin],
    platform: Platform,
    *,
    executable: str | None = None,
) -> PythonPin:
    """The interpreter of the image, once its packages are known. NoSolution when none fits.

    A Debian package of the image replaces what the base had under the same path. Only an
    interpreter called ``executable`` counts, if that is given.
    """
    specifiers = _specifiers(wanted)
    pins = tuple(packages)
    from_apt = {python.executable: python for python in pythons_of_packages(pins)}
    in_base_set = {
        python.executable for python in pythons_of_packages(pin for pin in pins if pin.base)
    }
    of_base = [from_apt.get(python.executable, python) for python in contents.pythons]
    known = {python.executable for python in of_base}
    added = [python for path, python in from_apt.items() if path not in known]
    for python in _named((*of_base, *added), executable):
        if not _fits(python.version, specifiers):
            continue
        is_base = python.executable in in_base_set or (
            python.executable in known and python.executable not in from_apt
        )
        return PythonPin(
            version=python.version,
            implementation=python.implementation,
            provider=PythonProvider.BASE if is_base else PythonProvider.APT,
            executable=python.executable,
            platforms=(platform,),
        )
    if executable is not None:
        raise _not_there(executable, wanted, (*of_base, *added))
    raise _nothing_fits(wanted, (*of_base, *added), [])


def _named(pythons: Iterable[FoundPython], executable: str | None) -> tuple[FoundPython, ...]:
    """Those called so; without a name all but those of virtual environments.

    The path of an environment's own is also a link to the interpreter below, which is not meant.
    """
    if executable is None:
        return tuple(python for python in pythons if not python.venv)
    called = [python for python in pythons if executable in {python.executable, *python.links}]
    return tuple(sorted(called, key=lambda python: not python.venv))


def _exact(name: str, available: Available) -> str | None:
    """The Python version that installing a Debian package gives.

    ``python3`` only depends on a minor version; the exact patch is that package's.
    """
    version = available(name)
    if version is None:
        return None
    upstream = upstream_version(version)
    if name != "python3" or upstream is None:
        return upstream
    minor = ".".join(upstream.split(".")[:2])
    exact = available(f"python{minor}")
    return upstream_version(exact) if exact is not None else None


def _specifiers(wanted: str | None) -> SpecifierSet | None:
    """``3.12`` means any 3.12, ``3.12.4`` that patch; anything else is a specifier (PEP 440)."""
    if wanted is None:
        return None
    from packaging.specifiers import SpecifierSet

    if wanted[0].isdigit():
        is_exact = wanted.count(".") >= 2 or not wanted.replace(".", "").isdigit()
        return SpecifierSet(f"=={wanted}" if is_exact else f"=={wanted}.*")
    return SpecifierSet(wanted)


def _fits(version: str, specifiers: SpecifierSet | None) -> bool:
    """Whether a version is asked for; a pre-release of an interpreter only when it is named."""
    if specifiers is None:
        from packaging.version import Version

        return not Version(version).is_prerelease
    return specifiers.contains(version, prereleases=bool(specifiers.prereleases))


def _nothing_fits(
    wanted: str | None, found: Iterable[FoundPython], offered: list[str]
) -> NoSolution:
    has = [f"{python.version} ({python.executable})" for python in found]
    in_base = f"the base has {', '.join(has)}" if has else "the base has none"
    in_suite = f"its packages offer {', '.join(offered)}" if offered else "its packages offer none"
    asked = f"Python {wanted}" if wanted else "a Python"
    return NoSolution(
        f"expected {asked}, but {in_base} and {in_suite}",
        where="python",
        hint="choose another `python`, or a base that has it, such as "
        f"image = 'python:{_minor_of(wanted)}-slim' or another distribution",
    )


def _not_there(executable: str, wanted: str | None, found: Iterable[FoundPython]) -> NoSolution:
    has = [f"{python.version} ({python.executable})" for python in found]
    asked = f"Python {wanted} as " if wanted else ""
    return NoSolution(
        f"expected {asked}'{executable}', but the image has {', '.join(has) or 'no Python'}",
        where="pip.python-exec",
        hint="name one of these, or leave `python-exec` away to install into an environment",
    )


def _minor_of(wanted: str | None) -> str:
    return wanted if wanted and wanted[0].isdigit() else "3"
