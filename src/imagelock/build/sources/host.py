"""What a lock must know of a source that only its build backend tells, asked on this machine.

The hooks of PEP 517 run in a process of their own, in an environment of exactly the given wheels,
with an environment of fixed variables, and without a network where the kernel lets us.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from imagelock.build.sources.history import ARCHIVAL, archival_text, version_variables
from imagelock.build.sources.unpack import source_entries, write_entries
from imagelock.layers.scheme import Scheme
from imagelock.layers.wheel import Wheel
from imagelock.model.errors import BuildError
from imagelock.model.names import PipName

T = TypeVar("T")

DEFAULT_BACKEND: Final = "setuptools.build_meta:__legacy__"
DEFAULT_REQUIRES: Final = ("setuptools>=40.8.0",)
"""What a source without a [build-system] is built with (PEP 517, Source trees)."""

_TAIL: Final = 2000
_SECONDS: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """The [build-system] table of a pyproject.toml (PEP 517, 518)."""

    requires: tuple[str, ...] = DEFAULT_REQUIRES
    backend: str = DEFAULT_BACKEND
    backend_path: tuple[str, ...] = ()


def build_system(document: Mapping[str, Any], where: str) -> BuildSystem:
    """The table of a document, or what stands for it. BuildError for one that is none."""
    table = document.get("build-system")
    if table is None:
        return BuildSystem()
    try:
        requires = tuple(map(str, table["requires"]))
        backend = str(table.get("build-backend", DEFAULT_BACKEND))
        return BuildSystem(
            requires=requires,
            backend=backend,
            backend_path=tuple(map(str, table.get("backend-path", ()))),
        )
    except (KeyError, TypeError, AttributeError):
        raise BuildError(
            "its pyproject.toml has a [build-system] without a list 'requires' (PEP 518)",
            where=where,
            hint="tell its maintainers, or use another version",
        ) from None


def backend_settings(settings: Iterable[str]) -> dict[str, str | list[str]]:
    """``KEY=VALUE`` settings as a backend is given them; a key that comes again has a list."""
    found: dict[str, str | list[str]] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        known = found.get(key)
        if known is None:
            found[key] = value
        else:
            found[key] = [*([known] if isinstance(known, str) else known), value]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWheel:
    """A wheel of the build environment."""

    name: PipName
    filename: str
    path: Path


class HostBuild:
    """An unpacked source and its build environment; use it as a context.

    ``settings`` is what its backend is told, ``KEY=VALUE`` each.
    """

    def __init__(
        self,
        folder: Path,
        system: BuildSystem,
        *,
        subfolder: str,
        where: str,
        settings: tuple[str, ...] = (),
    ) -> None:
        self._folder = folder
        self._system = system
        self._source = folder / "source" / subfolder
        self._where = where
        self._told = backend_settings(settings) or None
        self._variables: dict[str, str] = {}

    def with_history(self, write: Callable[[Path], None]) -> None:
        """Make the tree one of its repository; ``write`` is given its folder."""
        write(self._folder / "source")

    def pretend(self, version: str, commit: str) -> None:
        """Take the history away, and tell the version instead, as the image's build does."""
        shutil.rmtree(self._folder / "source/.git", ignore_errors=True)
        archival = self._folder / "source" / ARCHIVAL
        archival.unlink(missing_ok=True)
        archival.write_text(archival_text(commit))
        self._variables = version_variables(version)

    def install(self, wheels: Sequence[HostWheel]) -> None:
        """Put wheels into the environment."""
        prefix = str(self._folder / "environment")
        version = ".".join(map(str, sys.version_info[:3]))
        scheme = Scheme.of_venv(prefix, version)
        with ExitStack() as stack:
            for item in wheels:
                file = stack.enter_context(item.path.open("rb"))
                wheel = Wheel(
                    file,
                    name=item.name,
                    where=item.filename,
                    archive_size=item.path.stat().st_size,
                )
                write_entries(wheel.entries(scheme, requested=False), Path("/"))

    def requirements(self) -> tuple[str, ...]:
        """What the backend wants beside [build-system] requires to build a wheel."""
        hooks = self._hooks()
        asked = self._said(lambda: hooks.get_requires_for_build_wheel(self._told))
        return tuple(map(str, asked))

    def metadata(self) -> bytes:
        """The METADATA that a wheel of this source would have."""
        target = Path(tempfile.mkdtemp(prefix="metadata-", dir=self._folder))
        hooks = self._hooks()
        name = str(
            self._said(lambda: hooks.prepare_metadata_for_build_wheel(str(target), self._told))
        )
        return (target / name / "METADATA").read_bytes()

    def _said(self, hook: Callable[[], T]) -> T:
        from pyproject_hooks import (
            BackendUnavailable,
            HookMissing,
            UnsupportedOperation,
        )

        try:
            # A backend's warnings are for the project's maintainers.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return hook()
        except subprocess.CalledProcessError as error:
            reason = f"its build backend failed:\n{str(error.output)[-_TAIL:].strip()}"
        except subprocess.TimeoutExpired:
            reason = f"its build backend did not end within {_SECONDS} seconds"
        except BackendUnavailable as error:
            reason = (
                f"its build backend cannot be imported:\n{str(error.traceback)[-_TAIL:].strip()}"
            )
        except (HookMissing, UnsupportedOperation, OSError, ValueError, KeyError) as error:
            reason = f"its build backend cannot do it: {error}"
        raise BuildError(
            f"what it needs is not known without asking it, and {reason}",
            where=self._where,
            hint="name a version that has a wheel, or metadata that is static (PEP 643)",
        )

    def _hooks(self) -> Any:  # noqa: ANN401 — a class that is imported late
        from pyproject_hooks import BuildBackendHookCaller

        return BuildBackendHookCaller(
            str(self._source),
            self._system.backend,
            list(self._system.backend_path) or None,
            runner=self._run,
            python_executable=str(self._folder / "environment/bin/python"),
        )

    def _run(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        subprocess.run(
            [*_without_network(), *cmd],
            cwd=cwd,
            env={**self._environment(), **(extra_environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=True,
            timeout=_SECONDS,
        )

    def _environment(self) -> dict[str, str]:
        binaries = self._folder / "environment/bin"
        return {
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._folder / "home"),
            "TMPDIR": str(self._folder / "tmp"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            "PIP_NO_INDEX": "1",
            "SOURCE_DATE_EPOCH": "315532800",
            **self._variables,
        }


@contextmanager
def host_build(
    path: Path,
    filename: str,
    system: BuildSystem,
    *,
    tree: bool,
    subfolder: str,
    where: str,
    settings: tuple[str, ...] = (),
) -> Iterator[HostBuild]:
    """A source unpacked into a folder that is gone afterwards, with an empty environment."""
    with tempfile.TemporaryDirectory(prefix="imagelock-source-") as name:
        folder = Path(name).resolve()
        for inner in ("source", "home", "tmp"):
            (folder / inner).mkdir()
        with source_entries(path, filename, tree=tree) as entries:
            write_entries(entries, folder / "source")
        command = [sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")]
        subprocess.run(command, check=True, capture_output=True)
        if not (folder / "source" / subfolder).is_dir():
            raise BuildError(f"it has no folder '{subfolder}'", where=where)
        yield HostBuild(folder, system, subfolder=subfolder, where=where, settings=settings)


@cache
def _without_network() -> tuple[str, ...]:
    """A command before another that takes its network away; empty where that cannot be."""
    user = () if os.geteuid() == 0 else ("--user", "--map-current-user")
    command = ("unshare", *user, "--net", "--")
    try:
        done = subprocess.run([*command, "true"], capture_output=True, check=False)
    except OSError:
        return ()
    return command if done.returncode == 0 else ()
