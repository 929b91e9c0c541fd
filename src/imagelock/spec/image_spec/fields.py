"""Each field of flytekit's ``ImageSpec``, and where a spec says the same (docs/imagespec.md)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from imagelock.spec.findings import quoted
from imagelock.spec.image_spec.pip_arguments import pip_keys
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_direct import local_text

DEFAULT_NAME: Final = "flytekit"
DEFAULT_BASE: Final = {"distribution": "debian:bookworm"}
"""What ``debian:bookworm-slim``, flytekit's own default, is made of; needs no registry."""

COPY_FOLDER: Final = "/root"
"""Where flytekit copies to."""

SOURCE_MODES: Final = {"LOADED_MODULES": "loaded-modules", "ALL": "all", "NO_COPY": "none"}
"""flytekit's ``CopyFileDetection`` by name."""

REMARKS: Final = ("runtime_packages", "registry_config", "builder_config")
"""Fields that change nothing of the image: kept, and said so."""

Fields = Mapping[str, Any]
Document = dict[str, Any]
Remarks = dict[str, Any]


def document_of_fields(fields: Fields) -> Document:
    """TOML data for fields by their names; None and fields that are missing say nothing.

    ``base_image`` is a reference, or TOML data of ``[base]``; paths are relative to the spec;
    ``more`` is TOML data of what flytekit has no fields for. Values are not checked: the spec's
    parser does. RuleBroken, its ``key`` the field, for what no spec can say.
    """
    document: Document = {"name": fields.get("name") or DEFAULT_NAME}
    for name, write in FIELDS.items():
        value = fields.get(name)
        if value is None or write is None:
            continue
        try:
            _merge(document, write(value), ())
        except RuleBroken as error:
            raise RuleBroken(error.message, hint=error.hint, key=name) from None
    if fields.get("install_project"):
        _add_project(document, fields["install_project"], fields.get("requirements"))
    if fields.get("source_root") or fields.get("source_copy_mode"):
        document["source"] = _source(fields.get("source_root"), fields.get("source_copy_mode"))
    more = fields.get("more") or {}
    try:
        _merge(document, more, ())
    except RuleBroken as error:
        raise RuleBroken(error.message, hint=error.hint, key="more") from None
    document.setdefault("base", dict(DEFAULT_BASE))
    return document


def remarks_of_fields(fields: Fields) -> Remarks:
    """The fields that change nothing of the image, by their names with dashes."""
    return {
        name.replace("_", "-"): fields[name]
        for name in REMARKS
        if fields.get(name) not in (None, [])
    }


