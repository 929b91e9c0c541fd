"""Requirements files, and locks of other tools: the spec names them and reads them itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from imagelock.app.importing.model import Imported, ImportRequest
from imagelock.spec.other_locks import is_lock_file

_LIKE: Final = re.compile(r"require|constraint", re.IGNORECASE)


class RequirementsFile:
    """``requirements.txt`` and its like; uv.lock, poetry.lock, pylock.toml and so on."""

    def takes(self, path: Path, text: str) -> bool:  # noqa: ARG002 (the name is enough)
        """By name: what is called like requirements or like one of the locks."""
        is_text = path.suffix in {".txt", ".in"}
        return (
            is_lock_file(path.name) or is_text or bool(_LIKE.search(path.name) and not path.suffix)
        )

    def read(self, request: ImportRequest, text: str) -> tuple[Imported, ...]:
        """One spec that lists the file, which is read now to say what is wrong in it."""
        from imagelock.model.errors import UsageError
        from imagelock.spec.requirements import RequirementsReader
        from imagelock.spec.rule import RuleBroken

        del text
        folder = request.path.parent
        reader = RequirementsReader(
            lambda name: (folder / name).read_bytes(), folder=folder.as_posix()
        )
        try:
            reader.read(request.path.name)
        except RuleBroken as error:
            raise UsageError(error.message, where=str(request.path), hint=error.hint) from None
        document = {"pip": {"requirements": [request.relative(request.path)]}}
        name = request.path.resolve().parent.name
        return (Imported(label=name, document=document),)
