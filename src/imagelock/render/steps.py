"""A step of the plan as a folder of the context: what it needs, and the script that uses it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from imagelock.model.errors import UsageError
from imagelock.model.plan import (
    AptStep,
    ImagePlan,
    RunStep,
    WheelsStep,
)
from imagelock.model.spec import Secret
from imagelock.render import scripts
from imagelock.render.model import ArtifactFile, Prepared, Scrubbing, TextFile, TreeFile
from imagelock.render.uv import uv_program, uv_wheel

SCRIPT: Final = "run.sh"
TREE: Final = "tree.tar"
UV: Final = "uv"
_VERSION: Final = re.compile(r"[0-9A-Za-z.!+_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One step: ``name`` is its folder below the context, files are relative to the context.

    ``tree``: a tar of it is unpacked at the root first. ``runs``: its script is run then.
    """

    name: str
    title: str
    texts: tuple[TextFile, ...] = ()
    artifacts: tuple[ArtifactFile, ...] = ()
    tree: TreeFile | None = None
    runs: bool = False
    uses_uv: bool = False
    network: bool = False
    secrets: tuple[Secret, ...] = ()
    is_command: bool = False


def base_folder(prefix: str, title: str) -> Folder:
    """The base's layers as one tree."""
    name = f"{prefix}0-base"
    return Folder(name=name, title=title, tree=TreeFile(path=f"{name}/{TREE}", step=None))


def step_folder(
    plan: ImagePlan, prepared: Prepared, number: int, *, prefix: str, scrubbing: Scrubbing
) -> Folder:
    """The folder of a step. Of sources there are wheels already, in steps of their own."""
    step = prepared.step
    kind = type(step).__name__.removesuffix("Step").lower()
    name = f"{prefix}{number}-{'base' if isinstance(step, AptStep) and step.bootstrap else kind}"
    if isinstance(step, AptStep):
        return _apt(step, prepared, name, scrubbing)
    if isinstance(step, WheelsStep):
        return _wheels(plan, step, name, scrubbing)
    if isinstance(step, RunStep):
        return _run(step, prepared, name, scrubbing)
    assert not step.runs_code, step.title
    return Folder(name=name, title=step.title, tree=TreeFile(path=f"{name}/{TREE}", step=step))


def uv_folder(plan: ImagePlan, prefix: str) -> Folder:
    """The folder of uv itself, for all steps with wheels."""
    wheel = uv_wheel(plan.recipe, plan.platform)
    name = f"{prefix}{UV}"
    return Folder(
        name=name,
        title="uv",
        artifacts=(ArtifactFile(path=f"{name}/{wheel.filename}", artifact=wheel),),
    )


def _apt(step: AptStep, prepared: Prepared, name: str, scrubbing: Scrubbing) -> Folder:
    texts = [
        TextFile(path=f"{name}/{scripts.LIBRARY}", text=scripts.library(scrubbing)),
        TextFile(
            path=f"{name}/{SCRIPT}",
            text=scripts.apt_script(prepared, root=bool(prepared.texts)),
        ),
        *(TextFile(path=f"{name}/root/{path}", text=text) for path, text in prepared.texts),
    ]
    if prepared.marks:
        texts.append(TextFile(path=f"{name}/extended_states", text=prepared.marks))
    # Of a bootstrapped base only what dpkg itself unpacks is there as a package.
    words = {word for command in prepared.commands for word in command}
    debs = tuple(
        ArtifactFile(path=f"{name}/{deb_name(pin.name, pin.architecture)}", artifact=pin.artifact)
        for pin in step.packages
        if any(word.endswith(f"/{deb_name(pin.name, pin.architecture)}") for word in words)
    )
    return Folder(
        name=name,
        title=step.title,
        texts=tuple(texts),
        artifacts=debs,
        tree=TreeFile(path=f"{name}/{TREE}", step=step) if step.bootstrap else None,
        runs=True,
    )


def deb_name(name: str, architecture: str) -> str:
    """What a package is called in the context: short, since dpkg is given all of them at once."""
    return f"{name}_{architecture}.deb"


def _wheels(plan: ImagePlan, step: WheelsStep, name: str, scrubbing: Scrubbing) -> Folder:
    lines = [
        f"{pin.name}=={_version(pin.version, step)} --hash=sha256:{pin.artifact.sha256}\n"
        for pin in step.wheels
    ]
    script = scripts.wheels_script(
        step.title,
        python=f"{step.prefix}/bin/python" if step.prefix else step.python.executable,
        prefix=step.prefix,
        program=uv_program(plan.recipe),
        requested=json.dumps([pin.name for pin in step.wheels if pin.requested]),
        names=json.dumps([pin.name for pin in step.wheels]),
    )
    return Folder(
        name=name,
        title=step.title,
        texts=(
            TextFile(path=f"{name}/{scripts.LIBRARY}", text=scripts.library(scrubbing)),
            TextFile(path=f"{name}/{SCRIPT}", text=script),
            TextFile(path=f"{name}/{scripts.FINISH}", text=scripts.finish_program()),
            TextFile(path=f"{name}/{scripts.REQUIREMENTS}", text="".join(lines)),
        ),
        artifacts=tuple(
            ArtifactFile(path=f"{name}/wheels/{pin.artifact.filename}", artifact=pin.artifact)
            for pin in step.wheels
        ),
        runs=True,
        uses_uv=True,
    )


def _version(text: str, step: WheelsStep) -> str:
    """A version (PEP 440), which can bring no option into a requirements file."""
    if not _VERSION.fullmatch(text):
        raise UsageError(f"expected a version, got {text!r}", where=step.title)
    return text


def _run(step: RunStep, prepared: Prepared, name: str, scrubbing: Scrubbing) -> Folder:
    return Folder(
        name=name,
        title=step.title,
        texts=(
            TextFile(path=f"{name}/{scripts.LIBRARY}", text=scripts.library(scrubbing)),
            TextFile(path=f"{name}/{SCRIPT}", text=scripts.run_script(step.title, prepared.epoch)),
            TextFile(path=f"{name}/{scripts.COMMANDS}", text="\n".join(step.rule.commands) + "\n"),
        ),
        runs=True,
        network=step.rule.network,
        secrets=step.secrets,
        is_command=True,
    )