def _merge(document: Document, added: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Put tables together; RuleBroken where both say something."""
    for key, value in added.items():
        here = document.get(key)
        if here is None:
            document[key] = dict(value) if isinstance(value, Mapping) else value
        elif isinstance(here, dict) and isinstance(value, Mapping):
            _merge(here, value, (*path, key))
        elif path == ("pip",) and key == "extra-indexes":
            document[key] = list(dict.fromkeys((*here, *value)))
        elif here != value:
            at = ".".join((*path, key))
            raise RuleBroken(f"expected '{at}' once, got it twice", hint="leave one of them out")


def _at(*path: str) -> Callable[[Any], Document]:
    def write(value: Any) -> Document:  # noqa: ANN401 (TOML values of any type)
        plain = list(value) if isinstance(value, tuple) else value
        document: Document = {path[-1]: dict(plain) if isinstance(plain, Mapping) else plain}
        for key in reversed(path[:-1]):
            document = {key: document}
        return document

    return write


def _unless_empty(write: Callable[[Any], Document]) -> Callable[[Any], Document]:
    """None and an empty value mean the same, but for an entrypoint."""
    return lambda value: write(value) if value else {}


def _base(value: str | Mapping[str, Any]) -> Document:
    if isinstance(value, Mapping):
        return {"base": dict(value)}
    return {"base": {"layout": value} if value.startswith("oci:") else {"image": value}}


def _channels(value: Sequence[str]) -> Document:
    """conda-forge comes first, as in flytekit."""
    return {"conda": {"channels": list(dict.fromkeys(("conda-forge", *value)))}}


def _copies(value: Sequence[str]) -> Document:
    return {"copy": [{"from": source, "to": copy_target(source)} for source in value]}


def copy_target(source: str) -> str:
    """Where flytekit copies a path to: below /root, under its own path."""
    if source.startswith("/") or ".." in source.split("/"):
        msg = f"expected a relative path without '..', got {quoted(source)}"
        raise RuleBroken(msg, hint="copy takes files at or below the module's folder")
    return posixpath.normpath(posixpath.join(COPY_FOLDER, source))


def _secrets(value: Sequence[Sequence[str]]) -> Document:
    return {
        "secret": [
            {"id": f"secret_{number}", "src": source, "target": target}
            for number, (source, target) in enumerate(value)
        ]
    }


def _source(root: str | None, mode: str | None) -> Document:
    """``mode`` is a value of :data:`SOURCE_MODES`; a root alone means loaded modules."""
    if root is None and mode != "none":
        msg = "expected source_root beside source_copy_mode"
        raise RuleBroken(msg, hint='add source_root="."', key="source_root")
    chosen = mode or "loaded-modules"
    return {"root": root or ".", "mode": chosen}


def _builder_options(value: Mapping[str, Any]) -> Document:
    for key, item in value.items():
        if not isinstance(item, str | int | bool):
            msg = f"expected a string, an integer or a boolean for '{key}'"
            raise RuleBroken(msg, hint="options become a table of the spec")
    return {"builder": {"options": dict(value)}}


def _add_project(document: Document, place: bool | str, requirements: str | None) -> None:  # noqa: FBT001 (a field's value)
    """The project itself beside its dependencies: the folder of its requirements or its lock.

    Without these it is ``place``, a folder relative to the spec's; True is the spec's own.
    """
    folder = posixpath.dirname(requirements) if requirements else place
    line = local_text(posixpath.normpath(folder if isinstance(folder, str) and folder else "."))
    pip = document.setdefault("pip", {})
    pip["packages"] = [*pip.get("packages", ()), line]


FIELDS: Final[dict[str, Callable[[Any], Document] | None]] = {
    "name": None,
    "python_version": _at("python"),
    "builder": lambda name: {} if name in ("imagelock", "") else {"builder": {"name": name}},
    "source_root": None,
    "env": _unless_empty(_at("env")),
    "registry": _unless_empty(_at("registry")),
    "packages": _unless_empty(_at("pip", "packages")),
    "conda_packages": _unless_empty(_at("conda", "packages")),
    "conda_channels": _unless_empty(_channels),
    "requirements": lambda path: {"pip": {"requirements": [path]}},
    "apt_packages": _unless_empty(_at("apt", "packages")),
    "cuda": _at("gpu", "cuda"),
    "cudnn": _at("gpu", "cudnn"),
    "base_image": _base,
    "platform": lambda text: {"platforms": [part.strip() for part in text.split(",")]},
    "pip_index": lambda url: {"pip": {"index": url}},
    "pip_extra_index_url": _unless_empty(_at("pip", "extra-indexes")),
    "pip_secret_mounts": _unless_empty(_secrets),
    "pip_extra_args": lambda text: {"pip": pip_keys(text)} if text.strip() else {},
    "registry_config": None,
    "entrypoint": _at("image", "entrypoint"),
    "commands": _unless_empty(lambda lines: {"run": [{"commands": list(lines)}]}),
    "tag_format": _at("tag-format"),
    "source_copy_mode": None,
    "copy": _unless_empty(_copies),
    "python_exec": _at("pip", "python-exec"),
    "runtime_packages": None,
    "builder_options": _unless_empty(_builder_options),
    "builder_config": None,
    "install_project": None,
}
"""Every field in flytekit's order; None where several fields are read together, or none."""
