"""The tables of what was chosen: every section of a lock, field by field, in written order."""

from __future__ import annotations

import dataclasses
from typing import Final

from imagelock.lock.checks import Wrong, archive_url
from imagelock.lock.fields import (
    ABSOLUTE,
    ARCHITECTURE,
    ARCHIVE_NAME,
    ARTIFACT,
    CONDA_TEXT,
    CONTAINED,
    DEB_NAME,
    DEB_VERSION,
    DIGEST,
    LINE,
    MD5,
    PIP_NAME,
    PIP_VERSION,
    PLATFORMS,
    REQUIRED_BY,
    SHA256,
    SNAPSHOT,
    WORD,
    identity_of,
)
from imagelock.lock.kinds import Choice, Flag, Integer, Moment, Text
from imagelock.lock.lists import Strings
from imagelock.lock.tables import Field, Table, Tables
from imagelock.model.archives import WELL_KNOWN_ARCHIVES, Archive
from imagelock.model.lock import (
    AptIndexPin,
    AptPin,
    AptRemoval,
    BaseKind,
    BasePin,
    BuiltWheel,
    CondaPin,
    ImageRecord,
    NoArch,
    PipBuildPin,
    PipPin,
    PythonPin,
    PythonProvider,
)
from imagelock.model.platform import Platform


def _own_archive(text: str) -> str:
    if text in WELL_KNOWN_ARCHIVES:
        msg = f"expected a name beside the well-known ones, got '{text}'"
        raise Wrong(msg)
    return text


def _built_identity(item: object) -> str:
    assert isinstance(item, BuiltWheel)
    return str(item.name)


