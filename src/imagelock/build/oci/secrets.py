"""Secrets of runs: files of the host that are mounted, and must be found nowhere afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagelock.build.oci.sandbox import Bind
from imagelock.model.errors import BuildError
from imagelock.model.spec import Secret

_SHORTEST: Final = 8
"""Bytes below which a secret is too common a text to look for."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of a run: what to mount, and the texts that must not get out."""

    binds: tuple[Bind, ...]
    texts: tuple[bytes, ...]

    def checked(self, chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
        """The same bytes; BuildError when a secret is in them, before the layer is kept."""
        if not self.texts:
            yield from chunks
            return
        overlap = max(map(len, self.texts)) - 1
        before = b""
        for chunk in chunks:
            seen = before + chunk
            if any(text in seen for text in self.texts):
                raise BuildError(
                    "a command wrote a secret into the image",
                    where=where,
                    hint="read the secret where it is mounted, and copy it nowhere",
                )
            before = seen[-overlap:] if overlap else b""
            yield chunk

    def redacted(self, text: str) -> str:
        """A text without the secrets, for messages."""
        data = text.encode("utf-8", "surrogateescape")
        for secret in self.texts:
            data = data.replace(secret, b"********")
        return data.decode("utf-8", "replace")


def open_secrets(secrets: tuple[Secret, ...], folder: Path) -> Secrets:
    """Find the files of secrets. BuildError names the first that cannot be read."""
    binds, texts = [], set()
    for secret in secrets:
        source = (folder / Path(secret.source).expanduser()).absolute()
        try:
            data = source.read_bytes()
        except OSError as error:
            raise BuildError(
                f"the secret '{secret.id}' cannot be read: {error.strerror}",
                where=secret.source,
                hint="a secret is a file of this machine; a build needs it",
            ) from error
        binds.append(Bind(source=source, target=secret.target))
        # The whole file, and its words: a token of a netrc is what leaks.
        texts |= {data.strip(), *re.split(rb"\s+", data)}
    kept = sorted((text for text in texts if len(text) >= _SHORTEST), key=lambda t: (-len(t), t))
    return Secrets(tuple(binds), tuple(kept))
