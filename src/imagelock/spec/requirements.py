"""Requirements files, as pip documents them: requirements, includes, constraints and hashes.

The format is that of pip's "Requirements File Format". What is kept is what the files say, never
their bytes, so a comment or a CRLF changes nothing; what is not understood is an error.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from imagelock.model.errors import Problem, SpecError
from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec.document import LARGEST_FILE, LARGEST_LOCK, decode_text
from imagelock.spec.findings import quoted
from imagelock.spec.logical_lines import LogicalLine, logical_lines
from imagelock.spec.other_locks import is_lock_file, knows_extras, read_lock_file
from imagelock.spec.other_locks.choosing import NOTHING, Choosing
from imagelock.spec.requirement_line import (
    OPTION,
    long_name,
    not_read,
    read_requirement_line,
)
from imagelock.spec.requirements_options import (
    IS_SO_ANYWAY,
    Option,
    has_place_in_spec,
    option_value,
)
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_place import RELATIVE_PATH

_DEEPEST: Final = 50
"""So many files may stand between a spec and the last one that is included."""

_VARIABLE: Final = re.compile(r"\$\{[A-Z0-9_]+\}")
"""What pip would put a value of the environment in for."""


@dataclass(slots=True)
class _Gathered:
    """What a file and those it includes have said so far; ``seen`` are those read."""

    requirements: set[str] = field(default_factory=set)
    constraints: set[str] = field(default_factory=set)
    hashes: dict[str, set[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seen: set[tuple[str, bool]] = field(default_factory=set)


class RequirementsReader:
    """Reads requirements files through ``read_file``, which takes paths relative to the spec.

    ``folder`` is the spec's, put before the paths of problems.
    """

    def __init__(self, read_file: Callable[[str], bytes], *, folder: str = "") -> None:
        self._read_file = read_file
        self._folder = folder
        self._options: dict[str, list[Option]] = {}

    @property
    def options(self) -> tuple[Option, ...]:
        """The options of all files read, those of one file in its order."""
        return tuple(
            dict.fromkeys(item for path in sorted(self._options) for item in self._options[path])
        )

    def read(self, path: str, choosing: Choosing = NOTHING) -> RequirementsFile:
        """The file's content with its includes folded in.

        ``choosing`` is what is wanted of a lock. Raise RuleBroken when the file cannot be read,
        SpecError for problems in it.
        """
        if choosing.anything and not knows_extras(path):
            msg = f"expected a lock to choose extras and groups of, got {quoted(path)}"
            raise RuleBroken(msg, hint="export what you want of it as a requirements file")
        if is_lock_file(path):
            return read_lock_file(
                path,
                self._content(path, largest=LARGEST_LOCK),
                choosing=choosing,
                source=self._shown(path),
                read_beside=lambda name: self._content(
                    posixpath.join(posixpath.dirname(path), name)
                ),
            )
        gathered = _Gathered()
        self._gather(self._text(path), (path,), gathered, as_constraints=False)
        if gathered.problems:
            raise SpecError(tuple(gathered.problems))
        return RequirementsFile(
            path=path,
            requirements=tuple(sorted(gathered.requirements)),
            constraints=tuple(sorted(gathered.constraints)),
            hashes=tuple(
                (line, tuple(sorted(values))) for line, values in sorted(gathered.hashes.items())
            ),
        )

    def _text(self, path: str) -> str:
        if is_lock_file(path):
            msg = f"expected a requirements file, got the lock {quoted(path)}"
            raise RuleBroken(msg, hint="list it under [pip] requirements in the spec")
        if path.endswith((".toml", ".yml", ".yaml", ".cfg", ".py", ".json")):
            msg = f"expected a requirements file, got {quoted(path)}"
            raise RuleBroken(msg, hint="export it as a requirements file")
        return self._content(path)

    def _content(self, path: str, *, largest: int = LARGEST_FILE) -> str:
        try:
            data = self._read_file(path)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise RuleBroken(f"cannot read {quoted(path)}: {reason}") from None
        return decode_text(data, source=self._shown(path), largest=largest)

    def _shown(self, path: str) -> str:
        return posixpath.join(self._folder, path)

    def _gather(
        self, text: str, chain: tuple[str, ...], gathered: _Gathered, *, as_constraints: bool
    ) -> None:
        """Read every line of the last file of ``chain``, which the files before it include."""
        for line in logical_lines(text):
            try:
                self._line(line, chain, gathered, as_constraints=as_constraints)
            except RuleBroken as error:
                number, column = line.position(error.offset)
                problem = Problem(
                    source=self._shown(chain[-1]), line=number, column=column, path="",
                    message=error.message, hint=error.hint,
                )  # fmt: skip
                gathered.problems.append(problem)
            except SpecError as error:
                gathered.problems.extend(error.problems)

    def _line(
        self,
        line: LogicalLine,
        chain: tuple[str, ...],
        gathered: _Gathered,
        *,
        as_constraints: bool,
    ) -> None:
        start = len(line.text) - len(line.text.lstrip())
        if line.doubtful:
            hint = "tools differ on whether the next line then belongs to the comment"
            raise RuleBroken("expected no '\\' at the end of a comment", hint=hint, offset=start)
        if variable := _VARIABLE.search(line.text):
            hint = "a spec means the same everywhere, so they are not expanded"
            msg = f"expected no environment variable, got '{variable.group()}'"
            raise RuleBroken(msg, hint=hint, offset=variable.start())
        option = OPTION.match(line.text, start)
        if not option:
            self._requirement(line, start, chain, gathered, as_constraints=as_constraints)
            return
        name = long_name(option)
        if has_place_in_spec(name):
            self._keep_option(name, line, option.end(), chain)
            return
        if name in IS_SO_ANYWAY:
            return
        if name == "--editable" and not as_constraints:
            # An image is not edited: the project is installed as any other.
            self._requirement(line, option.end(), chain, gathered, as_constraints=False)
            return
        if name not in ("--requirement", "--constraint"):
            raise not_read(name, start)
        if as_constraints and name == "--requirement":
            hint = "tools differ on what it means there; include it from the file outside"
            raise RuleBroken("expected no '-r' in a constraints file", hint=hint, offset=start)
        is_constraint = name == "--constraint"
        value = _unquoted(line.text[option.end() :])
        try:
            self._include(value, chain, gathered, as_constraints=is_constraint)
        except RuleBroken as error:
            raise RuleBroken(error.message, hint=error.hint, offset=option.end()) from None

    def _keep_option(
        self, name: str, line: LogicalLine, start: int, chain: tuple[str, ...]
    ) -> None:
        try:
            value = option_value(name, _unquoted(line.text[start:]))
        except RuleBroken as error:
            raise RuleBroken(error.message, hint=error.hint, offset=start) from None
        self._keep(name, value, line.position(start), chain)

    def _keep(
        self, name: str, value: str, place: tuple[int, int], chain: tuple[str, ...], about: str = ""
    ) -> None:
        option = Option(
            name=name, value=value, about=about,
            source=self._shown(chain[-1]), line=place[0], column=place[1],
        )  # fmt: skip
        self._options.setdefault(chain[0], []).append(option)

    def _requirement(
        self,
        line: LogicalLine,
        start: int,
        chain: tuple[str, ...],
        gathered: _Gathered,
        *,
        as_constraints: bool,
    ) -> None:
        """Keep a requirement, its hashes, and what its build backend is told."""
        read = read_requirement_line(line.text, start, as_constraint=as_constraints)
        (gathered.constraints if as_constraints else gathered.requirements).add(read.requirement)
        if read.hashes:
            gathered.hashes.setdefault(read.requirement, set()).update(read.hashes)
        if read.settings:
            place = line.position(read.settings_at)
            told = "\n".join(read.settings)
            self._keep("--config-settings", told, place, chain, about=read.requirement)

    def _include(
        self, value: str, chain: tuple[str, ...], gathered: _Gathered, *, as_constraints: bool
    ) -> None:
        if "://" in value:
            raise RuleBroken(f"a file from a URL, {quoted(value)}, is not supported yet")
        relative = str(RELATIVE_PATH.apply(value))
        path = posixpath.normpath(posixpath.join(posixpath.dirname(chain[-1]), relative))
        if path in chain:
            circle = " → ".join((*chain[chain.index(path) :], path))
            raise RuleBroken(f"expected no file that includes itself, got {circle}")
        if len(chain) >= _DEEPEST:
            raise RuleBroken(f"expected at most {_DEEPEST} files that include one another")
        if (path, as_constraints) in gathered.seen:
            return
        gathered.seen.add((path, as_constraints))
        text = self._text(path)
        self._gather(text, (*chain, path), gathered, as_constraints=as_constraints)


def _unquoted(value: str) -> str:
    """A file name as a shell would read it, where it is quoted as a whole."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value
