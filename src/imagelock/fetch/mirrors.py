"""Mirrors: what stands for the prefixes of canonical URLs, in requests and nowhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from imagelock.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Mirrors:
    """``table`` maps canonical prefixes to those of mirrors."""

    table: dict[str, str]

    def mirrored(self, url: str) -> str:
        """The URL to ask: the longest prefix counts."""
        for prefix in sorted(self.table, key=len, reverse=True):
            if url.startswith(prefix):
                return self.table[prefix] + url[len(prefix) :]
        return url

    def canonical(self, url: str) -> str:
        """The URL that a mirror's URL stands for."""
        for prefix in sorted(self.table, key=lambda key: (-len(self.table[key]), key)):
            mirror = self.table[prefix]
            if url.startswith(mirror):
                return prefix + url[len(mirror) :]
        return url


def mirrors_from_environment() -> dict[str, str]:
    """The table of the TOML file that IMAGELOCK_MIRRORS names: canonical prefix to mirror."""
    named = os.environ.get("IMAGELOCK_MIRRORS")
    if not named:
        return {}
    import tomllib

    try:
        table = tomllib.loads(Path(named).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"expected TOML: {error}"
        raise UsageError(
            f"the file of mirrors (IMAGELOCK_MIRRORS) cannot be read: {reason}",
            where=named,
            hint='write lines like "https://pypi.org/simple/" = "https://mirror.example/simple/"',
        ) from error
    wrong = [key for key, value in table.items() if not isinstance(value, str)]
    if wrong:
        raise UsageError(
            f"expected a URL as the value of '{wrong[0]}'",
            where=named,
            hint='write lines like "https://pypi.org/simple/" = "https://mirror.example/simple/"',
        )
    return table