ARCHIVE: Final = Table(
    Archive,
    Field("name", "name", Text(ARCHIVE_NAME.pattern, check=_own_archive), "Its name in this lock."),
    Field(
        "url",
        "url",
        Text(
            r"https?://[^\s/@?#]+/(?:[^\s?#]*/)?|(?!/)[^\s?#:\\]*/"
            r"|git\+(?:[^\s?#:/\\-][^\s?#:\\]*|https?://[^\s@?#]+|ssh://[^\s?#:]+(?::[0-9]+/[^\s?#]*)?)",
            check=archive_url,
            says=True,
        ),
        "Its URL, a folder relative to the context, or 'git+' and a repository.",
    ),
    identity=identity_of("name"),
    description="An archive that is not well known.",
)
BASE: Final = Table(
    BasePin,
    Field("kind", "kind", Choice(BaseKind), "Which of the four kinds of base it is."),
    Field("reference", "reference", LINE, "The base as the spec names it."),
    Field("variant", "variant", WORD, "The package set of a bootstrapped base."),
    Field("digest", "digest", DIGEST, "The platform's manifest, or the hash of the package set."),
    Field("libc", "libc", LINE, "The C library, like 'glibc 2.36'."),
    Field("dpkg-status", "dpkg_status", SHA256, "The hash of the base's dpkg status file."),
    PLATFORMS,
    identity=identity_of("digest", "platforms"),
    description="The base image on one platform.",
)
APT_INDEX: Final = Table(
    AptIndexPin,
    Field("archive", "archive", ARCHIVE_NAME, "The archive: a well-known name, or [[archive]]'s."),
    Field("suite", "suite", WORD, "The suite, as in sources.list(5)."),
    Field("components", "components", Strings(WORD), "The components."),
    Field("snapshot", "snapshot", SNAPSHOT, "The snapshot the index was read at."),
    Field("sha256", "sha256", SHA256, "The hash of its InRelease file."),
    Field("date", "date", Moment(), "The Date of its InRelease file, in UTC."),
    Field("signed-by", "signed_by", LINE, "The fingerprint of the key that signed it."),
    identity=identity_of("archive", "suite", "sha256"),
    description="A signed index that apt packages were chosen from.",
)
APT: Final = Table(
    AptPin,
    Field("name", "name", DEB_NAME, "The binary package."),
    Field("version", "version", DEB_VERSION, "Its version."),
    Field("architecture", "architecture", ARCHITECTURE, "Its architecture, or 'all'."),
    Field("suite", "suite", WORD, "The suite whose index listed it."),
    Field("source", "source", LINE, "Its source package."),
    ARTIFACT,
    PLATFORMS,
    Field("base", "base", Flag(), "Whether the bootstrapped base holds it."),
    Field("manual", "manual", Flag(), "Whether it was asked for by name."),
    REQUIRED_BY,
    identity=identity_of("name", "architecture", "artifact.sha256", "platforms"),
    description="A Debian package.",
)
APT_REMOVAL: Final = Table(
    AptRemoval,
    Field("name", "name", DEB_NAME, "The binary package."),
    Field("version", "version", DEB_VERSION, "Its version in the base."),
    Field("architecture", "architecture", ARCHITECTURE, "Its architecture."),
    PLATFORMS,
    REQUIRED_BY,
    identity=identity_of("name", "architecture", "version", "platforms"),
    description="A package of the base that the apt packages force out.",
)
CONDA: Final = Table(
    CondaPin,
    Field("name", "name", CONDA_TEXT, "The conda package."),
    Field("version", "version", CONDA_TEXT, "Its version."),
    Field("build", "build", CONDA_TEXT, "Its build string."),
    Field("build-number", "build_number", Integer(), "Its build number."),
    Field("subdir", "subdir", CONDA_TEXT, "The folder of the channel it is in."),
    Field("noarch", "noarch", Choice(NoArch), "How it is linked, when it is for every platform."),
    ARTIFACT,
    Field("md5", "md5", MD5, "The MD5 of the file, for tools that know no other hash."),
    Field("channel", "channel", LINE, "The channel, where it is not the archive (CEP 15)."),
    Field("timestamp", "timestamp", Integer(), "When it was built: milliseconds since 1970."),
    Field("license", "license", LINE, "Its license, as its channel says."),
    Field("depends", "depends", Strings(LINE), "What it depends on, as match specs."),
    Field("constrains", "constrains", Strings(LINE), "What else may be there beside it."),
    Field("track-features", "track_features", Strings(LINE), "What makes a solver avoid it."),
    Field(
        "python-site-packages-path",
        "python_site_packages_path",
        CONTAINED,
        "Where a python keeps its packages, below the prefix (CEP 17).",
    ),
    PLATFORMS,
    REQUIRED_BY,
    identity=identity_of("name", "artifact.sha256", "platforms"),
    description="A conda package.",
)
PYTHON: Final = Table(
    PythonPin,
    Field("version", "version", PIP_VERSION, "The exact version."),
    Field("implementation", "implementation", WORD, "Such as 'cpython'."),
    Field("provider", "provider", Choice(PythonProvider), "Where it comes from."),
    Field("executable", "executable", ABSOLUTE, "Its absolute path in the image."),
    PLATFORMS,
    identity=identity_of("version", "executable", "platforms"),
    description="The interpreter that pip packages are installed for.",
)
PIP: Final = Table(
    PipPin,
    Field("name", "name", PIP_NAME, "The project."),
    Field("version", "version", PIP_VERSION, "Its version."),
    ARTIFACT,
    PLATFORMS,
    Field("extras", "extras", Strings(WORD), "The extras asked of it."),
    Field("requested", "requested", Flag(), "Whether the spec itself names it (PEP 376)."),
    REQUIRED_BY,
    identity=identity_of("name", "artifact.sha256", "platforms"),
    description="A wheel, or a source that is built into one.",
)
PIP_BUILD: Final = Table(
    PipBuildPin,
    Field("name", "name", PIP_NAME, "The project."),
    Field("version", "version", PIP_VERSION, "Its version."),
    ARTIFACT,
    PLATFORMS,
    Field("builds", "builds", Strings(PIP_NAME), "The packages that are built with it."),
    REQUIRED_BY,
    identity=identity_of("name", "artifact.sha256", "builds", "platforms"),
    description="A wheel that sources are built with, in no image.",
)
IMAGE: Final = Table(
    ImageRecord,
    Field("platform", "platform", Text(check=Platform.parse), "The platform."),
    Field("manifest-digest", "manifest_digest", DIGEST, "The digest of its manifest."),
    Field("image-id", "image_id", DIGEST, "The digest of its config."),
    Field(
        "wheels",
        "wheels",
        Tables(
            Table(
                BuiltWheel,
                Field("name", "name", PIP_NAME, "The package that was built."),
                Field("sha256", "sha256", SHA256, "The hash of its wheel, in normal form."),
                identity=_built_identity,
            )
        ),
        "The wheels that were built of sources.",
    ),
    identity=identity_of("platform", "manifest_digest"),
    description="What a build gave (`build --record`). Not part of the tag.",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """One kind of table: its TOML key, the attribute of Lock, and the comment before it.

    ``unique`` are the attributes that two pins of one platform must not share. A ``rare`` section
    has its comment only where it has tables.
    """

    key: str
    attribute: str
    comment: str
    table: Table
    unique: tuple[str, ...]
    rare: bool = False


SECTIONS: Final = (
    Section("archive", "archives", "Archives beside the well-known ones", ARCHIVE, ("name",)),
    Section("base", "bases", "Base image", BASE, ()),
    Section(
        "apt-index",
        "apt_indexes",
        "Signed apt indexes",
        APT_INDEX,
        ("archive", "suite", "snapshot", "sha256"),
    ),
    Section("apt", "apt", "apt packages", APT, ("name", "architecture", "base")),
    Section(
        "apt-removal",
        "apt_removals",
        "Packages of the base that are removed",
        APT_REMOVAL,
        ("name", "architecture"),
    ),
    Section("conda", "conda", "conda packages", CONDA, ("name",)),
    Section("python", "pythons", "Python", PYTHON, ()),
    Section("pip", "pip", "pip packages", PIP, ("name",)),
    Section(
        "pip-build",
        "pip_builds",
        "What pip packages are built with",
        PIP_BUILD,
        ("name",),
        rare=True,
    ),
    Section("image", "images", "Recorded builds", IMAGE, ("platform",)),
)
"""Every section, in the order it is written. The last is not part of the tag."""
