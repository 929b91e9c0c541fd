"""Every error a user can meet: a place, what was expected, what was found, the next step.

The exit codes are those of the contract (docs/architecture.md): a command line returns the
code of the error it ends with, and ``--json`` prints :meth:`ImagelockError.as_json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The process exit codes that scripts may rely on."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    NO_SOLUTION = 3
    NETWORK = 4
    INTEGRITY = 5
    BUILD_FAILED = 6
    INTERRUPTED = 130


class ImagelockError(Exception):
    """The root of all expected errors; never raised itself.

    ``message`` says what was expected and found, ``where`` names the place (a file with line
    and column, a package, a URL without credentials), ``hint`` the next step.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE
    code: ClassVar[str] = "usage"

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        step = f"\nhint: {self.hint}" if self.hint else ""
        return f"{place}{self.message}{step}"

    def as_json(self) -> dict[str, object]:
        """The object printed under ``error`` by ``--json``."""
        return {
            "code": self.code,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file a person wrote. Lines and columns count from 1; 0 is unknown."""

    source: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        position = f":{self.line}:{self.column}" if self.line else ""
        key = f" {self.path}:" if self.path else ""
        step = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.source}{position}:{key} {self.message}{step}"


class UsageError(ImagelockError):
    """The call is wrong: an unknown option value, a missing file, a lock of an unknown version."""


class SpecError(ImagelockError):
    """A spec or requirements file is wrong; carries every problem found, in file order."""

    code = "spec"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    def as_json(self) -> dict[str, object]:
        """As for every error, with one entry a problem besides."""
        first = self.problems[0]
        position = f":{first.line}:{first.column}" if first.line else ""
        return {
            "code": self.code,
            "message": self.message,
            "where": f"{first.source}{position}",
            "hint": first.hint,
            "problems": [
                {
                    "source": problem.source,
                    "line": problem.line,
                    "column": problem.column,
                    "path": problem.path,
                    "message": problem.message,
                    "hint": problem.hint,
                }
                for problem in self.problems
            ],
        }


class LockError(ImagelockError):
    """A lock file cannot be read: not TOML, a wrong field, an unknown major version."""

    code = "lock"


class CheckFailed(ImagelockError):
    """A question was answered with no: a stale lock, a different image."""

    exit_code = ExitCode.CHECK_FAILED
    code = "check"


class NoSolution(ImagelockError):
    """No set of packages satisfies what was asked."""

    exit_code = ExitCode.NO_SOLUTION
    code = "no-solution"


class NetworkError(ImagelockError):
    """An index, archive or registry could not be reached or did not answer properly."""

    exit_code = ExitCode.NETWORK
    code = "network"


class NotFound(NetworkError):
    """The server answered, and has no such thing (HTTP 404 or 410)."""

    code = "not-found"


class IntegrityError(ImagelockError):
    """A hash, size or signature is wrong, or an archive is unsafe."""

    exit_code = ExitCode.INTEGRITY
    code = "integrity"


class BuildError(ImagelockError):
    """The image cannot be built: a maintainer script failed, the sandbox or the disk said no."""

    exit_code = ExitCode.BUILD_FAILED
    code = "build"
