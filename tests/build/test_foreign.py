"""Programs of another platform run where the kernel knows how, and nowhere else."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.build import build, build_context, order_of
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import locate
from imagelock.app.images import named_image
from imagelock.app.lock import lock_spec
from imagelock.app.verify import verify_image
from imagelock.build.oci.builder import OciBuilder
from imagelock.build.oci.foreign import refuse_unrunnable
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import BuildError
from imagelock.model.platform import KNOWN_PLATFORMS, Platform
from support.command import kept_folder
from support.foreign import foreign_programs

HOST = next(item for item in KNOWN_PLATFORMS if item.machine == os.uname().machine)


def registered(folder: Path, flags: str) -> Path:
    (folder / "qemu-s390x").write_text(f"enabled\ninterpreter /usr/bin/q\nflags: {flags}\n")
    return folder


def test_this_machine_s_programs_run(tmp_path: Path) -> None:
    refuse_unrunnable(HOST, "t", registered=tmp_path)


def test_others_run_by_a_fixed_interpreter(tmp_path: Path) -> None:
    refuse_unrunnable(Platform("linux/s390x"), "t", registered=registered(tmp_path, "OCF"))


@pytest.mark.parametrize("flags", ["", "OC"])
def test_an_interpreter_outside_of_the_root_is_none(tmp_path: Path, flags: str) -> None:
    with pytest.raises(BuildError, match="without the flag F"):
        refuse_unrunnable(Platform("linux/s390x"), "t", registered=registered(tmp_path, flags))


def test_without_any_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="not registered") as caught:
        refuse_unrunnable(Platform("linux/riscv64"), "apt: 3 packages", registered=tmp_path)
    assert "qemu-user-static" in str(caught.value)


SPEC = """
platforms = ["linux/amd64", "linux/arm64"]
python = "3.11"
[base]
distribution = "debian:bookworm"
[pip]
packages = ["markupsafe==3.0.2"]
[[run]]
commands = ["uname -m > /etc/machine", "/opt/venv/bin/python -c 'import markupsafe._speedups' "]
"""


def locked(folder: Path, context: Context, text: str = SPEC) -> Path:
    spec = folder / "foreign.toml"
    spec.write_text(text)
    lock_spec(locate(str(spec)), context=context, options=ResolveOptions())
    return spec


@pytest.mark.network
def test_what_cannot_run_is_said_before_any_work(tmp_path: Path) -> None:
    """Nothing is fetched or made, not for the platform that could be built either."""
    context = Context(store=Store(kept_folder() / "store"), http=Http(), now=datetime.now(UTC))
    text = SPEC.replace("linux/arm64", "linux/s390x").replace(
        'packages = ["markupsafe==3.0.2"]', 'packages = ["idna"]'
    )
    order = order_of(locate(str(locked(tmp_path, context, text))))
    empty = replace(context, store=Store(tmp_path / "empty"), http=Http(offline=True))
    with pytest.raises(BuildError, match=r"programs of linux/s390x must run") as caught:
        build(order, (), output=f"oci:{tmp_path}/out", context=empty)
    assert caught.value.where == "base: debian:bookworm"
    assert not (tmp_path / "empty" / "sha256").exists()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.root
def test_another_platform_s_image_is_made_and_is_the_same_twice(tmp_path: Path) -> None:
    """arm64 on amd64: bootstrapped, with a wheel of that platform, and a run that loads it."""
    context = Context(store=Store(kept_folder() / "store"), http=Http(), now=datetime.now(UTC))
    arm64 = Platform("linux/arm64")
    order = order_of(locate(str(locked(tmp_path, context))))
    with foreign_programs("aarch64"):
        result = build(order, (arm64,), output=f"oci:{tmp_path}/out", context=context)
        again = OciBuilder(fresh=True).images(
            order.lock, (arm64,), context=build_context(order, context=context)
        )[0]
    assert again.image.manifest == result.images[0].manifest
    assert not any(layer.cached for layer in again.image.layers)
    with named_image(f"oci:{tmp_path}/out", context=context) as image:
        assert verify_image(order.lock, arm64, image.source, image.reference) == ()
        source = image.source.image(
            image.reference, image.source.digest(image.reference, arm64), arm64
        )
        last = image.source.layer(image.reference, source.layers[-1])
    assert b"aarch64\n" in gzip.decompress(last.read_bytes())
    # Layers that were made need no programs: the store is enough without qemu.
    assert build(order, (arm64,), output=f"oci:{tmp_path}/b", context=context).index == result.index
