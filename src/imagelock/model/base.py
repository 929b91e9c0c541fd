"""What a base holds: what the resolvers need to know of the files of an image."""

from __future__ import annotations

from dataclasses import dataclass

from imagelock.model.python import FoundPython


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class BaseFile:
    """A file of the base; ``path`` is absolute, without symlinks in it."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class BaseUser:
    """One line of the base's ``/etc/passwd`` (passwd(5))."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OsRelease:
    """The base's os-release(5): ``id`` like ``debian``, ``codename`` like ``bookworm`` or empty."""

    id: str
    version_id: str = ""
    codename: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseAptSource:
    """One source of the base's sources.list(5) files that is enabled and of binary packages.

    ``keyrings`` are the key files that may sign it: those of ``signed-by``, else all that the
    base trusts. ``trusted`` says that the base asked for no signature at all. ``origin`` is the
    file and line (or stanza) it came from.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyrings: tuple[BaseFile, ...]
    architectures: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    trusted: bool = False
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseContents:
    """What was found in a base, read and never run.

    ``libc`` is like ``glibc 2.36`` or ``musl 1.2``, None where there is none. ``dpkg_status`` is
    the status file's bytes (those of ``status.d`` joined for images that have only that), None
    in a base without dpkg; with ``dpkg_usable`` False packages are listed but dpkg itself is
    not there to install more. ``pythons`` come in the order of the image's PATH.
    ``extended_states`` is apt's file of what was installed automatically. ``has_venv``: there is
    a virtual environment where an image's pip packages go, and ``venv_packages`` are the headers of
    the METADATA of what is installed in it (core metadata specification), by path. ``has_conda``:
    there is an environment of conda's where its packages go.
    """

    libc: str | None
    pythons: tuple[FoundPython, ...] = ()
    os_release: OsRelease | None = None
    dpkg_status: bytes | None = None
    dpkg_usable: bool = False
    extended_states: bytes | None = None
    apt_sources: tuple[BaseAptSource, ...] = ()
    apt_preferences: tuple[BaseFile, ...] = ()
    users: tuple[BaseUser, ...] = ()
    merged_usr: bool = False
    has_venv: bool = False
    has_conda: bool = False
    venv_packages: tuple[bytes, ...] = ()
