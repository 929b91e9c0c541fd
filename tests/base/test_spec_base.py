"""``base.spec``: an image on the image of another spec."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.build import build, order_of
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.fetch import fetch_lock
from imagelock.app.files import locate
from imagelock.app.lock import lock_spec
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import CheckFailed, UsageError
from imagelock.model.image import BuildResult
from imagelock.model.lock import BaseKind, Lock
from support.layouts import Entry, LayoutWriter, tar_of

BASE = 'name = "base"\n[base]\nlayout = "oci:layout"\n[[copy]]\nfrom = "a.txt"\nto = "/srv/"\n'
DERIVED = 'name = "app"\n[base]\nspec = "base/base.toml"\n[env]\nA = "1"\n'


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(store=Store(tmp_path / "store"), http=Http(offline=True), now=datetime.now(UTC))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec on a layout, and a spec on that spec."""
    base = tmp_path / "specs" / "base"
    base.mkdir(parents=True)
    writer = LayoutWriter(base / "layout")
    release = Entry("etc/os-release", b"ID=small\n")
    python = Entry("usr/bin/python3.11", b"\x7fELF\x003.11.2\x00", mode=0o755)
    writer.finish([writer.image([tar_of([release, python])])])
    (base / "base.toml").write_text(BASE)
    (base / "a.txt").write_text("first")
    (tmp_path / "specs" / "app.toml").write_text(DERIVED)
    return tmp_path / "specs"


def lock(path: Path, context: Context, *, upgrade: bool = False, name: str = "") -> Lock:
    options = ResolveOptions(upgrade=upgrade, upgrade_names=frozenset({name} - {""}))
    return lock_spec(locate(str(path)), context=context, options=options).lock


def build_it(path: Path, context: Context, output: Path) -> BuildResult:
    order = order_of(locate(str(path)))
    return build(order, order.lock.platforms, output=f"oci:{output}", context=context)


def test_the_base_is_built_and_pinned_by_its_manifest(
    folder: Path, context: Context, tmp_path: Path
) -> None:
    lock(folder / "base" / "base.toml", context)
    derived = lock(folder / "app.toml", context)
    (pin,) = derived.bases
    assert (pin.kind, pin.reference) == (BaseKind.SPEC, "base/base.toml")
    base = build_it(folder / "base" / "base.toml", context, tmp_path / "base-out")
    assert pin.digest == base.images[0].manifest.digest
    first = build_it(folder / "app.toml", context, tmp_path / "out")
    assert first.images[0].layers[: len(base.images[0].layers)]
    below = [layer.diff_id for layer in base.images[0].layers]
    assert [layer.diff_id for layer in first.images[0].layers][: len(below)] == below
    # Another machine, with nothing but the specs and locks, makes the same.
    other = replace(context, store=Store(tmp_path / "other"))
    assert build_it(folder / "app.toml", other, tmp_path / "out2").index == first.index


def test_without_a_lock_of_the_base_the_next_step_is_named(folder: Path, context: Context) -> None:
    with pytest.raises(UsageError, match=r"imagelock lock .*base\.toml"):
        lock(folder / "app.toml", context)


def test_a_base_that_moved_is_noticed_where_its_old_image_is_gone(
    folder: Path, context: Context, tmp_path: Path
) -> None:
    lock(folder / "base" / "base.toml", context)
    before = lock(folder / "app.toml", context)
    (folder / "base" / "a.txt").write_text("second")
    # This machine still has the base that was pinned …
    kept = build_it(folder / "app.toml", context, tmp_path / "out")
    assert kept.images[0].layers
    assert lock(folder / "app.toml", context) == before
    # … another one cannot make it any more, and says so.
    other = replace(context, store=Store(tmp_path / "other"))
    with pytest.raises(CheckFailed, match="lock -P base"):
        build_it(folder / "app.toml", other, tmp_path / "out2")
    moved = lock(folder / "app.toml", other, upgrade=True)
    assert moved.bases[0].digest != before.bases[0].digest
    build_it(folder / "app.toml", other, tmp_path / "out3")


