"""pip packages on a base that has some: they join, and what the base has stays."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.build import build, order_of
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import locate
from imagelock.app.lock import lock_spec
from imagelock.app.run import run_image
from imagelock.app.sections.base_venv import installed_in_venv, venv_python
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.base import BaseContents
from imagelock.model.errors import NoSolution
from imagelock.model.lock import Lock
from imagelock.model.plan import VenvStep, WheelsStep
from imagelock.model.platform import Platform
from imagelock.plan.image import plan_image
from imagelock.registry.layout import LayoutSource
from imagelock.resolve.base.record import contents_from_json, contents_to_json
from support.minbase import minbase_layout

AMD64 = Platform("linux/amd64")
BASE = """name = "base"
[base]
layout = "oci:layout"
[pip]
packages = ["packaging==24.0"]
"""
APP = """name = "app"
[base]
spec = "base/base.toml"
[pip]
packages = [{packages}]
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(store=Store(tmp_path / "store"), http=Http(), now=datetime.now(UTC))


@pytest.fixture
def folder(tmp_path: Path, context: Context) -> Path:
    """A base with one package in an environment, built from its lock when it is asked for."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "layout").symlink_to(minbase_layout())
    (base / "base.toml").write_text(BASE)
    locked(base / "base.toml", context)
    return tmp_path


def locked(spec: Path, context: Context) -> Lock:
    return lock_spec(locate(str(spec)), context=context, options=ResolveOptions()).lock


def app(folder: Path, context: Context, packages: str) -> Lock:
    (folder / "app.toml").write_text(APP.format(packages=packages))
    return locked(folder / "app.toml", context)


@pytest.mark.network
def test_new_packages_join_those_of_the_base(folder: Path, context: Context) -> None:
    lock = app(folder, context, '"packaging>=23", "six"')
    assert [str(pin.name) for pin in lock.pip] == ["six"]
    assert [pin.executable for pin in lock.pythons] == ["/opt/venv/bin/python"]
    steps = plan_image(lock, AMD64).steps
    assert not [step for step in steps if isinstance(step, VenvStep)]
    (wheels,) = (step for step in steps if isinstance(step, WheelsStep))
    assert wheels.prefix == "/opt/venv"
    # The pip section alone: the base's packages are known from what was read of it.
    more = app(folder, context, '"packaging>=23", "six", "idna"')
    assert [str(pin.name) for pin in more.pip] == ["idna", "six"]
    with pytest.raises(NoSolution, match=r"packaging is 24\.0 in /opt/venv of the base") as caught:
        app(folder, context, '"packaging>=25"')
    assert "move packaging in the base's own spec" in caught.value.hint
    nothing = app(folder, context, '"packaging"')
    assert nothing.pip == ()
    assert not plan_image(nothing, AMD64).steps


@pytest.mark.network
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="runs a command in the image as root")
def test_the_image_imports_both(
    folder: Path, context: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    # It requires packaging, which the base has and this lock does not.
    lock = app(folder, context, '"six", "deprecation"')
    assert [str(pin.name) for pin in lock.pip] == ["deprecation", "six"]
    order = order_of(locate(str(folder / "app.toml")))
    made = folder / "made"
    build(order, (AMD64,), output=f"oci:{made}", context=context, builder="oci")
    code = (
        "import deprecation, packaging, six, sys;"
        " print(packaging.__version__, six.__name__, sys.prefix)"
    )
    reference = f"oci:{made}"
    source = LayoutSource(context.store, folder=folder)
    assert run_image(source, reference, AMD64, ["python", "-c", code], context=context) == 0
    assert capfd.readouterr().out.split() == ["24.0", "six", "/opt/venv"]


def test_what_is_read_of_a_base_is_kept_whole() -> None:
    contents = BaseContents(
        libc=None,
        has_venv=True,
        venv_packages=(b"Metadata-Version: 2.1\nName: A_b\nVersion: 1", b"broken", b"Name: x"),
    )
    assert contents_from_json(contents_to_json(contents)) == contents
    found = installed_in_venv(contents, "base")
    assert {str(name): item.metadata.version for name, item in found.items()} == {"a-b": "1"}
    assert venv_python(contents) is None
    assert venv_python(replace(contents, has_venv=False)) is None


@pytest.mark.root
@pytest.mark.network
@pytest.mark.skipif(os.geteuid() != 0, reason="runs a command in the image as root")
def test_an_image_with_one_layer_twice_is_run(
    folder: Path, context: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    """The base copies what the image copies: overlayfs takes no folder twice."""
    copy = '[[copy]]\nfrom = "a.txt"\nto = "/a.txt"\n'
    base = f'name = "base"\n[base]\nlayout = "oci:layout"\n{copy}'
    (folder / "base" / "base.toml").write_text(base)
    (folder / "app.toml").write_text(f'name = "app"\n[base]\nspec = "base/base.toml"\n{copy}')
    for place in (folder / "a.txt", folder / "base" / "a.txt"):
        place.write_text("copied\n")
    locked(folder / "base" / "base.toml", context)
    locked(folder / "app.toml", context)
    made = folder / "made"
    order = order_of(locate(str(folder / "app.toml")))
    found = build(order, (AMD64,), output=f"oci:{made}", context=context, builder="oci")
    assert found.images[0].layers
    source = LayoutSource(context.store, folder=folder)
    assert run_image(source, f"oci:{made}", AMD64, ["cat", "/a.txt"], context=context) == 0
    assert capfd.readouterr().out == "copied\n"
