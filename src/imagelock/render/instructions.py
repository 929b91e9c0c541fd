"""Instructions of a Dockerfile: quoting, and an image's config (Dockerfile reference)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from imagelock.model.errors import UsageError
from imagelock.render.model import Runtime

_PLAIN = re.compile(r"[\w./:@+-]+", re.ASCII)
_ESCAPED = re.compile(r'(["\\$])')


def quoted(text: str, *, where: str) -> str:
    """A value between double quotes, with nothing expanded. UsageError for control characters."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise UsageError(
            "a Dockerfile cannot hold a value with line breaks or control characters",
            where=where,
            hint="use the embedded builder, `oci`, or put the value in a file",
        )
    return '"' + _ESCAPED.sub(r"\\\1", text) + '"'


def exec_form(name: str, words: Iterable[str]) -> str:
    """An instruction in the exec form, which no shell reads."""
    return f"{name} {json.dumps(list(words), ensure_ascii=False)}"


def environment(pairs: Iterable[tuple[str, str]]) -> str:
    """One ENV with a variable a line; empty for none."""
    listed = [f"{key}={quoted(text, where=f'env.{key}')}" for key, text in pairs]
    return "ENV " + " \\\n    ".join(listed) if listed else ""


def runtime_instructions(runtime: Runtime) -> Iterator[str]:
    """What follows the layers: how containers start."""
    labels = [
        f"{quoted(key, where='labels')}={quoted(text, where=f'labels.{key}')}"
        for key, text in runtime.labels
    ]
    if labels:
        yield "LABEL " + " \\\n      ".join(labels)
    yield from runtime.extra
    if runtime.workdir:
        yield f"WORKDIR {_word(runtime.workdir, 'image.workdir')}"
    if runtime.user:
        yield f"USER {_word(runtime.user, 'image.user')}"
    if runtime.entrypoint is not None:
        yield exec_form("ENTRYPOINT", runtime.entrypoint)
    if runtime.cmd is not None:
        yield exec_form("CMD", runtime.cmd)


def _word(text: str, where: str) -> str:
    """A value that an instruction takes to the end of its line, with nothing expanded."""
    return text if _PLAIN.fullmatch(text) else quoted(text, where=where)
