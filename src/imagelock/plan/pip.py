"""The steps of pip packages: a virtual environment, wheels, and what is built of sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from imagelock.model.archives import archive_url, is_repository
from imagelock.model.lock import Lock, PipPin, PythonPin, PythonProvider
from imagelock.model.plan import AnyStep, SourceWheelStep, VenvStep, WheelsStep
from imagelock.model.platform import Platform
from imagelock.plan.keys import source_inputs, step_key, wheel_inputs
from imagelock.plan.words import count

VENV: Final = "/opt/venv"

BIG_WHEEL: Final = 5_000_000
"""Bytes of a wheel from which it has a layer of its own."""

BIG_WHEELS: Final = 40
"""At most so many layers of one wheel: runtimes stop at 127 layers, and a base has some too."""


def pip_steps(lock: Lock, platform: Platform) -> Iterator[AnyStep]:
    """The virtual environment, the wheels in it, and what is built of sources, in that order."""
    pins = sorted((pin for pin in lock.pip if platform in pin.platforms), key=lambda p: p.name)
    python = lock.python_for(platform)
    if not pins or python is None:
        return
    # An interpreter of the base that was named is installed into itself, without a venv.
    prefix = "" if lock.roots.pip.python_exec else VENV
    # The environment of a base is added to as it is.
    if prefix and not python.executable.startswith(f"{VENV}/"):
        yield VenvStep(
            title=f"venv: Python {python.version}",
            key=step_key("venv", lock.recipe, python=_python_inputs(python), prefix=prefix),
            python=python,
            prefix=prefix,
            # Conda's own Python packages are what the wheels were resolved beside.
            system_packages=python.provider is PythonProvider.CONDA,
        )
    # The lowest layer makes room for all: what is cleared above would hide what lies below.
    replaced = () if prefix else tuple(pin.name for pin in pins)
    small, big = split_wheels(tuple(pin for pin in pins if pin.artifact.is_wheel))
    groups = [("pip: " + count(len(small), "package"), small)] if small else []
    groups += [(f"pip: {pin.name} {pin.version}", (pin,)) for pin in big]
    for number, (title, group) in enumerate(groups):
        yield WheelsStep(
            title=title,
            key=step_key(
                "wheels",
                lock.recipe,
                # Paths hold the minor version only: a new patch of Python changes no wheel layer.
                python=[_minor(python.version), python.implementation],
                prefix=prefix or python.executable,
                wheels=wheel_inputs(group),
            ),
            python=python,
            prefix=prefix,
            wheels=group,
            replaces=replaced if number == 0 else (),
        )
    for number, pin in enumerate(pin for pin in pins if not pin.artifact.is_wheel):
        step = _source_step(lock, platform, pin, python, prefix)
        yield replace(step, replaces=replaced) if number == 0 and not groups else step


def _source_step(
    lock: Lock, platform: Platform, pin: PipPin, python: PythonPin, prefix: str
) -> SourceWheelStep:
    tools = sorted(
        (
            tool
            for tool in lock.pip_builds
            if platform in tool.platforms and pin.name in tool.builds
        ),
        key=lambda tool: tool.name,
    )
    secrets = lock.roots.secrets
    settings = lock.roots.pip.settings_of(pin.name)
    commit = _commit_of(lock, pin)
    return SourceWheelStep(
        title=f"pip: {pin.name} {pin.version}, built",
        key=step_key(
            "source-wheel",
            lock.recipe,
            python=_python_inputs(python),
            prefix=prefix or python.executable,
            source=[*source_inputs(pin), pin.requested],
            tools=[[tool.artifact.filename, tool.artifact.sha256] for tool in tools],
            env=[list(pair) for pair in lock.roots.env],
            secrets=[[secret.id, secret.target] for secret in secrets],
            **({"settings": list(settings)} if settings else {}),
            **({"commit": commit} if commit else {}),
        ),
        python=python,
        prefix=prefix,
        pin=pin,
        tools=tuple(tools),
        settings=settings,
        commit=commit,
        env=lock.roots.env,
        secrets=secrets,
    )


def _commit_of(lock: Lock, pin: PipPin) -> str:
    """The commit of a source out of a repository; empty for all others."""
    root = archive_url(pin.artifact.archive, lock.archives)
    return pin.artifact.path.partition("/")[0] if is_repository(root) else ""


def split_wheels(wheels: tuple[PipPin, ...]) -> tuple[tuple[PipPin, ...], tuple[PipPin, ...]]:
    """Small and big ones, each in name order; beyond the cap the smaller of the big are small."""
    ranked = sorted(wheels, key=lambda pin: (-pin.artifact.size, pin.name))
    names = {pin.name for pin in ranked[:BIG_WHEELS] if pin.artifact.size >= BIG_WHEEL}
    small = tuple(pin for pin in wheels if pin.name not in names)
    return small, tuple(pin for pin in wheels if pin.name in names)


def _python_inputs(python: PythonPin) -> list[str]:
    system = ["system-packages"] if python.provider is PythonProvider.CONDA else []
    return [python.version, python.implementation, python.executable, *system]


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
