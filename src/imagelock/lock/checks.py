"""What strings of a lock must not be: the checks that fail closed."""

from __future__ import annotations

import re
from types import TracebackType

from imagelock.model.archives import is_local, is_repository, local_path, local_reference


class Wrong(ValueError):
    """A value is not what its kind says; ``path`` is like ``pip[3].sha256``."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = ""

    def within(self, part: str) -> Wrong:
        """Put ``.key`` or ``[index]`` before the path so far; return the error."""
        self.path = part + self.path
        return self


class Within:
    """A block whose errors are about a part: ``with Within(".sha256"): …``."""

    __slots__ = ("part",)

    def __init__(self, part: str) -> None:
        self.part = part

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Wrong):
            error.within(self.part)


_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")
_CLIMBS = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)")


def contained_path(text: str) -> str:
    """Check a relative POSIX path that cannot leave its folder. Raise Wrong."""
    if _UNSAFE.search(text):
        msg = f"expected a path without backslashes and control characters, got {text!r}"
        raise Wrong(msg)
    if _CLIMBS.search(text):
        msg = f"expected a relative path without empty parts, '.' and '..', got '{text}'"
        raise Wrong(msg)
    return text


def copy_source(text: str) -> str:
    """Check a path of the context: as :func:`contained_path`, but ``.`` and a last '/' may be."""
    if text in {".", "./"}:
        return text
    try:
        contained_path(text.removeprefix("./").removesuffix("/"))
    except Wrong:
        contained_path(text)  # for its words about the whole text
        raise
    return text


def relative_path(text: str) -> str:
    """Check a relative POSIX path; it may climb. Raise Wrong."""
    if not text or text.startswith("/") or _UNSAFE.search(text):
        msg = f"expected a relative path, got {text!r}"
        raise Wrong(msg)
    return text


def absolute_path(text: str) -> str:
    """Check an absolute POSIX path without ``..``. Raise Wrong."""
    if not text.startswith("/") or ".." in text.split("/") or _UNSAFE.search(text):
        msg = f"expected an absolute path without '..', got {text!r}"
        raise Wrong(msg)
    return text


def no_credentials(text: str) -> str:
    """Refuse a URL with a user, a password, a query or a fragment. Return anything else."""
    if "://" not in text:
        return text
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
    except ValueError as error:
        msg = f"expected a URL, got one that cannot be read ({error})"
        raise Wrong(msg) from None
    if parts.username is not None or parts.password is not None:
        # the URL itself is not repeated: it holds a secret
        msg = f"expected a URL without credentials, got one with a user for {parts.hostname}"
        raise Wrong(msg, hint="credentials belong in ~/.netrc, where only fetching reads them")
    if parts.query or parts.fragment:
        msg = f"expected a URL without a query and a fragment, got one for {parts.hostname}"
        raise Wrong(msg)
    return text


def channel(text: str) -> str:
    """Refuse a conda channel with credentials, also those in its path (``/t/TOKEN/``)."""
    no_credentials(text)
    if re.search(r"/t/[^/]+(?:/|\Z)", text):
        msg = "expected a channel without credentials, got one with a token in its path"
        raise Wrong(msg, hint="credentials belong in ~/.netrc, where only fetching reads them")
    return text


def archive_url(text: str) -> str:
    """Check the URL of an archive: http or https, no credentials, a '/' at its end.

    Or a relative reference to a folder, in its one spelling (:mod:`imagelock.model.archives`), or
    a git repository, which may have the user of ssh.
    """
    if is_repository(text):
        return _repository(text)
    no_credentials(text)
    if re.fullmatch(r"https?://[^\s/@?#]+/(?:[^\s?#]*/)?", text):
        return text
    if is_local(text) and not text.startswith("/"):
        return _local_url(text)
    msg = f"expected an http or https URL or a relative folder that ends in '/', got '{text}'"
    raise Wrong(msg)


def _repository(text: str) -> str:
    address = text.removeprefix("git+")
    if is_local(address) and not address.startswith(("/", "-")):
        # A path down is written './path', the folder itself './'.
        if address != "./":
            _local_url(f"{address.removeprefix('./')}/")
    elif not re.fullmatch(_REPOSITORY, address):
        msg = "expected a git repository like 'git+https://host/path', without credentials"
        raise Wrong(msg)
    return text


_REPOSITORY = r"(?:https?://|ssh://(?:[A-Za-z0-9._~-]+@)?)[^\s/@?#]+/[^\s?#]+"


def artifact_path(text: str) -> str:
    """Check the path of an artifact: contained, or ``.`` for the archive's folder itself."""
    return text if text == "." else contained_path(text)


def _local_url(text: str) -> str:
    path = local_path(text)
    normal = local_reference(path)
    if normal != text or path.startswith("/") or _UNSAFE.search(path):
        msg = f"expected the folder of an archive like 'wheels/' or '../wheels/', got '{text}'"
        raise Wrong(msg)
    return text
