"""A command in a built image: its layers as an overlay, its config as the environment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagelock.build.oci.sandbox import PATH, Work, open_sandbox
from imagelock.build.oci.trees import Blobs, Trees
from imagelock.model.errors import UsageError
from imagelock.model.image import BuiltLayer


def run_command(
    config: bytes,
    layers: tuple[BuiltLayer, ...],
    blobs: Blobs,
    command: Sequence[str],
    *,
    store_root: Path,
    network: bool = False,
) -> int:
    """Run a command as the image's user, in its workdir; the exit status as a shell says it.

    Without a command the image's own entrypoint and cmd run. What it writes is thrown away.
    """
    runtime: dict[str, Any] = json.loads(config).get("config") or {}
    own = [*(runtime.get("Entrypoint") or ()), *(runtime.get("Cmd") or ())]
    wanted = list(command) or own
    if not wanted:
        raise UsageError(
            "the image has no entrypoint and no cmd",
            where="run",
            hint="give a command: imagelock run LOCK -- CMD",
        )
    env = dict(item.partition("=")[::2] for item in runtime.get("Env") or ())
    env.setdefault("PATH", PATH)
    with open_sandbox(store_root) as sandbox, sandbox.scratch() as scratch:
        work = Work(
            lower=Trees(sandbox, blobs).names(layers),
            commands=(tuple(wanted),),
            env=tuple(env.items()),
            network=network,
            workdir=runtime.get("WorkingDir") or "/",
            user=runtime.get("User") or "",
        )
        return sandbox.run(work, scratch, interactive=True)[0]
