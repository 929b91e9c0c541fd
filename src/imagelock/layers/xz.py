"""xz and lzma as streams that threads can decode beside each other."""

from __future__ import annotations

import lzma
from typing import Final

from imagelock.layers.untar import Readable

_INPUT: Final = 1 << 18


class XzStreams:
    """Streams of xz or lzma that follow each other, in pieces large enough for threads.

    lzma.LZMAFile decodes 8 KiB at a time, and each time waits for the interpreter.
    """

    def __init__(self, raw: Readable) -> None:
        self._raw = raw
        self._stream: lzma.LZMADecompressor | None = None
        self._input = b""

    def read(self, size: int, /) -> bytes:
        """The next bytes, perhaps fewer than asked; empty at the end."""
        while size:
            if self._stream is None:
                # Between streams there may be zeros (the .xz file format, 2.2).
                self._input = self._input.lstrip(b"\0") or self._raw.read(_INPUT)
                if not self._input:
                    return b""
                if not self._input.strip(b"\0"):
                    continue
                self._stream = lzma.LZMADecompressor()
            elif self._stream.needs_input and not self._input:
                self._input = self._raw.read(_INPUT)
                if not self._input:
                    raise EOFError("the compressed data is cut short")
            data = self._stream.decompress(self._input, size)
            self._input = b""
            if self._stream.eof:
                self._input = self._stream.unused_data
                self._stream = None
            if data:
                return data
        return b""
