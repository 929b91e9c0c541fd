"""Bases that have no dpkg: pip packages work, apt packages are refused with the way out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.build import build, order_of
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import locate
from imagelock.app.lock import lock_spec
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import ImagelockError, NoSolution
from imagelock.model.lock import Lock, PythonProvider
from support.layouts import Entry, LayoutWriter, tar_of
from support.minbase import test_cache as kept_downloads

PYTHON = Entry("usr/bin/python3.12", b"\x7fELF\x003.12.4\x00", mode=0o755)
GLIBC = Entry("lib64/libc.so.6", b"\0stable release version 2.36.\n")
MUSL = Entry("lib/ld-musl-x86_64.so.1", b"\x7fELF\x001.2.5\0musl libc (x86_64)\n")


@pytest.fixture
def context() -> Context:
    return Context(store=Store(kept_downloads() / "store"), http=Http(), now=datetime.now(UTC))


def lock(folder: Path, context: Context, entries: list[Entry], rest: str) -> Lock:
    writer = LayoutWriter(folder / "base")
    writer.finish([writer.image([tar_of(entries)])])
    (folder / "a.toml").write_text(f'name = "a"\n[base]\nlayout = "oci:base"\n{rest}')
    located = locate(str(folder / "a.toml"))
    return lock_spec(located, context=context, options=ResolveOptions()).lock


@pytest.mark.network
@pytest.mark.parametrize(("libc", "tag"), [(GLIBC, "manylinux"), (MUSL, "musllinux")])
def test_wheels_are_those_for_the_bases_own_python_and_libc(
    libc: Entry, tag: str, context: Context, tmp_path: Path
) -> None:
    found = lock(tmp_path, context, [PYTHON, libc], '[pip]\npackages = ["markupsafe==3.0.2"]\n')
    (pin,) = found.pip
    assert f"cp312-cp312-{tag}" in pin.artifact.filename
    (python,) = found.pythons
    assert (python.version, python.provider) == ("3.12.4", PythonProvider.BASE)
    assert found.apt == ()
    order = order_of(locate(str(tmp_path / "a.toml")))
    built = build(order, found.platforms, output=f"oci:{tmp_path / 'out'}", context=context)
    assert built.images[0].layers


def test_apt_packages_need_a_base_with_dpkg(context: Context, tmp_path: Path) -> None:
    with pytest.raises(ImagelockError) as caught:
        lock(tmp_path, context, [PYTHON, GLIBC], '[apt]\npackages = ["hello"]\n')
    assert "Debian or Ubuntu base" in caught.value.hint


def test_pip_packages_need_a_python(context: Context, tmp_path: Path) -> None:
    with pytest.raises(NoSolution, match="the base has none"):
        lock(tmp_path, context, [GLIBC], '[pip]\npackages = ["six"]\n')
