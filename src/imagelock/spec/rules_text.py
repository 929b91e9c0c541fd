"""Rules for names, plain texts and what enters the image's configuration."""

from __future__ import annotations

import re
from typing import Final

from imagelock.model.platform import Platform
from imagelock.spec.rule import Rule, RuleBroken

COMPONENT: Final = r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*"
"""One part of a repository's name (OCI distribution-spec, and distribution/reference)."""

_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_LONGEST_NAME: Final = 128

ANY_TEXT: Final = Rule(expected="text without NUL", pattern=r"[^\u0000]*")

SOME_TEXT: Final = Rule(expected="text, not empty and without NUL", pattern=r"[^\u0000]+")


def _image_name(text: str) -> str:
    name = text.lower()
    if len(name) > _LONGEST_NAME:
        msg = f"expected at most {_LONGEST_NAME} characters, got {len(name)}"
        raise RuleBroken(msg)
    return name


IMAGE_NAME: Final = Rule(
    expected="letters and digits, with '.', '_' or '-' between them",
    pattern=COMPONENT.replace("a-z", "A-Za-z"),
    normalise=_image_name,
    hint="it becomes a repository name in a registry (OCI distribution-spec)",
)


def _registry(text: str) -> str:
    host, *components = text.lower().split("/")
    if not all(re.fullmatch(COMPONENT, component) for component in components):
        msg = f"expected a path of repository names after '{host}', got '{'/'.join(components)}'"
        raise RuleBroken(msg)
    return text.lower()


REGISTRY: Final = Rule(
    expected="a registry as host[:port][/path]",
    pattern=(
        r"(localhost:[0-9]{1,5}|([A-Za-z0-9._-]+)(:[0-9]{1,5})?)"  # flytekit's, in ASCII
        r"(/[A-Za-z0-9_.-]+)*"
    ),
    normalise=_registry,
    hint="write it like 'registry.example/acme', without 'https://'",
)

PLATFORM: Final = Rule(
    expected="a platform",
    pattern=r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?",
    normalise=Platform.parse,
    hint="write it like 'linux/amd64'",
)

TAG_FORMAT: Final = Rule(
    expected="a tag with {lock}, {source} or {name} in it",
    pattern=r"[A-Za-z0-9._{}-]+",
)


def check_tag_format(tag_format: str, name: str) -> None:
    """Check the tag that a format gives. Raise RuleBroken for one no registry accepts."""
    digest = "0" * 32
    values = {"lock": digest, "spec_hash": digest, "source": digest, "name": name}
    unknown = sorted(set(re.findall(r"\{([^{}]*)\}", tag_format)) - set(values))
    if unknown:
        msg = f"expected {{lock}}, {{source}}, {{name}} or {{spec_hash}}, got '{{{unknown[0]}}}'"
        raise RuleBroken(msg, key="tag-format")
    tag = re.sub(r"\{([^{}]*)\}", lambda match: values[match[1]], tag_format)
    if not re.fullmatch(_TAG, tag):
        msg = f"expected a format that gives a tag, got '{tag_format}'"
        hint = "a tag has at most 128 letters, digits, '_', '.' and '-', and begins with neither '.' nor '-'"  # noqa: E501
        raise RuleBroken(msg, hint=hint, key="tag-format")


ENV_NAME: Final = Rule(
    expected="the name of an environment variable",
    pattern=r"[A-Za-z_][A-Za-z0-9_.-]*",
    hint="letters, digits, '_', '.' and '-', not beginning with a digit",
)

USER: Final = Rule(
    expected="a user as name or number, with ':group' if need be",
    pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(:[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)?",
)

CUDA_VERSION: Final = Rule(
    expected="a version like '12.4'", pattern=r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}"
)
DRIVER_VERSION: Final = Rule(
    expected="a driver's version like '550.54.14'", pattern=r"[0-9]{3}(\.[0-9]{2,3}){0,2}"
)

IDENTIFIER: Final = Rule(
    expected="letters, digits, '_', '.' and '-'", pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
)