def test_layers_that_vanished_from_the_store_are_made_again(
    folder: Path, context: Context, tmp_path: Path
) -> None:
    lock(folder / "base" / "base.toml", context)
    lock(folder / "app.toml", context)
    first = build_it(folder / "app.toml", context, tmp_path / "out")
    for layer in first.images[0].layers:
        context.store.remove(layer.descriptor.digest.removeprefix("sha256:"))  # type: ignore[arg-type]
    shutil.rmtree(context.store.root / "layouts")
    again = build_it(folder / "app.toml", context, tmp_path / "out2")
    assert again.index == first.index


def test_a_stale_lock_of_the_base_is_refused(folder: Path, context: Context) -> None:
    lock(folder / "base" / "base.toml", context)
    (folder / "base" / "base.toml").write_text(BASE + '[env]\nB = "2"\n')
    with pytest.raises(CheckFailed, match="does not fit its spec"):
        lock(folder / "app.toml", context)


def test_a_base_on_itself_is_refused(folder: Path, context: Context) -> None:
    (folder / "base" / "base.toml").write_text('name = "base"\n[base]\nspec = "../app.toml"\n')
    with pytest.raises(UsageError, match="built on itself") as caught:
        lock(folder / "base" / "base.toml", context)
    assert caught.value.where == "app.toml → base.toml → app.toml"


def test_pip_packages_on_a_base_with_a_venv_of_its_own_are_refused(
    folder: Path, context: Context
) -> None:
    venv = Entry("opt/venv/pyvenv.cfg", b"home = /usr/bin\n")
    shutil.rmtree(folder / "base" / "layout")
    writer = LayoutWriter(folder / "base" / "layout")
    writer.finish([writer.image([tar_of([venv])])])
    lock(folder / "base" / "base.toml", context)
    (folder / "app.toml").write_text(DERIVED + '[pip]\npackages = ["six"]\n')
    with pytest.raises(UsageError, match="virtual environment at /opt/venv"):
        lock(folder / "app.toml", context)


def test_a_lock_kept_elsewhere_finds_its_base(
    folder: Path, context: Context, tmp_path: Path
) -> None:
    (tmp_path / "locks").mkdir()
    spec, kept = folder / "base" / "base.toml", tmp_path / "locks" / "base.lock"
    located = locate(str(spec), lock=str(kept))
    lock_spec(located, context=context, options=ResolveOptions())
    fresh = replace(context, store=Store(tmp_path / "fresh"))
    order = order_of(locate(str(kept)))
    found = build(order, order.lock.platforms, output=f"oci:{tmp_path / 'out'}", context=fresh)
    assert found.images[0].layers


def test_fetching_a_lock_brings_its_base(folder: Path, context: Context, tmp_path: Path) -> None:
    spec = folder / "base" / "base.toml"
    locked = lock(spec, context)
    fresh = replace(context, store=Store(tmp_path / "fresh"))
    count, size = fetch_lock(locked, locked.platforms, context=fresh, folder=spec.parent)
    assert (count, size > 0) == (0, True)
    shutil.rmtree(spec.parent / "layout")
    assert build_it(spec, fresh, tmp_path / "out").images[0].layers


@pytest.mark.parametrize("name", ["base", "base/base.toml"])
def test_the_base_alone_is_moved_by_its_name(name: str, folder: Path, context: Context) -> None:
    lock(folder / "base" / "base.toml", context)
    before = lock(folder / "app.toml", context)
    (folder / "base" / "a.txt").write_text("second")
    assert lock(folder / "app.toml", context) == before
    moved = lock(folder / "app.toml", context, name=name)
    assert moved.bases[0].digest != before.bases[0].digest
    with pytest.raises(UsageError, match="no package 'bass'"):
        lock(folder / "app.toml", context, name="bass")
