"""The plan of one platform's image.

Order of the layers: what changes least lies lowest: base, apt, conda, venv, small wheels, big
wheels, copies, runs, source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagelock.model.lock import (
    CONDA_PREFIX,
    AptPin,
    Lock,
    PipPin,
    PythonPin,
    PythonProvider,
)
from imagelock.model.plan import (
    AnyStep,
    AptStep,
    ConfigChange,
    CopyStep,
    ImagePlan,
    RunStep,
    SourceStep,
    VenvStep,
    WheelsStep,
)
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase, GpuSpec, SourceMode, Spec
from imagelock.plan.conda import conda_steps
from imagelock.plan.keys import apt_inputs, removal_inputs, step_key, wheel_inputs
from imagelock.plan.sources import sources_list

VENV: Final = "/opt/venv"
SOURCE_TARGET: Final = "/root"
"""Where flytekit puts the source when no workdir is asked."""

BIG_WHEEL: Final = 5_000_000
"""Bytes of a wheel from which it has a layer of its own."""

BIG_WHEELS: Final = 40
"""At most so many layers of one wheel: runtimes stop at 127 layers, and a base has some too."""


def plan_image(lock: Lock, platform: Platform) -> ImagePlan:
    """The steps that make the image of a platform. KeyError when the lock is not for it."""
    return ImagePlan(
        platform=platform,
        recipe=lock.recipe,
        base=lock.base_for(platform),
        steps=(
            *_apt_steps(lock, platform),
            *conda_steps(lock, platform),
            *_pip_steps(lock, platform),
            *_file_steps(lock),
        ),
        config=_config(lock, platform),
    )


def _apt_order(pin: AptPin) -> tuple[str, str]:
    return (pin.name, pin.architecture)


def _apt_steps(lock: Lock, platform: Platform) -> Iterator[AptStep]:
    pins = sorted((pin for pin in lock.apt if platform in pin.platforms), key=_apt_order)
    bottom = tuple(pin for pin in pins if pin.base)
    if bottom:
        base = lock.roots.base
        sources, vendor = "", ""
        if isinstance(base, DistributionBase) and any(pin.name == "apt" for pin in bottom):
            sources, vendor = sources_list(base), base.vendor
        yield AptStep(
            title=f"base: {lock.base_for(platform).reference}",
            key=step_key("bootstrap", lock.recipe, packages=apt_inputs(bottom), sources=sources),
            packages=bottom,
            bootstrap=True,
            sources=sources,
            vendor=vendor,
        )
    added = tuple(pin for pin in pins if not pin.base)
    removals = tuple(pin for pin in lock.apt_removals if platform in pin.platforms)
    if added or removals:
        yield AptStep(
            title=f"apt: {_count(len(added), 'package')}",
            key=step_key(
                "apt",
                lock.recipe,
                packages=apt_inputs(added),
                removals=removal_inputs(removals),
            ),
            packages=added,
            removals=removals,
        )


def _pip_steps(lock: Lock, platform: Platform) -> Iterator[AnyStep]:
    wheels = sorted((pin for pin in lock.pip if platform in pin.platforms), key=lambda p: p.name)
    python = lock.python_for(platform)
    if not wheels or python is None:
        return
    # An interpreter of the base that was named is installed into itself, without a venv.
    prefix = "" if lock.roots.pip.python_exec else VENV
    if prefix:
        yield VenvStep(
            title=f"venv: Python {python.version}",
            key=step_key("venv", lock.recipe, python=_python_inputs(python), prefix=prefix),
            python=python,
            prefix=prefix,
            # Conda's own Python packages are what the wheels were resolved beside.
            system_packages=python.provider is PythonProvider.CONDA,
        )
    small, big = split_wheels(tuple(wheels))
    groups = [("pip: " + _count(len(small), "package"), small)] if small else []
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
            # The lowest layer makes room for all: what is cleared above would hide what lies below.
            replaces=tuple(pin.name for pin in wheels) if not prefix and number == 0 else (),
        )


def split_wheels(wheels: tuple[PipPin, ...]) -> tuple[tuple[PipPin, ...], tuple[PipPin, ...]]:
    """Small and big ones, each in name order; beyond the cap the smaller of the big are small."""
    ranked = sorted(wheels, key=lambda pin: (-pin.artifact.size, pin.name))
    names = {pin.name for pin in ranked[:BIG_WHEELS] if pin.artifact.size >= BIG_WHEEL}
    small = tuple(pin for pin in wheels if pin.name not in names)
    return small, tuple(pin for pin in wheels if pin.name in names)


def _file_steps(lock: Lock) -> Iterator[AnyStep]:
    roots = lock.roots
    if roots.copies:
        rules = [[rule.source, rule.target] for rule in roots.copies]
        yield CopyStep(
            title=f"copy: {_count(len(rules), 'rule')}",
            key=step_key("copy", lock.recipe, rules=rules),
            rules=roots.copies,
        )
    for number, rule in enumerate(roots.runs, 1):
        yield RunStep(
            title=_run_title(number, rule.commands),
            key=step_key(
                "run",
                lock.recipe,
                commands=list(rule.commands),
                network=rule.network,
                env=[list(pair) for pair in roots.env],
                secrets=[[secret.id, secret.target] for secret in roots.secrets],
                workdir=roots.image.workdir,
            ),
            rule=rule,
            secrets=roots.secrets,
            env=roots.env,
        )
    if roots.source is not None and roots.source.mode is not SourceMode.NONE:
        target = roots.image.workdir or SOURCE_TARGET
        yield SourceStep(
            title=f"source: {roots.source.root}",
            key=step_key(
                "source",
                lock.recipe,
                root=roots.source.root,
                mode=str(roots.source.mode),
                target=target,
                **({"entry": list(roots.source.entry)} if roots.source.entry else {}),
            ),
            rule=roots.source,
            target=target,
        )


def _config(lock: Lock, platform: Platform) -> ConfigChange:
    roots: Spec = lock.roots
    has_venv = any(platform in pin.platforms for pin in lock.pip)
    has_venv = has_venv and lock.python_for(platform) is not None and not roots.pip.python_exec
    has_conda = any(platform in pin.platforms for pin in lock.conda)
    venv = (("VIRTUAL_ENV", VENV),) if has_venv else ()
    conda = (("CONDA_PREFIX", CONDA_PREFIX),) if has_conda else ()
    folders = [prefix for _, prefix in (*venv, *conda)]
    own = dict(roots.env)
    env = tuple(sorted({**dict(conda), **dict(venv), **_gpu_env(roots.gpu), **own}.items()))
    return ConfigChange(
        env=env,
        # A PATH the spec itself sets is taken as it is.
        prepend_path=tuple(f"{folder}/bin" for folder in folders) if "PATH" not in own else (),
        entrypoint=roots.image.entrypoint,
        cmd=roots.image.cmd,
        workdir=roots.image.workdir,
        user=roots.image.user,
        labels=roots.image.labels,
    )


def _gpu_env(gpu: GpuSpec) -> dict[str, str]:
    """What NVIDIA's container toolkit reads as a container starts: a driver too old is refused."""
    if gpu.driver is None:
        return {}
    return {
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_REQUIRE_DRIVER": f"driver>={gpu.driver}",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }


def _python_inputs(python: PythonPin) -> list[str]:
    system = ["system-packages"] if python.provider is PythonProvider.CONDA else []
    return [python.version, python.implementation, python.executable, *system]


def _run_title(number: int, commands: tuple[str, ...]) -> str:
    first = commands[0].strip().partition("\n")[0] if commands else ""
    return f"run {number}: {first[:60]}"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
