"""The plan of one platform's image.

Order of the layers: what changes least lies lowest: base, apt, conda, venv, small wheels, big
wheels, wheels built of sources, copies, runs, source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagelock.model.lock import (
    CONDA_PREFIX,
    AptPin,
    Lock,
)
from imagelock.model.plan import (
    AnyStep,
    AptStep,
    ConfigChange,
    CopyStep,
    ImagePlan,
    RunStep,
    SourceStep,
)
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase, GpuSpec, SourceMode, Spec
from imagelock.plan.conda import conda_steps
from imagelock.plan.keys import apt_inputs, removal_inputs, step_key
from imagelock.plan.pip import VENV, pip_steps
from imagelock.plan.sources import sources_list
from imagelock.plan.words import count

SOURCE_TARGET: Final = "/root"
"""Where flytekit puts the source when no workdir is asked."""


def plan_image(lock: Lock, platform: Platform) -> ImagePlan:
    """The steps that make the image of a platform. LockError when the lock has no base for it."""
    return ImagePlan(
        platform=platform,
        recipe=lock.recipe,
        base=lock.base_for(platform),
        steps=(
            *_apt_steps(lock, platform),
            *conda_steps(lock, platform),
            *pip_steps(lock, platform),
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
            sources, vendor = sources_list(base, platform), base.vendor
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
            title=f"apt: {count(len(added), 'package')}",
            key=step_key(
                "apt",
                lock.recipe,
                packages=apt_inputs(added),
                removals=removal_inputs(removals),
            ),
            packages=added,
            removals=removals,
        )


def _file_steps(lock: Lock) -> Iterator[AnyStep]:
    roots = lock.roots
    if roots.copies:
        rules = [[rule.source, rule.target] for rule in roots.copies]
        yield CopyStep(
            title=f"copy: {count(len(rules), 'rule')}",
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


def _run_title(number: int, commands: tuple[str, ...]) -> str:
    first = commands[0].strip().partition("\n")[0] if commands else ""
    return f"run {number}: {first[:60]}"
