"""`[builder] options` of the builders on engines."""

from __future__ import annotations

from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock


def options_of(lock: Lock, name: str, *, known: tuple[str, ...] = ()) -> dict[str, str]:
    """The options of a builder as texts: none when the lock chose another builder.

    UsageError for one that is not known, or no text.
    """
    builder = lock.roots.builder
    options = dict(builder.options) if builder.name == name else {}
    listed = ", ".join(known) or "none"
    for key, value in options.items():
        if key not in known:
            raise UsageError(
                f"unknown option '{key}': expected {listed}",
                where="builder.options",
                hint="options belong to a builder: see docs/engines.md",
            )
        if not isinstance(value, str) or not value:
            raise UsageError(f"expected a text for '{key}'", where="builder.options")
    return {key: str(value) for key, value in options.items()}
