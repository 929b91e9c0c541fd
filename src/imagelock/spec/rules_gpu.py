"""What ``[gpu]`` says without saying it: the driver, and which of PyTorch's indexes is meant."""

from __future__ import annotations

from dataclasses import replace

from imagelock.model.gpu import DRIVERS, PYTORCH, PYTORCH_BUILDS, driver_for, pytorch_index
from imagelock.model.spec import GpuSpec, Spec
from imagelock.spec.rule import RuleBroken


def with_driver(gpu: GpuSpec) -> GpuSpec:
    """The table with the driver of its CUDA version. RuleBroken for a version without one."""
    if gpu.cuda is None or gpu.driver is not None:
        return gpu
    driver = driver_for(gpu.cuda)
    if driver is None:
        known = ", ".join(DRIVERS)
        msg = f"expected a CUDA version whose driver is known ({known}), got '{gpu.cuda}'"
        raise RuleBroken(msg, hint="name the oldest driver as well: gpu.driver", key="cuda")
    return replace(gpu, driver=driver)


def without_driver(spec: Spec) -> Spec:
    """The spec without the driver that :func:`with_driver` would fill in."""
    gpu = replace(spec.gpu, driver=None)
    if gpu.cuda is None or spec.gpu.driver != driver_for(gpu.cuda):
        return spec
    return replace(spec, gpu=gpu)


def with_pytorch_index(spec: Spec) -> Spec:
    """The spec with the index ``pytorch`` named by its build. RuleBroken where there is none."""
    pip = spec.pip
    if PYTORCH not in (pip.index, *pip.extra_indexes):
        return spec
    name = pytorch_index(spec.gpu.cuda)
    if name is None:
        builds = ", ".join(PYTORCH_BUILDS)
        msg = f"PyTorch has no index for CUDA {spec.gpu.cuda}; it has {builds}"
        raise RuleBroken(msg, hint=f"change gpu.cuda, or name one: '{PYTORCH}-cu124'", key="pip")
    extra = tuple(name if item == PYTORCH else item for item in pip.extra_indexes)
    index = name if pip.index == PYTORCH else pip.index
    return replace(spec, pip=replace(pip, index=index, extra_indexes=extra))
