"""Files of a folder that a spec names, by their relative reference.

Nothing outside of the folder is read, whatever links lie in it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagelock.fetch.store import file_chunks
from imagelock.model.archives import local_path
from imagelock.model.errors import IntegrityError, NotFound, UsageError


@contextmanager
def open_local(
    folder: Path | None, reference: str, *, root: str, start: int = 0
) -> Iterator[Iterator[bytes]]:
    """The bytes of a file from ``start`` on.

    ``reference`` and that of the archive, ``root``, are relative to ``folder``. NotFound when
    there is no such file, IntegrityError when it lies outside of the archive.
    """
    with local_file(folder, reference, root=root).open("rb") as file:
        file.seek(start)
        yield file_chunks(file)


def local_file(folder: Path | None, reference: str, *, root: str) -> Path:
    """The file of a relative reference; as :func:`open_local`."""
    if folder is None:
        raise UsageError("a folder of the lock cannot be found without the lock's", where=reference)
    path, archive = folder / local_path(reference), (folder / local_path(root)).resolve()
    try:
        found = path.resolve(strict=True)
        mode = found.stat().st_mode
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        raise NotFound(
            f"cannot be read: {reason.lower()}",
            where=str(path),
            hint="put the file back, or run `imagelock lock` on the spec",
        ) from None
    if not found.is_relative_to(archive):
        raise IntegrityError(
            f"leads out of its folder, to {found}",
            where=str(path),
            hint="put the file itself into the folder",
        )
    if not stat.S_ISREG(mode):
        raise IntegrityError("expected a file, got something else", where=str(path))
    return found
