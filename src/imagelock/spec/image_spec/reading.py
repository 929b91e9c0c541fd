"""The way back: canonical TOML data as fields of an ``ImageSpec``, without loss.

What a field can hold is taken out of the document; the rest is ``more``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from imagelock.spec.image_spec.fields import DEFAULT_BASE, Document, copy_target
from imagelock.spec.rule import RuleBroken

_PLAIN = {
    "python_version": ("python",),
    "registry": ("registry",),
    "tag_format": ("tag-format",),
    "env": ("env",),
    "packages": ("pip", "packages"),
    "pip_index": ("pip", "index"),
    "pip_extra_index_url": ("pip", "extra-indexes"),
    "python_exec": ("pip", "python-exec"),
    "apt_packages": ("apt", "packages"),
    "conda_packages": ("conda", "packages"),
    "cuda": ("gpu", "cuda"),
    "cudnn": ("gpu", "cudnn"),
    "entrypoint": ("image", "entrypoint"),
    "builder": ("builder", "name"),
    "builder_options": ("builder", "options"),
}


def fields_of_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by their names, for a document as :func:`imagelock.spec.write.spec_document` gives it.

    ``source_copy_mode`` is the spec's word; ``base_image`` a reference, or TOML data of
    ``[base]`` for what is no image; ``more`` is there only when something is left.
    """
    rest: Document = copy.deepcopy(dict(document))
    fields: dict[str, Any] = {"name": rest.pop("name")}
    for name, path in _PLAIN.items():
        value = _take(rest, path)
        if value is not None:
            fields[name] = value
    if "platforms" in rest:
        fields["platform"] = ",".join(rest.pop("platforms"))
    _base(rest, fields)
    _pip(rest, fields)
    _channels(rest, fields)
    _files(rest, fields)
    if more := {key: value for key, value in rest.items() if value != {}}:
        fields["more"] = more
    return fields


def _take(rest: Document, path: tuple[str, ...]) -> Any:  # noqa: ANN401 (TOML values of any type)
    table: Any = rest
    for key in path[:-1]:
        table = table.get(key, {})
    return table.pop(path[-1], None)


def _base(rest: Document, fields: dict[str, Any]) -> None:
    base = rest.pop("base")
    if base == DEFAULT_BASE:
        return
    image = base.get("image", base.get("layout"))
    fields["base_image"] = image or base


def _pip(rest: Document, fields: dict[str, Any]) -> None:
    pip = rest.get("pip", {})
    if len(pip.get("requirements", ())) == 1:
        fields["requirements"] = pip.pop("requirements")[0]
    if pip.get("prerelease") == "allow":
        del pip["prerelease"]
        fields["pip_extra_args"] = "--pre"


def _channels(rest: Document, fields: dict[str, Any]) -> None:
    conda = rest.get("conda", {})
    channels = conda.get("channels", [])
    if channels[:1] == ["conda-forge"] and len(channels) > 1:
        fields["conda_channels"] = conda.pop("channels")[1:]


def _files(rest: Document, fields: dict[str, Any]) -> None:
    """Copies, source, runs and secrets, where they are as the fields would write them."""
    copies = rest.get("copy", [])
    if copies and all(_is_plain_copy(rule) for rule in copies):
        fields["copy"] = [rule["from"] for rule in rest.pop("copy")]
    if "source" in rest:
        source = rest.pop("source")
        fields["source_root"] = source.pop("root")
        fields["source_copy_mode"] = source.pop("mode", "all")
        if source:
            rest["source"] = source
    runs = rest.get("run", [])
    if len(runs) == 1 and runs[0].keys() == {"commands"}:
        fields["commands"] = rest.pop("run")[0]["commands"]
    secrets = rest.get("secret", [])
    if secrets and all(one["id"] == f"secret_{i}" for i, one in enumerate(secrets)):
        fields["pip_secret_mounts"] = [(one["src"], one["target"]) for one in rest.pop("secret")]


def _is_plain_copy(rule: Mapping[str, Any]) -> bool:
    try:
        return bool(copy_target(rule["from"]) == rule["to"])
    except RuleBroken:
        return False
