"""A Python module that makes ImageSpecs: run in a process of its own, never in ours."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from imagelock.app.importing import inside_module
from imagelock.app.importing.image_spec import imported_fields
from imagelock.app.importing.model import Document, Imported, ImportRequest
from imagelock.model.errors import UsageError
from imagelock.spec.image_spec import FIELDS, read_remarks

_LONGEST: Final = 300


class PythonModule:
    """flytekit's ImageSpecs and ours: variables of the module, and images of its tasks.

    flytekit may be missing: a stand-in records the fields then.
    """

    def takes(self, path: Path, text: str) -> bool:  # noqa: ARG002 (the name is enough)
        """A ``.py`` file."""
        return path.suffix == ".py"

    def read(self, request: ImportRequest, text: str) -> tuple[Imported, ...]:
        """One spec for each ImageSpec. UsageError when the module fails, hangs or makes none."""
        del text
        found = run_module(request)
        if not found:
            raise UsageError(
                "the module holds no ImageSpec",
                where=str(request.path),
                hint="variables of the module and images of its tasks are looked at",
            )
        return tuple(_imported(one, found, request) for one in found)


def run_module(request: ImportRequest) -> list[dict[str, Any]]:
    """What the module's process says of its ImageSpecs, as JSON (see ``inside_module``)."""
    with tempfile.TemporaryDirectory(prefix="imagelock-import-") as folder:
        answer = Path(folder) / "answer.json"
        job = {"module": str(request.path.resolve()), "answer": str(answer), "fields": list(FIELDS)}
        command = [request.python, inside_module.__file__, json.dumps(job)]
        code = _run(command, cwd=request.path.resolve().parent, request=request)
        if not answer.exists():
            raise _failed(request, f"the module's process ended with code {code}")
        try:
            said = json.loads(answer.read_text(encoding="utf-8"))
            if "failed" not in said:
                specs: list[dict[str, Any]] = said["specs"]
                return specs
            reason = str(said["failed"])
        except (ValueError, KeyError, TypeError):
            reason = "its answer cannot be read"
    raise _failed(request, f"the module failed: {reason[:_LONGEST]}")


def _run(command: list[str], *, cwd: Path, request: ImportRequest) -> int:
    """Run it in a session of its own, so that what it started ends with it."""
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(
            f"the interpreter cannot be run: {error.strerror}", where=request.python
        ) from None
    try:
        return process.wait(request.seconds)
    except subprocess.TimeoutExpired:
        raise _failed(request, f"the module ran longer than {request.seconds:g} seconds") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failed(request: ImportRequest, message: str) -> UsageError:
    return UsageError(
        message,
        where=str(request.path),
        hint="it is imported by --python; what it imports must be there, other than flytekit",
    )


def _imported(
    one: Mapping[str, Any], found: list[dict[str, Any]], request: ImportRequest
) -> Imported:
    label = str(one["label"])
    if "text" in one:
        document = rebased(tomllib.loads(one["text"]), Path(one["folder"]), request)
        return Imported(
            label=label, document=document, remarks=tuple(_remarks(one["text"]).items())
        )
    fields = dict(one["fields"])
    base = fields.get("base_image")
    if isinstance(base, dict):
        fields["base_image"] = {"spec": f"{found[base['number']]['label']}.toml"}
    return imported_fields(label, fields, request, folder=request.path.parent)


def _remarks(text: str) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in read_remarks(text).items()}


def rebased(document: Document, folder: Path, request: ImportRequest) -> Document:
    """A document whose paths are relative to ``folder``, with paths relative to the new spec."""

    def moved(path: str) -> str:
        return request.relative(folder / path)

    if files := document.get("pip", {}).get("requirements"):
        document["pip"]["requirements"] = [moved(path) for path in files]
    for rule in document.get("copy", []):
        rule["from"] = moved(rule["from"])
    if "source" in document:
        document["source"]["root"] = moved(document["source"]["root"])
    base = document.get("base", {})
    if "layout" in base:
        base["layout"] = f"oci:{moved(base['layout'].removeprefix('oci:'))}"
    if "spec" in base:
        base["spec"] = moved(base["spec"])
    for source in document.get("apt", {}).get("source", []):
        if "/" in source.get("signed-by", "") or "." in source.get("signed-by", ""):
            source["signed-by"] = moved(source["signed-by"])
    return document
