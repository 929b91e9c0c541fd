"""An engine's image as a stream: what `docker save` would write."""

from __future__ import annotations

from collections.abc import Iterator

from imagelock.build.engine.connection import Engine


class SavedImage:
    """A readable stream of an image's archive. NotFound at once when the engine has no such."""

    def __init__(self, engine: Engine, reference: str) -> None:
        self._engine = engine
        self._doing = f"reading {reference}"
        with engine.errors(self._doing):
            # `save` of an older engine answers for an unknown image with an empty archive.
            engine.client.inspect_image(reference)
            self._chunks: Iterator[bytes] = engine.client.get_image(reference)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """The next bytes, perhaps fewer than asked; empty at the end."""
        if not self._rest:
            with self._engine.errors(self._doing):
                self._rest = next(self._chunks, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
