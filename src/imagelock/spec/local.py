"""What a spec names beside itself: files and project folders, by their place and their content.

Absolute paths become relative ones, a project's folder gets the name that its pyproject.toml gives
(PEP 621, else Poetry's own table), and what each held is kept by hash, so that a change of it makes
the lock stale.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Protocol
from urllib.parse import unquote

from imagelock.model.archives import is_local, local_path, local_reference
from imagelock.model.conda import normal_channel, parse_match_spec
from imagelock.model.errors import Problem, SpecError
from imagelock.model.names import Sha256, pip_name
from imagelock.model.pip_spec import LocalContent, PipSpec, RequirementsFile
from imagelock.model.spec import CondaSpec
from imagelock.spec.findings import quoted
from imagelock.spec.rules_direct import direct_name, local_text

_PLACE: Final = re.compile(r"\.\.?(?=/|$|[\s\[#])[^\s\[]*")
_FILE_URL: Final = re.compile(r"(?<![^\s+])file:(///[^\s@#\[]*)")
"""An absolute path in a requirement, also that of a git repository."""


class LocalFiles(Protocol):
    """What is asked of the spec's folder; every path is relative to it. OSError where it fails."""

    def relative(self, path: str) -> str:
        """An absolute path as seen from the spec's folder, POSIX and normal."""
        ...

    def digest(self, path: str) -> Sha256:
        """The hash of a file, or of the tar that a project's folder is packed as."""
        ...


def with_local_content(
    pip: PipSpec,
    *,
    files: LocalFiles | None,
    read_file: Callable[[str], bytes],
    source: str,
) -> PipSpec:
    """The table with all that is local in its final form. SpecError names what cannot be read."""
    lines = {*pip.all_requirements, *pip.all_overrides}
    folders = (pip.index, *pip.extra_indexes, *pip.find_links)
    if not any(_is_local_line(line) for line in lines) and not any(
        item.startswith("file:") for item in folders
    ):
        return pip
    if files is None:
        raise _problem(source, "paths can be read only where the spec's folder is known")
    maker = _Maker(files, read_file, source)
    made = replace(
        pip,
        packages=maker.all(pip.packages),
        overrides=maker.all(pip.overrides),
        requirements=tuple(maker.file(file) for file in pip.requirements),
        index=maker.place(pip.index),
        extra_indexes=tuple(map(maker.place, pip.extra_indexes)),
        find_links=tuple(map(maker.place, pip.find_links)),
        config_settings=maker.settings(pip.config_settings),
    )
    return replace(made, local=maker.content({*made.all_requirements, *made.all_overrides}))


def with_local_channels(conda: CondaSpec, *, files: LocalFiles | None, source: str) -> CondaSpec:
    """The table with absolute folders as seen from the spec's. SpecError where that is unknown."""
    absolute = [channel for channel in conda.channels if channel.startswith("file:")]
    if not absolute:
        return conda
    if files is None:
        message = "absolute paths can be read only where the spec's folder is known"
        raise _problem(source, message, path="conda.channels")
    places: dict[str, str] = {}
    for channel in absolute:
        reference = local_reference(files.relative(unquote(channel.removeprefix("file://"))))
        climbs = reference.startswith("../")
        places[channel] = normal_channel(reference if climbs else f"./{reference}")
    return replace(
        conda,
        channels=tuple(dict.fromkeys(places.get(item, item) for item in conda.channels)),
        packages=tuple(sorted({_relocated(text, places) for text in conda.packages})),
    )


def _relocated(text: str, places: dict[str, str]) -> str:
    spec = parse_match_spec(text)
    return str(replace(spec, channel=places.get(spec.channel, spec.channel)))


def _is_local_line(line: str) -> bool:
    url = _url_of(line)
    return url is not None and (is_local(url) or "file:" in url)


def _url_of(line: str) -> str | None:
    """The URL of a requirement that has one; a path that stands alone is one."""
    if line.startswith((".", "file:")):
        return line
    _name, at, rest = line.partition(" @ ")
    return rest.partition(" ;")[0] if at else None


class _Maker:
    def __init__(self, files: LocalFiles, read_file: Callable[[str], bytes], source: str) -> None:
        self._files = files
        self._read_file = read_file
        self._source = source

    def all(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Requirements in their final form, sorted."""
        return tuple(sorted({self.line(line) for line in lines}))

    def file(self, file: RequirementsFile) -> RequirementsFile:
        """A requirements file likewise."""
        return replace(
            file,
            requirements=self.all(file.requirements),
            overrides=self.all(file.overrides),
            hashes=tuple(sorted((self.line(line), hashes) for line, hashes in file.hashes)),
        )

    def settings(
        self, given: Iterable[tuple[str, tuple[str, ...]]]
    ) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What build backends are told, each by its project's name. SpecError for two ways."""
        found: dict[str, tuple[str, ...]] = {}
        for place, told in sorted(given):
            name = direct_name(self.line(place))
            if found.setdefault(name, told) != told:
                message = f"expected one way to build '{name}', got other settings of it elsewhere"
                raise _problem(self._source, message, "keep one of them", "pip.config-settings")
        return tuple(sorted(found.items()))

    def place(self, text: str) -> str:
        """A folder or page, relative."""
        return _FILE_URL.sub(self._relative, text)

    def line(self, line: str) -> str:
        """A requirement with a name and a relative path."""
        line = self.place(line) if _is_local_line(line) else line
        if not line.startswith("."):
            return line
        match = _PLACE.match(line)
        assert match is not None
        rest = line[match.end() :]
        extras, separator, marker = rest.partition(" ; ")
        return f"{self._name(match[0])}{extras} @ {match[0]}{separator}{marker}"

    def content(self, lines: Iterable[str]) -> tuple[LocalContent, ...]:
        """The content of every file and project that requirements name, sorted by path."""
        urls = (_url_of(line) for line in lines)
        places = {url.partition("#")[0] for url in urls if url is not None and is_local(url)}
        found = []
        for place in sorted(places):
            try:
                digest = self._files.digest(local_path(place))
            except OSError as error:
                reason = (error.strerror or type(error).__name__).lower()
                raise _problem(self._source, f"cannot read {quoted(place)}: {reason}") from None
            found.append(LocalContent(path=place, sha256=digest))
        return tuple(found)

    def _relative(self, match: re.Match[str]) -> str:
        path = "/" + unquote(match[1]).lstrip("/")
        return local_text(posixpath.normpath(self._files.relative(path)))

    def _name(self, place: str) -> str:
        """The name that a project's folder gives itself."""
        import tomllib

        path = posixpath.join(local_path(place), "pyproject.toml")
        hint = f"write 'NAME @ {place}'"
        try:
            tables = tomllib.loads(self._read_file(path).decode())
            older = tables.get("tool", {}).get("poetry", {})
            return pip_name(tables.get("project", older).get("name", older.get("name")))
        except OSError:
            msg = f"expected the project's name in {quoted(place)}, which has no pyproject.toml"
        except (ValueError, KeyError, TypeError, AttributeError):
            msg = f"expected the project's name in {quoted(path)}, under [project]"
        raise _problem(self._source, msg, hint)


def _problem(source: str, message: str, hint: str = "", path: str = "pip") -> SpecError:
    return SpecError(
        (Problem(source=source, line=0, column=0, path=path, message=message, hint=hint),)
    )
