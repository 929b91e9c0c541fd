"""The fields that tables of pins share: checked texts, platforms, requirers, the artifact."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from imagelock.lock.checks import Wrong, absolute_path, artifact_path, contained_path
from imagelock.lock.kinds import Integer, Platforms, Text
from imagelock.lock.tables import Embedded, Field, Table, Tables
from imagelock.model.archives import Artifact
from imagelock.model.lock import Requirer
from imagelock.model.names import deb_name, digest, pip_name, sha256


def _pip_name(text: str) -> str:
    name = pip_name(text)
    if name != text:
        msg = f"expected a normalised name like '{name}', got '{text}'"
        raise Wrong(msg)
    return name


LINE: Final = Text(r"[^\x00-\x1f\x7f-\x9f]+", "a text of one line")
WORD: Final = Text(r"[^\x00-\x20\x7f-\xa0]+", "a text without spaces")
SHA256: Final = Text("[0-9A-Fa-f]{64}", "64 hex digits", check=sha256, says=True)
DIGEST: Final = Text("sha256:[0-9A-Fa-f]{64}", "a digest", check=digest, says=True)
CONTAINED: Final = Text(
    r"(?!(?:.*/)?\.{0,2}(?:/|$))[^\\\x00-\x1f\x7f]+",
    "a relative path",
    check=contained_path,
    says=True,
)
ARTIFACT_PATH: Final = Text(
    rf"\.|{CONTAINED.pattern}",
    "a relative path",
    check=artifact_path,
    says=True,
)
ABSOLUTE: Final = Text("/.*", "an absolute path", check=absolute_path, says=True)
DEB_NAME: Final = Text(r"[a-z0-9][a-z0-9+.-]+", "a Debian package name", check=deb_name, says=True)
DEB_VERSION: Final = Text(r"[A-Za-z0-9.+:~-]+", "a Debian version (Policy 5.6.12)")
PIP_NAME: Final = Text(
    r"[a-z0-9]+(?:-[a-z0-9]+)*", "a normalised name (PEP 503)", check=_pip_name, says=True
)
PIP_VERSION: Final = Text(r"[0-9A-Za-z.!+_-]+", "a version (PEP 440)")
MD5: Final = Text("[0-9a-f]{32}", "32 hex digits")
CONDA_TEXT: Final = Text(r"[0-9A-Za-z._!+~-]+", "a conda name, version or build")
ARCHITECTURE: Final = Text(r"[a-z0-9-]+", "an architecture")
SNAPSHOT: Final = Text(r"[0-9]{8}T[0-9]{6}Z", "a snapshot like '20261101T000000Z'")
ARCHIVE_NAME: Final = Text(r"[a-z0-9][a-z0-9._-]*", "the name of an archive")


def _requirer_identity(item: object) -> str:
    assert isinstance(item, Requirer)
    return f"{item.name} {item.specifier}"


def identity_of(*attributes: str) -> Callable[[object], str]:
    """What names an item in an error: the values of these attributes."""
    getters = tuple(map(attrgetter, attributes))

    def identity(item: object) -> str:
        values = (getter(item) for getter in getters)
        return " ".join(
            ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for value in values
        )

    return identity


PLATFORMS: Final = Field(
    "platforms",
    "platforms",
    Platforms(),
    "The platforms it is for. Left out: all platforms of the lock.",
    everywhere=True,
)
REQUIRED_BY: Final = Field(
    "required-by",
    "required_by",
    Tables(
        Table(
            Requirer,
            Field(
                "name",
                "name",
                LINE,
                "A package, or '<spec>', '<base>' (bootstrapped) or '<python>' (for pip).",
            ),
            Field("specifier", "specifier", LINE, "The constraint it put on the package."),
            identity=_requirer_identity,
        )
    ),
    "Why it is here: who requires it, and how.",
)
ARTIFACT: Final = Embedded(
    "artifact",
    Table(
        Artifact,
        Field(
            "archive", "archive", ARCHIVE_NAME, "The archive: a well-known name, or [[archive]]'s."
        ),
        Field("path", "path", ARTIFACT_PATH, "The path in the archive, not quoted."),
        Field("sha256", "sha256", SHA256, "The hash of the file."),
        Field("size", "size", Integer(), "The size of the file, in bytes."),
    ),
)
