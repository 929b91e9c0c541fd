"""One thing in which an image is not what its lock says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Finding:
    """One thing in which an image is not what its lock says.

    ``kind`` is ``apt``, ``conda``, ``pip``, ``python``, ``file``, ``layer`` or ``config``;
    ``name`` a package, path, number or key; ``expected`` and ``found`` versions, hashes or values,
    empty for none. Of a layer, ``expected`` is what it hashes to, ``found`` what the config says.
    """

    kind: str
    name: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.name}: expected {self.expected or 'none'}, "
            f"found {self.found or 'none'}"
        )
