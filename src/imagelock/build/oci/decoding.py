"""The data of packages, decoded by threads while it is still found out who of them is merged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, Self

from imagelock.build.oci.ahead import Ahead, read_ahead
from imagelock.build.oci.packages import Package
from imagelock.layers.untar import Readable

LARGE: Final = 4 << 20
"""Bytes of a .deb from which on it is worth a sandbox to find out what its preinst does."""


class Decoding:
    """Begins at once with those that are probably merged; a ``with`` ends it.

    While it goes on nobody else may read the packages' files.
    """

    def __init__(self, packages: Sequence[Package]) -> None:
        self._stack = ExitStack()
        self._begun: Sequence[Package] = ()
        self._ahead: Sequence[Ahead] = ()
        self.begin([p for p in packages if not p.has_preinst or p.pin.artifact.size >= LARGE])

    def begin(self, packages: Sequence[Package]) -> None:
        """Decode these, from their first bytes."""
        self.close()
        self._begun = packages
        self._ahead = self._stack.enter_context(read_ahead([p.deb.data_tar for p in packages]))

    def tars(self, merged: Sequence[Package]) -> list[Readable]:
        """The decoded data of these, to be read in their order, once."""
        found: dict[int, Readable] = {}
        wanted = {id(package) for package in merged}
        for package, stream in zip(self._begun, self._ahead, strict=True):
            if id(package) in wanted:
                found[id(package)] = stream
            else:
                stream.skip()
        return [found.get(id(package)) or package.deb.data_tar() for package in merged]

    def close(self) -> None:
        """Stop; what was not read is lost."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
