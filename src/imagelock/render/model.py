"""The nouns of rendering: what is known before, and what a context holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagelock.model.archives import Artifact
from imagelock.model.plan import AnyStep
from imagelock.model.platform import Platform
from imagelock.model.spec import Secret

PLACE: Final = "/run/imagelock"
"""Where a step finds its folder of the context."""

UV_PLACE: Final = "/run/imagelock-uv"
"""Where steps with wheels find uv."""


class Dialect(StrEnum):
    """Who reads the Dockerfile.

    ``docker``: any engine, the classic builder too. ``buildkit``: mounts and secrets.
    ``podman``: as docker's, with secrets.
    """

    DOCKER = "docker"
    BUILDKIT = "buildkit"
    PODMAN = "podman"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbing:
    """What installs write by the clock or chance, as extended regular expressions (POSIX).

    They match whole paths without a leading slash. ``dropped`` are removed again, ``emptied`` keep
    an empty file, ``hidden`` are folders at the root that nothing may add to.
    """

    dropped: tuple[str, ...]
    emptied: tuple[str, ...]
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A step with what only its artifacts tell.

    ``epoch`` is the newest time of its layer, or of those below for a step without its own, in
    seconds since 1970. For apt: ``commands`` in order, and ``texts`` of files to write before by
    path without a leading slash; ``marks`` is appended to apt's extended_states.
    """

    step: AnyStep
    epoch: int
    commands: tuple[tuple[str, ...], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    marks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How containers start: the whole config of the image (OCI image-spec, config.md).

    ``base_user`` is whom the base's own commands run as; ``extra`` are instructions that restate
    the rest of a base's config where the base is not named by FROM.
    """

    env: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    workdir: str = ""
    user: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    base_user: str = ""
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file of the context that is written here."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """An artifact, as it is, at a place of the context."""

    path: str
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFile:
    """A tar to make: the layer of a step that runs nothing, or (None) the base's layers as one."""

    path: str
    step: AnyStep | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction of a Dockerfile, with the title of the step of the plan it belongs to."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A Dockerfile and its context for the image of one platform, or of several.

    ``epoch`` is what SOURCE_DATE_EPOCH has to be. ``hashed`` names the folders of the context that
    need a list of the hashes of their files, SHA256SUMS, which the writer of the folder adds.
    """

    platforms: tuple[Platform, ...]
    head: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    texts: tuple[TextFile, ...]
    artifacts: tuple[ArtifactFile, ...]
    trees: tuple[TreeFile, ...]
    hashed: tuple[str, ...]
    secrets: tuple[Secret, ...]
    epoch: int

    @property
    def dockerfile(self) -> str:
        """The text: the head as comments, then each step under its title."""
        lines = [f"# {line}".rstrip() for line in self.head]
        title = ""
        for instruction in self.instructions:
            first = instruction.text.startswith("FROM ")
            if first or instruction.title != title:
                lines.append("")
            if instruction.title and instruction.title != title:
                lines.append(f"# {one_line(instruction.title)}")
            title = instruction.title
            lines.append(instruction.text)
        return "\n".join(lines) + "\n"


def one_line(text: str) -> str:
    """A text of others as the rest of a comment's line."""
    return "".join(character if character.isprintable() else " " for character in text)
