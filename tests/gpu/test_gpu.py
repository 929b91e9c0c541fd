"""``[gpu]``: what it fills in, what it bounds, and what of an image does not fit it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.gpu import bounded, check_gpu
from imagelock.app.sections.pip import index_urls, pip_section
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.lock import decode_lock, encode_lock, tag_digest
from imagelock.model.errors import NoSolution
from imagelock.model.gpu import (
    DRIVERS,
    PYTORCH_BUILDS,
    base_cuda,
    built_for,
    conda_bounds,
    gpu_library,
    pip_bounds,
    release_of,
)
from imagelock.model.lock import AptPin, CondaPin, Lock, PipPin, Requirer
from imagelock.model.names import deb_name, pip_name
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.python import PythonTarget
from imagelock.model.spec import GpuSpec, Spec
from imagelock.plan import plan_image
from support.conda_channel import conda_package
from support.conda_sites import conda_lock, conda_pin
from support.example_lock import artifact
from support.local_server import Answer, LocalServer, local_server
from support.specs import BASE, problems_of, spec_of
from support.wheels import sha256, wheel

ONLY = (DEFAULT_PLATFORM,)
WHO = (Requirer(name="<spec>"),)


def pip(name: str, version: str) -> PipPin:
    return PipPin(
        name=pip_name(name),
        version=version,
        artifact=artifact("pypi", f"{name}-{version}.whl"),
        platforms=ONLY,
        required_by=WHO,
    )


def conda(name: str, version: str) -> CondaPin:
    return conda_pin(conda_package(name, version))


def apt(name: str, version: str) -> AptPin:
    return AptPin(
        name=deb_name(name),
        version=version,
        architecture="amd64",
        suite="bookworm",
        source=name,
        artifact=artifact("debian", f"{name}.deb"),
        platforms=ONLY,
        required_by=WHO,
    )


def lock_of(*pins: PipPin | CondaPin | AptPin, gpu: GpuSpec | None = None, base: str = "") -> Lock:
    lock = conda_lock([])
    bases = tuple(replace(pin, reference=base) for pin in lock.bases) if base else lock.bases
    return replace(
        lock,
        roots=replace(lock.roots, gpu=gpu or GpuSpec()),
        bases=bases,
        pip=tuple(pin for pin in pins if isinstance(pin, PipPin)),
        conda=tuple(pin for pin in pins if isinstance(pin, CondaPin)),
        apt=tuple(pin for pin in pins if isinstance(pin, AptPin)),
    )


def gpu_of(text: str) -> GpuSpec:
    return spec_of(f"{BASE}[gpu]\n{text}\n").gpu


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ('cuda = "12.4"', "550.54.14"),
        ('cuda = "12.4.1"', "550.54.14"),
        ('cuda = "12"', "525.60.13"),
        ('cuda = "11.8"', "520.61.05"),
        ('cuda = "12.4"\ndriver = "525.60.13"', "525.60.13"),
        ('cuda = "99.1"\ndriver = "999"', "999"),
        ('cudnn = "9"', None),
    ],
)
def test_the_driver_follows_from_the_version(text: str, driver: str | None) -> None:
    assert gpu_of(text).driver == driver


def test_a_version_without_a_known_driver_is_refused() -> None:
    said = problems_of(f'{BASE}[gpu]\ncuda = "12.7"\n')
    assert "12.6, 12.8" in said
    assert "gpu.driver" in said


def test_drivers_are_newer_for_newer_versions() -> None:
    pairs = [(release_of(cuda), release_of(driver)) for cuda, driver in DRIVERS.items()]
    assert pairs == sorted(pairs)
    assert sorted(driver for _, driver in pairs) == [driver for _, driver in pairs]


def test_the_lock_and_its_tag_have_the_driver() -> None:
    lock = lock_of(gpu=GpuSpec(cuda="12.4", driver="550.54.14"))
    assert 'driver = "550.54.14"' in encode_lock(lock).decode()
    assert decode_lock(encode_lock(lock), source="t").roots.gpu == lock.roots.gpu
    other = replace(lock, roots=replace(lock.roots, gpu=GpuSpec(cuda="12.4", driver="525.60.13")))
    assert tag_digest(lock) != tag_digest(other)


def test_a_container_says_which_driver_it_needs_and_the_spec_wins() -> None:
    lock = lock_of(gpu=GpuSpec(cuda="12.4", driver="550.54.14"))
    roots = replace(lock.roots, env=(("NVIDIA_VISIBLE_DEVICES", "none"),))
    env = dict(plan_image(replace(lock, roots=roots), DEFAULT_PLATFORM).config.env)
    assert env == {
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_REQUIRE_DRIVER": "driver>=550.54.14",
        "NVIDIA_VISIBLE_DEVICES": "none",
    }
    assert plan_image(lock_of(), DEFAULT_PLATFORM).config.env == ()


@pytest.mark.parametrize(
    ("gpu", "name", "url"),
    [
        ('[gpu]\ncuda = "12.4"\n', "pytorch-cu124", "https://download.pytorch.org/whl/cu124/"),
        ('[gpu]\ncuda = "11.8.0"\n', "pytorch-cu118", "https://download.pytorch.org/whl/cu118/"),
        ("", "pytorch-cpu", "https://download.pytorch.org/whl/cpu/"),
    ],
)
def test_pytorchs_index_is_that_of_the_version(gpu: str, name: str, url: str) -> None:
    spec = spec_of(f'{BASE}[pip]\nextra-indexes = ["pytorch", "nvidia"]\n{gpu}').pip
    assert spec.extra_indexes == (name, "nvidia")
    assert index_urls(spec)[:2] == (url, "https://pypi.nvidia.com/")


def test_a_build_may_be_named_and_one_that_is_not_there_is_refused() -> None:
    spec = spec_of(f'{BASE}[pip]\nindex = "pytorch-cu121"\n[gpu]\ncuda = "12.4"\n')
    assert spec.pip.index == "pytorch-cu121"
    by_url = spec_of(f'{BASE}[pip]\nindex = "https://download.pytorch.org/whl/cu121"\n')
    assert by_url.pip.index == "pytorch-cu121"
    for version in ("12.3", "12"):
        said = problems_of(f'{BASE}[pip]\nindex = "pytorch"\n[gpu]\ncuda = "{version}"\n')
        assert f"no index for CUDA {version}; it has {', '.join(PYTORCH_BUILDS)}" in said


@pytest.mark.parametrize(
    ("package", "library", "release"),
    [
        (("conda", "cudnn", "9.3.0.75"), "cuDNN", (9, 3, 0, 75)),
        (("pip", "nvidia-cudnn-cu12", "9.1.0.70"), "cuDNN", (9, 1, 0, 70)),
        (("apt", "libcudnn9-cuda-12", "9.1.0.70-1"), "cuDNN", (9, 1, 0, 70)),
        (("apt", "libcudnn8", "8.9.7.29-1+cuda12.2"), "cuDNN", (8, 9, 7, 29)),
        (("apt", "cuda-cudart-12-4", "12.4.127-1"), "CUDA runtime", (12, 4, 127)),
        (("pip", "nvidia-cuda-runtime", "13.0.48"), "CUDA runtime", (13, 0, 48)),
        (("apt", "libnccl2", "2.21.5-1+cuda12.4"), "NCCL", (2, 21, 5)),
        (("apt", "libcublas-12-4", "12.4.5.8-1"), "cuBLAS", (12, 4, 5, 8)),
    ],
)
def test_whose_library_is_what(
    package: tuple[str, str, str], library: str, release: tuple[int, ...]
) -> None:
    found = gpu_library(*package)
    assert found is not None
    assert (found.library, found.release) == (library, release)


def test_what_is_none_of_nvidias() -> None:
    for package in (
        ("pip", "numpy", "2.0"),
        ("pip", "nvidia-dali-cuda120", "1.0"),
        ("conda", "cuda-version", "12.4"),
        ("conda", "nvidia-cudnn-cu12", "9"),
        ("apt", "libcudnn9-dev-cuda-12", "9.1"),
    ):
        assert gpu_library(*package) is None


def test_what_a_package_is_built_for() -> None:
    assert built_for("pip", "torch", "2.5.1+cu124") == (12, 4)
    assert built_for("pip", "torch", "2.1.0+pt.cu118") == (11, 8)
    assert built_for("pip", "torch", "2.5.1+cpu") is None
    assert built_for("conda", "cuda-version", "12.6") == (12, 6)
    assert built_for("pip", "nvidia-cuda-runtime-cu12", "12.6.77") == (12, 6)
    assert base_cuda("nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04") == (12, 4)
    assert base_cuda("docker.io/nvidia/cuda:12.4.1-base@sha256:0") == (12, 4)
    assert base_cuda("python:3.12-slim") is None
    assert base_cuda("nvidia/cuda:latest") is None


ASKED = GpuSpec(cuda="12.4", cudnn="9.1", driver="550.54.14")

FITS: list[tuple[Lock, str]] = [
    (lock_of(conda("cudnn", "9.1.0.70"), pip("nvidia-cudnn-cu12", "9.1.0.70")), "the same"),
    (
        lock_of(pip("nvidia-cudnn-cu11", "8.9.0"), pip("nvidia-cudnn-cu12", "9.1.0")),
        "one ecosystem",
    ),
    (lock_of(pip("torch", "2.4.0+cu121"), gpu=ASKED), "built for an older one"),
    (lock_of(pip("nvidia-cuda-runtime-cu12", "12.4.127"), gpu=ASKED), "the one that was asked"),
    (lock_of(pip("x", "1+cu128"), gpu=GpuSpec(cuda="12")), "any 12"),
    (lock_of(gpu=ASKED, base="nvidia/cuda:12.4.1-base"), "the base's"),
    (lock_of(pip("torch", "2.7.0+cu128")), "nothing was asked"),
]

FITS_NOT: list[tuple[Lock, str]] = [
    (
        lock_of(conda("cudnn", "9.3.0.75"), pip("nvidia-cudnn-cu12", "9.1.0.70")),
        "cuDNN is there twice: conda's cudnn 9.3.0.75 and pip's nvidia-cudnn-cu12 9.1.0.70",
    ),
    (
        lock_of(apt("libnccl2", "2.20.3-1+cuda12.4"), conda("nccl", "2.21.5.1")),
        "NCCL is there twice: apt's libnccl2 2.20.3-1+cuda12.4 and conda's nccl 2.21.5.1",
    ),
    (lock_of(pip("torch", "2.7.0+cu128"), gpu=ASKED), "torch 2.7.0+cu128 is for CUDA 12.8"),
    (lock_of(conda("cuda-version", "12.6"), gpu=ASKED), "cuda-version 12.6 is for CUDA 12.6"),
    (
        lock_of(pip("nvidia-cuda-runtime", "13.0.48"), gpu=GpuSpec(cuda="12")),
        "nvidia-cuda-runtime 13.0.48 is for CUDA 13.0, and gpu.cuda is 12",
    ),
    (
        lock_of(gpu=ASKED, base="nvidia/cuda:12.1.0-base"),
        "the base nvidia/cuda:12.1.0-base has CUDA 12.1, and gpu.cuda is 12.4",
    ),
    (lock_of(apt("libcudnn9-cuda-12", "9.3.0.75-1"), gpu=ASKED), "is not of cuDNN 9.1"),
]


@pytest.mark.parametrize("lock", [lock for lock, _ in FITS], ids=[name for _, name in FITS])
def test_it_fits(lock: Lock) -> None:
    check_gpu(lock)


@pytest.mark.parametrize(("lock", "expected"), FITS_NOT, ids=[name for _, name in FITS_NOT])
def test_it_does_not_fit(lock: Lock, expected: str) -> None:
    with pytest.raises(NoSolution) as caught:
        check_gpu(lock)
    assert f"linux/amd64: {expected}" in str(caught.value) or expected in str(caught.value)
    assert caught.value.hint


def test_bounds() -> None:
    assert conda_bounds("12.4.1", "9") == ("cuda-version 12.4.*", "cudnn 9.*")
    assert "nvidia-cuda-runtime-cu12<12.5" in pip_bounds("12.4", None)
    assert "nvidia-cuda-runtime-cu12<13" in pip_bounds("12", None)
    assert "nvidia-cudnn-cu12==9.1.*" in pip_bounds(None, "9.1")
    assert pip_bounds(None, None) == conda_bounds(None, None) == ()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


def publish(server: LocalServer, projects: dict[str, dict[str, tuple[str, ...]]]) -> None:
    """Projects and their versions with what each requires."""
    for name, versions in projects.items():
        files = []
        for version, requires in versions.items():
            filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
            data = wheel(name.replace("-", "_"), version, requires)
            server.routes[f"/files/{filename}"] = Answer(data)
            url = f"{server.url}/files/{filename}"
            hashes = {"sha256": sha256(data)}
            files.append({"filename": filename, "url": url, "hashes": hashes, "size": len(data)})
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
        server.routes[f"/simple/{name}/"] = Answer(
            json.dumps(page).encode(),
            headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
        )


def test_pip_takes_what_fits_the_version(server: LocalServer, tmp_path: Path) -> None:
    publish(
        server,
        {
            "torch": {
                "2.5": ("nvidia-cuda-runtime-cu12==12.4.127", "nvidia-cudnn-cu12==9.1.0.70"),
                "2.7": ("nvidia-cuda-runtime-cu12==12.8.90", "nvidia-cudnn-cu12==9.8.0.87"),
            },
            "nvidia-cuda-runtime-cu12": {"12.4.127": (), "12.8.90": ()},
            "nvidia-cudnn-cu12": {"9.1.0.70": (), "9.8.0.87": ()},
        },
    )
    target = PythonTarget(platform=DEFAULT_PLATFORM, version="3.12.4", libc="glibc 2.36")
    context = Context(store=Store(tmp_path), http=Http(), now=datetime(2026, 11, 20, tzinfo=UTC))

    def torch(gpu: str) -> str:
        text = f'{BASE}[pip]\npackages = ["torch"]\nindex = "{server.url}/simple"\n{gpu}'
        spec: Spec = spec_of(text)
        made = pip_section(
            bounded(spec),
            {DEFAULT_PLATFORM: target},
            context=context,
            options=ResolveOptions(),
            previous=None,
        )
        return {str(pin.name): pin.version for pin in made.pins}["torch"]

    assert torch("") == "2.7"
    assert torch('[gpu]\ncuda = "12.8"\n') == "2.7"
    assert torch('[gpu]\ncuda = "12.4"\n') == "2.5"
    assert torch('[gpu]\ncudnn = "9.1"\n') == "2.5"
    with pytest.raises(NoSolution, match="nvidia-cuda-runtime-cu12"):
        torch('[gpu]\ncuda = "11.8"\n')
