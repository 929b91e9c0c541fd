"""What the fields of an ImageSpec may be, said at once where it is made."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

from imagelock.image_spec.frozen import frozen
from imagelock.model.errors import UsageError

LISTS: Final = (
    "packages",
    "conda_channels",
    "conda_packages",
    "apt_packages",
    "pip_extra_index_url",
    "entrypoint",
    "commands",
    "copy",
    "runtime_packages",
)
TABLES: Final = ("env", "builder_options", "builder_config", "more")
TEXTS: Final = (
    *("name", "python_version", "builder", "registry", "cuda", "cudnn", "platform", "pip_index"),
    *("pip_extra_args", "tag_format", "python_exec"),
)
PATHS: Final = ("source_root", "requirements", "registry_config")

_REGISTRY: Final = re.compile(r"(localhost:\d{1,5}|([a-z\d._-]+)(:\d{1,5})?)(/[\w.-]+)*", re.ASCII)


class FieldError(UsageError, ValueError):
    """A field of an ImageSpec is wrong. A ValueError too, as flytekit's are."""


class CopyFileDetection(Enum):
    """Which files of ``source_root`` are copied; names and values are flytekit's."""

    LOADED_MODULES = 1
    ALL = 2
    NO_COPY = 3


def validate_container_registry_name(name: str) -> bool:
    """Whether a registry is ``host[:port][/path]``, in lower case."""
    return _REGISTRY.fullmatch(name) is not None


def checked(name: str, value: Any) -> Any:  # noqa: ANN401, PLR0911 (any field, a kind each)
    """A field's value as it is kept: immutable, of its type. FieldError for another."""
    if value is None:
        return None
    if name in LISTS:
        return _list(name, value)
    if name in TABLES:
        return _table(name, value)
    if name in PATHS:
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if name in (*TEXTS, *PATHS):
        if not isinstance(value, str):
            raise FieldError(f"{name} must be a string or None", where=f"ImageSpec: {name}")
        return value
    if name == "pip_secret_mounts":
        return _pairs(name, value)
    if name == "source_copy_mode":
        return copy_mode(value)
    if name == "install_project" and not isinstance(value, bool):
        raise FieldError("install_project must be a boolean", where="ImageSpec: install_project")
    return value


def copy_mode(value: object) -> CopyFileDetection:
    """Our own for flytekit's, which has the same names."""
    try:
        return CopyFileDetection[value.name if isinstance(value, Enum) else str(value)]
    except KeyError:
        raise FieldError(
            f"source_copy_mode must be a CopyFileDetection or None, got {value!r}",
            where="ImageSpec: source_copy_mode",
        ) from None


def checked_registry(value: str | None) -> str | None:
    """In lower case; None for an empty one. FieldError for what is no registry."""
    if not value:
        return None
    registry = value.lower()
    if "@" in registry or not validate_container_registry_name(registry):
        shown = "" if "@" in registry else f": '{registry}'"
        raise FieldError(
            f"Invalid container registry name{shown}",
            where="ImageSpec: registry",
            hint="write it like 'localhost:30000', 'ghcr.io/username' or 'docker.io/username'",
        )
    return registry


def refuse_credentials(name: str, value: object) -> None:
    """FieldError for a URL that holds a password: it would go wherever the spec goes."""
    words = value if isinstance(value, tuple) else (value,)
    for word in (
        part for text in words if isinstance(text, str) for part in re.split(r"[\s=]", text)
    ):
        try:
            parts = urlsplit(word.strip("'\""))
        except ValueError:
            continue
        if parts.scheme and "@" in parts.netloc:
            raise FieldError(
                "expected a URL without credentials: a spec is no place for secrets",
                where=f"ImageSpec: {name}",
                hint="put them in ~/.netrc or the keyring; only the fetch reads them",
            )


def _list(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        msg = f"{name} must be a list of strings or None"
        raise FieldError(msg, where=f"ImageSpec: {name}")
    return tuple(value)


def _table(name: str, value: object) -> Any:  # noqa: ANN401 (a FrozenTable of any values)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise FieldError(f"{name} must be a dictionary or None", where=f"ImageSpec: {name}")
    if name == "env" and not all(isinstance(item, str) for item in value.values()):
        raise FieldError("env must be a dictionary of strings or None", where="ImageSpec: env")
    return frozen(value)


def _pairs(name: str, value: object) -> tuple[tuple[str, str], ...]:
    good = isinstance(value, list | tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        for pair in value
    )
    if not good:
        msg = f"{name} must be a list of tuples of two strings or None"
        raise FieldError(msg, where=f"ImageSpec: {name}")
    assert isinstance(value, list | tuple)
    return tuple(value)
