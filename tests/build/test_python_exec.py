"""`pip.python-exec`: wheels into an interpreter of the base, over what is installed there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from build.conftest import Site, layout_of, needs_root
from build.images import in_image
from build.test_output import pip_lock
from imagelock.app.build import build, build_context, order_of
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import locate
from imagelock.app.images import named_image
from imagelock.app.lock import lock_spec
from imagelock.app.verify import verify_image
from imagelock.build.oci.builder import OciBuilder
from imagelock.build.oci.contents import Contents, read_contents
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import BuildError
from imagelock.model.lock import Lock
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import DEFAULT_PLATFORM
from support.archives import wheel_of
from support.command import kept_folder

SITE = "opt/conda/lib/python3.11/site-packages"
OLD = {
    f"{SITE}/thing.py": b"old",
    f"{SITE}/gone.py": b"old",
    f"{SITE}/__pycache__/thing.cpython-311.pyc": b"old",
    f"{SITE}/left/inner.py": b"old",
    f"{SITE}/kept.py": b"another's",
    "opt/conda/bin/thing-tool": b"#!old",
    "opt/conda/bin/python3.11": b"\x7fELF",
    f"{SITE}/Thing-0.9.dist-info/METADATA": b"Name: Thing\nVersion: 0.9\n",
    f"{SITE}/Thing-0.9.dist-info/RECORD": (
        b"thing.py,,\ngone.py,,\n__pycache__/thing.cpython-311.pyc,,\nleft/inner.py,,\n"
        b"../../../bin/thing-tool,,\n../../../../../etc/passwd,,\nabsent.py,,\n"
        b"Thing-0.9.dist-info/METADATA,,\nThing-0.9.dist-info/RECORD,,\n"
    ),
    f"{SITE}/other-1.0.dist-info/METADATA": b"Name: other\nVersion: 1.0\n",
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
}


def tar_of(files: Mapping[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        folders = {SITE: 0o2775} | {"opt/conda": 0o750}
        for path, mode in sorted(folders.items()):
            item = tarfile.TarInfo(path)
            item.type, item.mode, item.gid = tarfile.DIRTYPE, mode, 50
            tar.addfile(item)
        for path, data in files.items():
            item = tarfile.TarInfo(path)
            item.size = len(data)
            tar.addfile(item, io.BytesIO(data))
    return output.getvalue()


def site_with(folder: Path, *layers: Mapping[str, bytes]) -> Site:
    base = layout_of(folder / "base", [tar_of(files) for files in layers])
    return Site(folder=folder, base=base, store=Store(folder / "store"))


def python_exec_lock(site: Site, **wheels: bytes) -> Lock:
    lock = pip_lock(site, **wheels)
    pip = PipSpec(packages=("thing",), python_exec="/opt/conda/bin/python")
    python = replace(lock.pythons[0], executable="/opt/conda/bin/python3.11")
    return replace(lock, roots=replace(lock.roots, pip=pip), pythons=(python,))


def contents(site: Site, lock: Lock) -> Contents:
    made = site.image(lock)
    return read_contents((la.descriptor, made.blob_file(la.descriptor)) for la in made.image.layers)


NEW = wheel_of({"thing.py": b"new\n"})


def test_what_is_installed_of_the_same_name_is_replaced_whole(tmp_path: Path) -> None:
    site = site_with(tmp_path, OLD)
    found = contents(site, python_exec_lock(site, thing=NEW))
    there = {path for path in found.paths if path.startswith(("opt", "etc"))}
    assert f"{SITE}/thing.py" in there
    assert found.paths[f"{SITE}/thing.py"].size == len(b"new\n")
    assert f"{SITE}/kept.py" in there
    assert f"{SITE}/other-1.0.dist-info/METADATA" in there
    assert "etc/passwd" in there
    for path in ("gone.py", "left", "left/inner.py", "__pycache__", "Thing-0.9.dist-info"):
        assert f"{SITE}/{path}" not in there
    assert "opt/conda/bin/thing-tool" not in there
    assert f"{SITE}/thing-1.0.dist-info/METADATA" in there


def test_folders_of_the_base_keep_mode_and_owner(tmp_path: Path) -> None:
    site = site_with(tmp_path, OLD)
    made = site.image(python_exec_lock(site, thing=NEW))
    assert [layer.title for layer in made.image.layers[1:]] == [
        "pip: what is replaced",
        "pip: 1 package",
    ]
    for number in (-1, -2):
        members = site.layer(made, number)
        assert (members[SITE].mode, members[SITE].gid) == (0o2775, 50)
        assert (members["opt/conda"].mode, members["opt/conda"].gid) == (0o750, 50)
        assert members["opt"].mode == 0o755


def test_a_base_without_it_gets_one_layer(tmp_path: Path) -> None:
    files = {path: data for path, data in OLD.items() if "Thing" not in path}
    site = site_with(tmp_path, files)
    made = site.image(python_exec_lock(site, thing=NEW))
    assert [layer.title for layer in made.image.layers[1:]] == ["pip: 1 package"]


def test_what_a_layer_of_the_base_took_away_counts_as_gone(tmp_path: Path) -> None:
    gone = {f"{SITE}/.wh.Thing-0.9.dist-info": b"", f"{SITE}/.wh.left": b""}
    site = site_with(tmp_path, OLD, gone)
    made = site.image(python_exec_lock(site, thing=NEW))
    assert [layer.title for layer in made.image.layers[2:]] == ["pip: 1 package"]


def test_the_second_build_reads_no_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_with(tmp_path, OLD)
    lock = python_exec_lock(site, thing=NEW)
    first = site.image(lock)
    from imagelock.build.oci import interpreter

    monkeypatch.setattr(interpreter, "read_tar", None)
    again = site.image(lock)
    assert [la.diff_id for la in again.image.layers] == [la.diff_id for la in first.image.layers]
    assert all(layer.cached for layer in again.image.layers)


def test_what_has_no_list_of_its_files_is_refused(tmp_path: Path) -> None:
    site = site_with(tmp_path, OLD | {f"{SITE}/thing-0.8.egg-info": b""})
    with pytest.raises(BuildError, match="without a list of its files"):
        site.image(python_exec_lock(site, thing=NEW))


@pytest.mark.network
@pytest.mark.root
def test_two_images_over_each_other(site: Site, debian: Path) -> None:
    """Into Debian's interpreter, then another version over that, then one that is built."""
    needs_root()
    store = Store(kept_folder() / "store")
    context = Context(store=store, http=Http(), now=datetime.now(UTC))
    (site.folder / "base").symlink_to(debian)
    says = "import six; print(six.__version__, six.__file__)"
    expected = []
    images = (("one", "base", "1.16.0"), ("two", "one", "1.17.0"), ("three", "two", "1.15.0"))
    for name, base, six in images:
        spec = site.folder / f"{name}.toml"
        spec.write_text(
            f'[base]\nlayout = "oci:{base}"\n'
            f'[pip]\npackages = ["six=={six}"]\npython-exec = "/usr/bin/python3"\n'
            + ('no-binary = ["six"]\n[apt]\npackages = ["python3"]\n' if name == "three" else "")
        )
        lock_spec(locate(str(spec)), context=context, options=ResolveOptions())
        order = order_of(locate(str(spec)))
        build(order, order.lock.platforms, output=f"oci:{site.folder}/{name}", context=context)
        made = OciBuilder().images(order.lock, [], context=build_context(order, context=context))[0]
        expected.append(in_image(replace(site, store=store), made, f'python3 -c "{says}"'))
        with named_image(f"oci:{site.folder}/{name}", context=context) as image:
            assert verify_image(order.lock, DEFAULT_PLATFORM, image.source, image.reference) == ()
    place = "/usr/local/lib/python3.11/dist-packages/six.py"
    assert expected == [f"{six} {place}\n" for _name, _base, six in images]
    found = in_image(replace(site, store=store), made, f"ls {place.removesuffix('/six.py')}")
    assert found.split() == ["six-1.15.0.dist-info", "six.py"]
