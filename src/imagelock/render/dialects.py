"""How the folders of the steps get into a build.

BuildKit binds a folder while its step runs: a layer a step, and nothing of the context in it.
The classic builder and podman 4 can only copy: all is done in a first stage, and the image is the
tree it ends with, as one layer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from imagelock.model.errors import UsageError
from imagelock.model.spec import Secret
from imagelock.render.instructions import environment, exec_form, runtime_instructions
from imagelock.render.model import PLACE, UV_PLACE, Dialect, Instruction, Runtime
from imagelock.render.scripts import clamp_command, engine_files_command, unmounted_command
from imagelock.render.steps import SCRIPT, TREE, Folder

_SHELL = ("/bin/sh", f"{PLACE}/{SCRIPT}")


def bound_stage(
    start: str, folders: tuple[Folder, ...], uv: Folder | None, runtime: Runtime
) -> Iterator[Instruction]:
    """The image of one platform for BuildKit, from its FROM on."""
    yield Instruction(text=start)
    if runtime.base_user:
        yield Instruction(text="USER 0:0")
    rest = list(_configured(folders, runtime))
    for folder in rest:
        if isinstance(folder, Instruction):
            yield folder
            continue
        if folder.tree is not None:
            yield Instruction(text=f"ADD {folder.name}/{TREE} /", title=folder.title)
        if folder.runs:
            mounts = [_bind(folder.name, PLACE)]
            if folder.uses_uv and uv is not None:
                mounts.append(_bind(uv.name, UV_PLACE))
            mounts += [_secret(secret) for secret in folder.secrets]
            flags = [f"--network={'default' if folder.network else 'none'}", *mounts]
            text = "RUN " + " \\\n    ".join([*flags, json.dumps(_SHELL)])
            yield Instruction(text=text, title=folder.title)
    for line in runtime_instructions(runtime):
        yield Instruction(text=line, title="how containers start")


def copied_stages(
    start: str,
    folders: tuple[Folder, ...],
    uv: Folder | None,
    runtime: Runtime,
    *,
    epoch: int,
    dialect: Dialect,
) -> Iterator[Instruction]:
    """The image of one platform for builders without mounts. UsageError for what they cannot do."""
    yield Instruction(text=f"{start} AS build")
    if runtime.base_user:
        yield Instruction(text="USER 0:0")
    if uv is not None:
        yield Instruction(text=f"COPY {uv.name} {UV_PLACE}", title=uv.title)
    for folder in _configured(folders, runtime):
        if isinstance(folder, Instruction):
            yield folder
        else:
            yield from _copied(folder, dialect)
    runs = any(folder.runs for folder in folders)
    if runs:
        yield Instruction(text=_last(folders, uv, epoch), title="fixed times")
    yield Instruction(text="FROM scratch")
    yield Instruction(text="COPY --from=build / /", title="all as one layer")
    if runs and dialect is Dialect.DOCKER:
        text = exec_form("RUN", ("/bin/sh", "-c", engine_files_command(epoch)))
        yield Instruction(text=text, title="less what the engine put there")
    if runtime.env:
        yield Instruction(text=environment(runtime.env), title="how containers start")
    for line in runtime_instructions(runtime):
        yield Instruction(text=line, title="how containers start")


def _copied(folder: Folder, dialect: Dialect) -> Iterator[Instruction]:
    _refuse(folder, dialect)
    if folder.tree is not None:
        yield Instruction(text=f"ADD {folder.name}/{TREE} /", title=folder.title)
    if folder.runs:
        yield Instruction(text=f"COPY {folder.name} {PLACE}", title=folder.title)
        flags = "".join(f"{_secret(secret)} \\\n    " for secret in folder.secrets)
        command = f"/bin/sh {PLACE}/{SCRIPT} && rm -rf {PLACE}"
        text = f"RUN {flags}{json.dumps(('/bin/sh', '-c', command))}"
        yield Instruction(text=text, title=folder.title)


def _last(folders: tuple[Folder, ...], uv: Folder | None, epoch: int) -> str:
    secrets = [secret for folder in folders for secret in folder.secrets]
    away = f"rm -rf {UV_PLACE} && " if uv is not None else ""
    command = away + unmounted_command(secrets) + clamp_command(epoch)
    return exec_form("RUN", ("/bin/sh", "-c", command))


def _configured(folders: tuple[Folder, ...], runtime: Runtime) -> Iterator[Folder | Instruction]:
    """The folders, with the image's environment before the first that runs a user's commands."""
    told = not runtime.env
    text = environment(runtime.env)
    for folder in folders:
        if folder.is_command and not told:
            told = True
            yield Instruction(text=text, title="environment")
        if folder.is_command and runtime.workdir:
            yield from _workdir(runtime)
        yield folder
    if not told:
        yield Instruction(text=text, title="environment")


def _workdir(runtime: Runtime) -> Iterator[Instruction]:
    only = Runtime(workdir=runtime.workdir)
    for line in runtime_instructions(only):
        yield Instruction(text=line, title="working folder")


def _bind(source: str, target: str) -> str:
    return f"--mount=type=bind,source={source},target={target}"


def _secret(secret: Secret) -> str:
    for text in (secret.id, secret.target):
        if not text or any(character in text for character in ',"\\$ \t\r\n'):
            raise UsageError(
                "a mount cannot be written with this text",
                where=f"secret '{secret.id}'",
                hint="use letters, digits, dots, dashes and slashes",
            )
    return f"--mount=type=secret,id={secret.id},target={secret.target},required=true"


def _refuse(folder: Folder, dialect: Dialect) -> None:
    if folder.secrets and dialect is Dialect.DOCKER:
        raise UsageError(
            "the classic builder has no secrets: whatever it is given stays in the image's history",
            where=folder.title,
            hint="use `--for buildkit` (builder `buildkit`), podman, or the embedded builder `oci`",
        )
    if folder.network:
        raise UsageError(
            "this builder cannot give a network to one command alone",
            where=folder.title,
            hint="use `--for buildkit` (builder `buildkit`), or the embedded builder `oci`",
        )
