"""``pip_extra_args``: arguments of pip and uv, as the keys of a spec that mean the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, Final

from imagelock.spec.findings import quoted
from imagelock.spec.rule import RuleBroken

_INDEX: Final = frozenset({"--index-url", "-i", "--default-index"})
_EXTRA: Final = frozenset({"--extra-index-url", "--index", "--find-links", "-f"})
_FROM_SOURCE: Final = frozenset({"--no-binary", "--no-binary-package"})
_VALUES: Final = (
    _INDEX | _EXTRA | _FROM_SOURCE | {"--prerelease", "--exclude-newer", "--only-binary"}
)
_NO_EFFECT: Final = frozenset(
    {
        *("--break-system-packages", "--compile-bytecode", "--disable-pip-version-check"),
        *("--no-build", "--no-cache", "--no-cache-dir", "--no-color", "--no-input"),
        *(
            "--no-progress",
            "--only-binary",
            "--prefer-binary",
            "--quiet",
            "--require-hashes",
            "--system",
        ),
        *("--upgrade", "--verbose", "-U", "-q", "-v"),
    }
)
"""They change how pip goes about it, not what is installed; or say what a lock does anyway."""


def pip_keys(text: str) -> dict[str, Any]:
    """Keys of ``[pip]`` for arguments on one line. RuleBroken for one that has no place there.

    The message names the argument and never its value, which may be a credential.
    """
    keys: dict[str, Any] = {}
    for name, value in _arguments(text):
        if name in _INDEX:
            keys["index"] = value
        elif name in _EXTRA:
            keys.setdefault("extra-indexes", []).append(value)
        elif name in _FROM_SOURCE:
            keys.setdefault("no-binary", []).extend(value.split(","))
        elif name == "--exclude-newer":
            keys["exclude-newer"] = value
        elif name in {"--pre", "--prerelease"}:
            keys["prerelease"] = value or "allow"
        elif name not in _NO_EFFECT:
            hint = "say it in the spec: see the fields of [pip] in docs/spec.md"
            raise RuleBroken(f"{quoted(name)} is not supported", hint=hint)
    return keys


def _arguments(text: str) -> Iterator[tuple[str, str]]:
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        raise RuleBroken(f"expected arguments as a shell reads them: {error}") from None
    for word in words:
        name, equals, value = word.partition("=")
        if not name.startswith("-"):
            hint = "requirements go to `packages`"
            raise RuleBroken("expected arguments that begin with '-'", hint=hint)
        if name in _VALUES and not equals:
            value = next(words, "")
            if not value or value.startswith("-"):
                raise RuleBroken(f"expected a value behind {quoted(name)}")
        yield name, value
