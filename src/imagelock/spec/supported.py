"""What a spec may say but no stage does yet.

Whoever builds a stage deletes its line here: the parser reads these fields already, and the
schema describes them. Nothing is ever ignored in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from imagelock.spec.findings import Finding, quoted
from imagelock.spec.positions import KeyPath

NOT_YET: Final[tuple[KeyPath, ...]] = ()
"""Fields that are refused unless empty."""

ONLY: Final[dict[KeyPath, tuple[str, ...]]] = {}
"""Fields of which so far only these values work."""

REQUIREMENTS_OPTIONS: Final = {
    "--config-settings": "",
    "--global-option": "",
    "--no-binary": "allow-sdist in the spec names what may be built where no wheel fits",
    "--prefer-binary": "leave it out: only what allow-sdist in the spec names is ever built",
    "--trusted-host": "",
    "--use-feature": "",
}
"""Options of requirements files that are not read yet, and what to do instead."""


def unsupported_findings(document: Mapping[str, Any]) -> list[Finding]:
    """A finding for every field of the document that asks for what is not there yet."""
    findings = [
        Finding(path=path, message="not supported yet", at="key")
        for path in NOT_YET
        if _value_at(document, path) not in (None, "", [], {})
    ]
    for path, works in ONLY.items():
        value = _value_at(document, path)
        if isinstance(value, str) and value not in works:
            message = f"{quoted(value)} is not supported yet"
            findings.append(Finding(path=path, message=message, hint=f"use {works[0]!r}"))
    return findings


def _value_at(document: Mapping[str, Any], path: KeyPath) -> object:
    value: object = document
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
