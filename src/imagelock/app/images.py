"""Images as a command line names them, wherever they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagelock.app.context import Context
from imagelock.app.sections.base import image_source
from imagelock.model.errors import NotFound, UsageError
from imagelock.model.lock import BaseKind
from imagelock.model.platform import Platform
from imagelock.ports import ImageSource

_ARCHIVES: Final = ("oci-archive:", "docker-archive:")
_ENGINE: Final = "docker:"
IMAGE_PREFIXES: Final = ("oci:", *_ARCHIVES, _ENGINE)
"""What the name of an image begins with, unless it is one in a registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImage:
    """Where an image is read, and what it is called there.

    ``partial``: it need not be there for every platform of a lock. Engines keep one a name.
    """

    source: ImageSource
    reference: str
    partial: bool = False

    def platforms_of(self, platforms: Sequence[Platform]) -> tuple[Platform, ...]:
        """Those of the platforms it is there for. NotFound when it is there for none."""
        if not self.partial:
            return tuple(platforms)
        found: list[Platform] = []
        problem: NotFound | None = None
        for platform in platforms:
            try:
                self.source.digest(self.reference, platform)
            except NotFound as error:
                problem = error
            else:
                found.append(platform)
        if not found and problem is not None:
            raise problem
        return tuple(found)


@contextlib.contextmanager
def named_image(text: str, *, context: Context) -> Iterator[NamedImage]:
    """An image while the context is open.

    ``oci:DIR``, ``oci-archive:FILE``, ``docker-archive:FILE``, ``docker:REF`` (an engine's), else
    a reference in a registry. Folders and files are relative to the working directory.
    """
    with contextlib.ExitStack() as stack:
        if text.startswith((*_ARCHIVES, _ENGINE)):
            stack.enter_context(context.store.in_use())
            folder = stack.enter_context(context.store.temporary_folder())
            read = _engine_image if text.startswith(_ENGINE) else _archive
            yield read(text, folder)
            return
        kind = BaseKind.LAYOUT if text.startswith("oci:") else BaseKind.IMAGE
        source = image_source(kind, context=context, folder=Path())
        yield NamedImage(source=source, reference=text)


def _archive(text: str, folder: Path) -> NamedImage:
    from imagelock.registry.archive import REFERENCE, archive_source

    path = Path(text.partition(":")[2])
    try:
        with path.open("rb") as file:
            source = archive_source(file, folder, where=str(path))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=text) from None
    return NamedImage(source=source, reference=REFERENCE)


def _engine_image(text: str, folder: Path) -> NamedImage:
    from imagelock.build.engine import connected
    from imagelock.build.engine.save import SavedImage
    from imagelock.registry.archive import REFERENCE, archive_source

    with connected() as engine:
        stream = SavedImage(engine, text.removeprefix(_ENGINE))
        source = archive_source(stream, folder, where=text)
    return NamedImage(source=source, reference=REFERENCE, partial=True)
